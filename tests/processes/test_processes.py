"""Real processes: several record, one is killed, and everybody can read at any time."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from exporters import open_store
from exporters.duckdb.upkeep.compaction import compact
from exporters.store import TraceQuery
from tracer.config import settings

WRITER = Path(__file__).with_name("writer.py")
FLIGHTLOG = str(Path(sys.executable).with_name("flightlog"))
ROUNDS = 4  # of questions; after the first one a writer is killed


def start(name: str) -> subprocess.Popen[str]:
    """A writer with this name, which goes on until its stdin is closed."""
    command = [sys.executable, str(WRITER), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def heard(writer: subprocess.Popen[str], count: int | None = None) -> list[int]:
    """The next so many steps that a writer has ended, or all that are left, as it has to end."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    if count is not None:
        return [int(writer.stdout.readline()) for _ in range(count)]
    writer.stdin.close()
    left = [int(line) for line in writer.stdout]
    writer.stdout.close()
    writer.wait()
    return left


def steps(store_rows: list[tuple[str, int]], name: str) -> list[int]:
    """Steps of a writer that the store has, in order."""
    return sorted(step for writer, step in store_rows if writer == name)


def test_four_writers_a_viewer_and_sql() -> None:
    """No lock error, nothing lost or doubled; spans open in a killed writer are interrupted."""
    with subprocess.Popen(
        [FLIGHTLOG, "view", "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as viewer:
        assert viewer.stdout is not None
        url = viewer.stdout.readline().split()[-1].rstrip("/")
        writers = {name: start(name) for name in "abcd"}
        acknowledged = {name: heard(writer, 50) for name, writer in writers.items()}
        query = "SELECT count(*) AS spans FROM spans"
        counts = []
        victim = writers["d"]
        for _ in range(ROUNDS):
            done = subprocess.run(
                [FLIGHTLOG, "sql", query, "--format", "json"],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            counts.append(json.loads(done.stdout)[0]["spans"])
            with urllib.request.urlopen(f"{url}/api/v1/traces", timeout=60) as answer:
                assert answer.status == 200
            victim.send_signal(signal.SIGKILL)
        viewer.send_signal(signal.SIGINT)

    for name, writer in writers.items():
        acknowledged[name] += heard(writer)
    assert victim.returncode == -signal.SIGKILL
    assert counts == sorted(counts)
    store = open_store()
    found = store.sql(
        "SELECT data->>'writer', (data->>'step')::INT FROM spans WHERE name LIKE 'step %'",
        limit=100_000,
    )
    rows = [(str(writer), int(step)) for writer, step in found.rows]
    for name, said in acknowledged.items():
        have = steps(rows, name)
        assert have == list(range(len(have)))
        assert len(have) - len(said) in (0, 1)
    status = {trace.name: trace.status for trace in store.search(TraceQuery()).traces}
    assert status == {
        "writer a": "ok",
        "writer b": "ok",
        "writer c": "ok",
        "writer d": "interrupted",
    }
    killed = store.search(TraceQuery(name="writer d")).traces[0]
    assert {span.status for span in store.spans(killed.trace_id) if span.name == "outer"} == {
        "interrupted"
    }


def test_what_ended_survives_a_kill() -> None:
    """After SIGKILL in the middle of things, whatever ended before is there."""
    writer = start("k")
    said = heard(writer, 100)
    writer.kill()
    said += heard(writer)

    found = open_store().sql("SELECT name, status FROM spans WHERE name LIKE 'step %'").rows

    names = {name for name, _ in found}
    assert {f"step {step}" for step in said} <= names
    assert len(found) == len(names)


KILLED = """
import os, signal
from tracer import custom_span, trace
with trace("killed"), custom_span("open"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_interrupted_after_compaction() -> None:
    """What was open in a killed process stays interrupted when its segment becomes a part."""
    subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=120)
    before = open_store().get("last")
    compact(settings().store)
    after = open_store()

    assert before.status == "interrupted"
    assert after.get("last").status == "interrupted"
    assert [span.status for span in after.spans(before.trace_id)] == ["interrupted"]


DAEMON = """
import os, sys
from tracer import trace
with trace("before"):
    pass
os.closerange(3, 256)  # as a program does to become a daemon
files = [open(os.path.join(sys.argv[1], f"{number}.txt"), "w") for number in range(8)]
for file in files:
    file.write("mine")
    file.flush()
with trace("after"):
    pass
"""


def test_descriptors_closed_by_the_program(tmp_path: Path) -> None:
    """A program may close every descriptor and open files of its own: they stay its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAEMON, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"mine"}
    traces = {trace.name: trace.status for trace in open_store().search(TraceQuery()).traces}
    assert traces == {"before": "ok", "after": "ok"}
    assert "cannot be written" not in done.stderr
