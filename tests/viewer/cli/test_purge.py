"""`flightlog purge`: what goes is said first, and then it is off the disk."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout

RUNNING = """
import sys, tracer
from tracer import custom_span, trace
with trace("over"):
    with custom_span("work", {"secret": "swordfish"}):
        pass
with trace("running"):
    with custom_span("work"):
        pass
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(recorded, tmp_path):
    """A copy of the recorded store, to delete from."""
    path = tmp_path / "own" / "traces.duckdb"
    shutil.copytree(f"{recorded.store}.d", f"{path}.d")
    return path


@pytest.fixture
def on(flightlog, store):
    """Runs a command on the copy."""

    def run(command, *words, **options):
        return flightlog(command, "--store", str(store), *words, **options)

    return run


def names(on):
    """First words of the names of the traces that are there."""
    return {trace["name"].split()[0] for trace in json.loads(on("list", "--json").stdout)}


def ids(on):
    """Ids by the first word of the name."""
    traces = json.loads(on("list", "--json").stdout)
    return {trace["name"].split()[0]: trace["trace_id"] for trace in traces}


def kept_bytes(store: Path) -> bytes:
    """All bytes of the store's files that are not compressed."""
    files = [path for path in Path(f"{store}.d").rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def test_dry_run(on):
    """A dry run says what would go, in numbers and names, and changes nothing."""
    done = on("purge", "--all", "--dry-run")

    assert (done.returncode, done.stdout) == (0, "")
    assert "To be deleted for good: 3 traces with 4 spans, about " in done.stderr
    assert "Nothing was deleted: this was a dry run." in done.stderr
    assert names(on) == {"support", "quiet", "refund"}


def test_asks(on):
    """Without a terminal nothing is deleted, unless --yes was given."""
    done = on("purge", "--all")

    assert done.returncode == 2
    assert "Add --yes." in done.stderr
    assert names(on) == {"support", "quiet", "refund"}


def test_trace(on, store):
    """A trace goes whole, out of lists and off the disk; the others stay."""
    assert b"shipped" in kept_bytes(store)

    done = on("purge", "--trace", ids(on)["support"][-8:], "--yes")

    assert done.returncode == 0, done.stderr
    assert "1 trace with 2 spans" in done.stderr
    assert done.stdout.startswith("Deleted 1 trace. The store took ")
    assert names(on) == {"quiet", "refund"}
    assert b"shipped" not in kept_bytes(store)
    with_sql = on("sql", "select count(*) as n from spans", "--format", "json")
    assert json.loads(with_sql.stdout) == [{"n": 2}]


def test_rest(on, recorded, store):
    """What compaction frees beside a small trace is told apart from it."""
    program = "import os\nfrom tracer import custom_span, trace\n"
    for text in ("os.urandom(300_000).hex()", "'small'"):
        program += f"with trace('more'), custom_span('work', {{'text': {text}}}):\n    pass\n"
    environ = recorded.environ(FLIGHTLOG_STORE=str(store))
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, timeout=120)
    on("doctor", "--repair")
    names(on)

    told = on("purge", "--trace", "last", "--dry-run").stderr
    done = on("purge", "--trace", "last", "--yes")

    assert "comes free with it: what compaction has replaced" in told
    assert "compaction, which came with it, freed the rest. No other trace is gone." in done.stdout


def test_all(on, store):
    """All of it goes, but the store stays the same one, and can be recorded into."""
    layout = Layout.of(store)
    said = layout.format_file.read_bytes()
    (layout.quarantine / "bad").write_bytes(b"x")

    done = on("purge", "--all", "-y")

    assert done.returncode == 0, done.stderr
    assert names(on) == set()
    assert layout.format_file.read_bytes() == said
    assert list(layout.quarantine.iterdir()) == []
    assert [path.name for path in layout.parts.iterdir()] == ["p-0000000000000-schema"]
    assert on("purge", "--all", "-y").returncode == 0


def test_group_and_age(on):
    """What is asked for narrows: a group, and when it started."""
    assert "No trace matches." in on("purge", "--group", "chat", "--older-than", "1d").stderr
    assert "No trace matches." in on("purge", "--group", "other", "-y").stderr
    done = on("purge", "--group", "chat", "--older-than", "0s", "-y")

    assert done.returncode == 0
    assert names(on) == {"quiet", "refund"}


def test_pinned(on):
    """A pinned trace is skipped and named; named itself it is refused, unless on purpose."""
    trace_id = ids(on)["quiet"]
    on("pin", trace_id)

    refused = on("purge", "--trace", trace_id, "-y")
    assert refused.returncode == 1
    assert "is pinned" in refused.stderr
    done = on("purge", "--all", "-y")
    assert f"Kept, pinned: 1 trace (quiet {trace_id})" in done.stderr
    assert names(on) == {"quiet"}
    assert on("purge", "--trace", trace_id, "--pinned-too", "-y").returncode == 0
    assert names(on) == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "told to delete nothing"),
        (("--all", "--group", "g"), "both --all and less than all"),
        (("--older-than", "soon"), "--older-than is 'soon'"),
        (("--older-than", "30"), "For 30 days write: --older-than 30d"),
    ],
)
def test_misused(on, words, said):
    """What is not clear is not deleted."""
    done = on("purge", *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_store(flightlog, tmp_path):
    """Where nothing was recorded there is nothing to delete."""
    done = flightlog("purge", "--all", "--store", str(tmp_path / "none.duckdb"), "-y")

    assert done.returncode == 0
    assert "nothing to delete" in done.stderr
    assert not (tmp_path / "none.duckdb.d").exists()


def test_running(on, store, recorded):
    """What runs stays and is named; what ended in a file that is still written goes later."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNNING],
        env=recorded.environ(FLIGHTLOG_STORE=str(store)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        done = on("purge", "--all", "-y")
        assert "Kept, still running: 1 trace (running " in done.stderr
        assert "still writes to the same file" in done.stderr
        assert names(on) == {"over", "running"}
        program.communicate("\n")

    on("purge", "--group", "none", "-y")
    done = on("purge", "--older-than", "1d", "-y")
    assert names(on) == {"over", "running"}
    subprocess.run(
        [sys.executable, "-m", "exporters.duckdb.upkeep.compaction", "--store", str(store)],
        env=recorded.environ(),
        check=True,
        timeout=120,
    )
    assert names(on) == {"running"}
    assert b"swordfish" not in kept_bytes(store)


def test_terminal(store, recorded):
    """On a terminal it asks, and takes nothing but yes for yes."""

    def answered(answer: bytes) -> int:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "viewer", "purge", "--all", "--store", str(store)]
        with subprocess.Popen(
            command, env=recorded.environ(), stdin=theirs, stdout=-1, stderr=-1
        ) as asked:
            os.close(theirs)
            os.write(ours, answer)
            told = asked.communicate(timeout=120)
        os.close(ours)
        assert b"Delete? [y/N]" in told[1]
        return asked.returncode

    assert answered(b"\n") == 1
    assert answered(b"yes\n") == 0
