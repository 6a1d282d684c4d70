"""Everybody at once: eight writers, a viewer, commands, a notebook and a user's own DuckDB."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporters import open_store, sql
from exporters.duckdb.upkeep.compaction import compact
from tracer.config import settings

WRITER = Path(__file__).with_name("paced.py")
FLIGHTLOG = str(Path(sys.executable).with_name("flightlog"))
WRITERS = 8
RATE = 2000
STEPS = (
    "SELECT attributes['writer'] AS writer, count(*) AS n, "
    "count(DISTINCT attributes['step']) AS steps, max(attributes['step']::INT) AS last "
    "FROM spans WHERE name = 'step' AND ended_at IS NOT NULL GROUP BY writer"
)
# A user who has the catalog open for writing all the time, with tables of their own in it.
USER = """
import os, sys, time
import duckdb
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
database = duckdb.connect(sys.argv[1])
database.execute("set enable_progress_bar = false")  # it would be among the answers
database.execute("create table mine (counted bigint)")
print("open", flush=True)
for line in sys.stdin:
    for _ in range(20):
        try:
            found = database.execute(
                "select count(*), count(distinct span_id) from spans where name = 'step'"
            ).fetchone()
            break
        except duckdb.IOException:  # a file was replaced while it was being read
            continue
    database.execute("insert into mine values (?)", [found[0]])
    print(*found, flush=True)
"""


def start(name: str, rate: float, much: float) -> subprocess.Popen[str]:
    """A writer with this name."""
    command = [sys.executable, str(WRITER), name, str(rate), str(much)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextmanager
def ending(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """No process outlives the block, however it ends."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextmanager
def beside(*watches: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Call each of these again and again, each in a thread of its own; gives what they raised."""
    over = threading.Event()
    raised: list[BaseException] = []

    def watch(call: Callable[[], None]) -> None:
        try:
            while not over.is_set():
                call()
        except BaseException as error:  # noqa: BLE001 (told at the end)
            raised.append(error)

    threads = [threading.Thread(target=watch, args=(call,)) for call in watches]
    for thread in threads:
        thread.start()
    try:
        yield raised
    finally:
        over.set()
        for thread in threads:
            thread.join()


def growing(counts: list[int], now: int) -> None:
    """Note a count, which may only grow."""
    assert not counts or now >= counts[-1]
    counts.append(now)


def whole(rows: list[tuple[str, int, int, int]]) -> int:
    """How many spans there are: of each writer every one up to its last, and each once."""
    for writer, n, steps, last in rows:
        assert (n, steps) == (last + 1, last + 1), writer
    return sum(n for _, n, _, _ in rows)


@pytest.mark.timeout(240)
def test_everybody_at_once(torture: bool) -> None:
    """No lock error, nothing lost or doubled, and all of it seen at once by all of them."""
    seconds = 60.0 if torture else 5.0
    seen: dict[str, list[int]] = {"command": [], "notebook": [], "viewer": [], "user": []}
    delays: list[float] = []
    names: set[str] = set()
    viewer = subprocess.Popen(
        [FLIGHTLOG, "view", "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert viewer.stdout is not None
    url = viewer.stdout.readline().split()[-1].rstrip("/")
    user = subprocess.Popen(
        [sys.executable, "-c", USER, str(settings().store)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert user.stdin is not None
    assert user.stdout is not None
    store = open_store()
    cursor = [store.follow(None).cursor]

    def command() -> None:
        done = subprocess.run(
            [FLIGHTLOG, "sql", STEPS, "--format", "json"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        growing(seen["command"], whole([tuple(row.values()) for row in json.loads(done.stdout)]))
        time.sleep(0.5)

    def notebook() -> None:
        growing(seen["notebook"], whole(list(sql(STEPS, store=store))))
        time.sleep(0.5)

    def page() -> None:
        with urllib.request.urlopen(f"{url}/api/v1/traces?limit=50", timeout=60) as answer:
            growing(seen["viewer"], len(json.load(answer)["traces"]))
        time.sleep(0.5)

    def follow() -> None:
        changes = store.follow(cursor[0])
        cursor[0], now = changes.cursor, time.time() * 1000
        fresh = set(changes.trace_ids) - names
        names.update(fresh)
        delays.extend(now - int(name.removeprefix("trace_")[:12], 16) for name in fresh)
        time.sleep(0.1)

    def own_duckdb() -> None:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write("now\n")
        user.stdin.flush()
        while (answer := user.stdout.readline()) == "open\n":
            continue
        assert answer, f"the user's own DuckDB ended with {user.wait(60)}"
        n, distinct = map(int, answer.split())
        assert n == distinct
        growing(seen["user"], n)
        time.sleep(0.5)

    writers = [start(f"w{number}", RATE / WRITERS, seconds) for number in range(WRITERS)]
    with ending(*writers, viewer, user):
        with beside(command, notebook, page, follow, own_duckdb) as raised:
            said = sum(int(writer.communicate(timeout=200)[0]) for writer in writers)
        for error in raised:
            raise error
        viewer.send_signal(signal.SIGINT)
        viewer.communicate(timeout=60)
        user.communicate(timeout=60)

    assert all(writer.returncode == 0 for writer in writers)
    assert whole(list(sql(STEPS, store=store))) == said
    follow()
    assert len(names) == said / 10
    store.close()
    assert all(seen.values()), seen
    if torture:  # a machine with other work to do may be slower
        assert statistics.median(delays) < 300
        assert statistics.quantiles(delays, n=100)[98] < 1000


@pytest.mark.timeout(600)
def test_burst(torture: bool) -> None:
    """After a burst everything can be read at once, and all the same when it is compacted."""
    count = 1_000_000 if torture else 20_000
    writers = [start(f"w{number}", 0, count // WRITERS) for number in range(WRITERS)]
    said = sum(int(writer.communicate(timeout=300)[0]) for writer in writers)

    before = whole(list(sql(STEPS, timeout=300)))
    compact(settings().store)
    after = whole(list(sql(STEPS, timeout=300)))

    assert (before, after) == (said, said)
    left = settings().store.with_name("traces.duckdb.d") / "hot"
    covered = {
        line
        for covers in (left.parent / "parts").glob("*/covers.csv")
        for line in covers.read_text().splitlines()
    }
    assert {path.name for path in left.glob("*-*.ndjson")} <= covered
