"""Questions get their turns, end when they have to, and leave no process behind."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import Layout
from exporters.duckdb.sql import asking
from exporters.duckdb.sql.answerer import surroundings
from exporters.duckdb.sql.asking import AT_ONCE, Asker, Turn, allowed_seconds, aside_at, takes_slow
from exporters.store import QueryError, Stop, StoreError
from tracer import function_span, trace
from tracer.config import settings

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1"
DEAF = "SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))"
PROGRAM = """
import sys
from exporters.duckdb.sql.asking import Asker
from exporters.duckdb.layout import Layout

asker = Asker(Layout.of(sys.argv[1]))
for query in sys.argv[2:]:
    print(asker.ask(query, timeout=150).rows, flush=True)
"""


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `check` gives once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return found


def answering(store: Path) -> list[int]:
    """Processes that answer questions of a store, zombies not included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"exporters.duckdb.sql.answering" in words and bytes(store) in words:
                found.append(int(path.parent.name))
    return found


def children() -> set[int]:
    """Processes that this one started and has not waited for, zombies included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "traces.duckdb"


@pytest.fixture
def asker(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    """Asks an empty store, at a desk of its own."""
    desk = asking.Desk()
    monkeypatch.setattr(asking, "_desk", desk)
    asker = Asker(Layout.of(place))
    yield asker
    asker.close()
    desk.close()
    until(lambda: not answering(place))


class Asked(threading.Thread):
    """A question that is asked from a thread, and what came of it."""

    def __init__(self, asker: Asker, query: str, **options: Any) -> None:
        super().__init__()
        self.outcome: Any = None
        self._ask = lambda: asker.ask(query, **options).rows
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            self.outcome = self._ask()
        except StoreError as error:
            self.outcome = error

    def ended(self) -> Any:
        """What came of it."""
        self.join(150)
        assert not self.is_alive()
        return self.outcome


def turn(*, begun: float | None = 0.0, granted: int = 0, slow: bool = False) -> Turn:
    """A question that runs."""
    turn = Turn(Layout.of("x"), "", b"", 0, 10.0)
    turn.begun, turn.granted, turn.slow = begun, granted, slow
    return turn


def test_allowed() -> None:
    """The more wait, the shorter may one hold its place, between half a second and a twentieth."""
    assert allowed_seconds(0) == allowed_seconds(1) == 0.5
    assert 0.05 < allowed_seconds(20) < 0.5
    assert allowed_seconds(1000) == 0.05


def test_place_for_new() -> None:
    """A question that takes long gets a free place unless it were the last one for new ones."""
    long, short = turn(begun=0.0), turn(begun=9.9)

    assert takes_slow([short, short], 1, 1, 10.0)
    assert not takes_slow([long, long], 1, 1, 10.0)
    assert not takes_slow([turn(slow=True), long], 1, 1, 10.0)
    assert takes_slow([long, long], 0, 1, 10.0)
    assert not takes_slow([], 1, 0, 10.0)


def test_who_makes_room() -> None:
    """Where all places are taken, the new one that came last makes room for who waits."""
    old, new, slow = turn(granted=1), turn(granted=2, begun=3.0), turn(granted=3, slow=True)
    running = [old, new, slow]

    assert aside_at(new, running, 1) == 3.5
    assert aside_at(old, running, 1) is aside_at(slow, running, 1) is None
    assert aside_at(new, running, 0) is None
    assert aside_at(new, [old, new], 1) is None
    assert aside_at(turn(begun=None, granted=9), running, 1) is None


def test_not_starved(asker: Asker, place: Path) -> None:
    """A quick question is answered however many slow ones came before it, which all go on."""
    stop = Stop()
    slow = [
        Asked(asker, DEAF if i % 4 == 0 else ENDLESS, timeout=1000, stop=stop) for i in range(60)
    ]
    until(lambda: len(answering(place)) == AT_ONCE)

    assert asker.ask("SELECT 1", timeout=150).rows == [(1,)]
    assert len(answering(place)) <= AT_ONCE
    assert [asked.outcome for asked in slow] == [None] * 60
    stop.tell()
    for asked in slow:
        assert "cancelled" in str(asked.ended())


def test_set_aside(asker: Asker) -> None:
    """A question that made room for others is answered in the end."""
    query = "SELECT count(*) FROM range(200000000) WHERE hash(range) = 1"
    long = [Asked(asker, query, timeout=150) for _ in range(AT_ONCE + 1)]
    quick = [Asked(asker, f"SELECT {i}", timeout=150) for i in range(10)]

    assert [asked.ended() for asked in quick] == [[(i,)] for i in range(10)]
    assert [asked.ended() for asked in long] == [[(0,)]] * (AT_ONCE + 1)


def test_busy(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many wait, one more is told so at once."""
    monkeypatch.setattr(asking, "AT_ONCE", 1)
    monkeypatch.setattr(asking, "MOST_WAITING", 0)
    desk = asking._desk
    stop = Stop()
    monkeypatch.setattr(asking, "MOST_WAITING", 1)
    monkeypatch.setattr(asking, "allowed_seconds", lambda waiting: 1000.0)
    first = Asked(asker, ENDLESS, timeout=1000, stop=stop)
    until(lambda: desk._running)
    second = Asked(asker, "SELECT 2", timeout=1000, stop=stop)
    until(lambda: desk._fresh)

    with pytest.raises(QueryError, match="busy"):
        asker.ask("SELECT 3", timeout=1000)
    stop.tell()
    assert "cancelled" in str(first.ended())
    assert "cancelled" in str(second.ended())


def test_waiting_counts(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in which a question waits for others is part of its time."""
    monkeypatch.setattr(asking, "AT_ONCE", 1)
    monkeypatch.setattr(asking, "allowed_seconds", lambda waiting: 1000.0)
    stop = Stop()
    first = Asked(asker, ENDLESS, timeout=1000, stop=stop)
    until(lambda: asking._desk._running)

    with pytest.raises(QueryError, match=r"stopped after 0\.2 s, in which it waited"):
        asker.ask("SELECT 1", timeout=0.2)
    stop.tell()
    first.ended()


@pytest.mark.parametrize("query", [ENDLESS, DEAF])
def test_stop(asker: Asker, query: str) -> None:
    """A question whose answer nobody wants any more ends, and the next one is answered."""
    stop = Stop()
    asked = Asked(asker, query, timeout=1000, stop=stop)
    until(lambda: any(turn.begun for turn in asking._desk._running))
    stop.tell()

    assert "cancelled" in str(asked.ended())
    with pytest.raises(QueryError, match="cancelled"):
        asker.ask("SELECT 1", stop=stop)
    assert asker.ask("SELECT 1").rows == [(1,)]


def test_close(asker: Asker) -> None:
    """Closing stops what is being asked."""
    asked = Asked(asker, ENDLESS, timeout=1000)
    until(lambda: asking._desk._running)
    asker.close()

    assert "cancelled" in str(asked.ended())


def test_kept(asker: Asker, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process answers question after question, refused ones and stopped ones included."""
    monkeypatch.setattr(asking, "KILL_SECONDS", 60.0)  # a busy machine stops it late
    asker.ask("SELECT 1")
    (pid,) = answering(place)
    for query in ("SELEC 1", "DROP VIEW traces", ENDLESS):
        with pytest.raises(QueryError):
            asker.ask(query, timeout=0.3)
    asker.ask("SELECT 1")

    assert answering(place) == [pid]


def test_not_kept(asker: Asker, place: Path) -> None:
    """A process whose memory ran out is not used again, and nothing is left of it."""
    before = children()
    asker.ask("SELECT 1")
    (pid,) = answering(place)
    with pytest.raises(QueryError, match="more memory"):
        asker.ask("SELECT list(range) FROM range(100000000000)", timeout=150)

    assert asker.ask("SELECT 1").rows == [(1,)]
    assert pid not in answering(place)
    assert len(children() - before) == 1


def test_killed(asker: Asker, place: Path) -> None:
    """A process that was killed is replaced; the question that it was asked fails."""
    asker.ask("SELECT 1")
    os.kill(*answering(place), signal.SIGKILL)
    assert asker.ask("SELECT 2").rows == [(2,)]

    asked = Asked(asker, ENDLESS, timeout=1000)
    until(lambda: any(turn.begun for turn in asking._desk._running))
    os.kill(*answering(place), signal.SIGKILL)
    assert "ended the process" in str(asked.ended())
    assert asker.ask("SELECT 3").rows == [(3,)]


def test_two_stores(asker: Asker, place: Path) -> None:
    """Stores share the places; a process of one makes room for a question of another."""
    others = [Asker(Layout.of(place.with_name(f"{i}.duckdb"))) for i in range(AT_ONCE + 1)]
    for other in (*others, asker, *others):
        assert other.ask("SELECT 1").rows == [(1,)]

    def alive() -> list[int]:
        return [
            pid for i in range(AT_ONCE + 1) for pid in answering(place.with_name(f"{i}.duckdb"))
        ]

    assert len(asking._desk._idle) == AT_ONCE
    until(lambda: len(alive()) == AT_ONCE)


def test_idle(place: Path) -> None:
    """A process that nobody asks ends by itself."""
    command = [sys.executable, "-P", "-m", "exporters.duckdb.sql.answering"]
    command += ["--store", str(place), "--idle", "0.1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings()
    ) as process:
        assert process.wait(120) == 0


def test_forked(asker: Asker, place: Path) -> None:
    """A forked process asks through a process of its own, and leaves the parent's alone."""
    asker.ask("SELECT 1")
    (pid,) = answering(place)
    forked = os.fork()
    if not forked:
        found: Any = None
        with contextlib.suppress(BaseException):
            found = (asker.ask("SELECT 1").rows, pid in answering(place), len(answering(place)))
        os._exit(0 if found == ([(1,)], True, 2) else 1)
    _, status = os.waitpid(forked, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    until(lambda: answering(place) == [pid])
    assert asker.ask("SELECT 2").rows == [(2,)]
    assert answering(place) == [pid]


def run(place: Path, *queries: str) -> subprocess.Popen[str]:
    """A program that asks."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(place), *queries],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings(),
    )


def test_exit(place: Path) -> None:
    """A program ends as usual after it asked, and its processes do."""
    with run(place, "SELECT 1", "SELECT 2") as program:
        out, err = program.communicate(timeout=120)

    assert (program.returncode, out, err) == (0, "[(1,)]\n[(2,)]\n", "")
    until(lambda: not answering(place))


@pytest.mark.parametrize("query", ["SELECT 1", ENDLESS, DEAF])
def test_asker_killed(place: Path, query: str) -> None:
    """Processes that answer do not outlive a program that was killed."""
    with run(place, "SELECT 0", query, ENDLESS) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "[(0,)]\n"
        program.kill()

    until(lambda: not answering(place))


def test_interrupted(place: Path) -> None:
    """Ctrl-C ends a program that waits for an answer at once."""
    with run(place, "SELECT 0", DEAF) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "[(0,)]\n"
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=120)

    assert "KeyboardInterrupt" in err
    until(lambda: not answering(place))


def test_confined(asker: Asker, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers has a ceiling of memory and none of the asker's keys."""
    monkeypatch.setenv("SOME_API_KEY", "sk-do-not-tell")
    asker.ask("SELECT 1")
    proc = Path(f"/proc/{answering(place)[0]}")

    assert b"do-not-tell" not in (proc / "environ").read_bytes()
    limits = (proc / "limits").read_text().splitlines()
    assert [line.split()[3] for line in limits if line.startswith("Max data size")] == [
        str(2 * 1024**3)
    ]


VALUES = """SELECT
    true, 1::TINYINT, 170141183460469231731687303715884105727::HUGEINT,
    340282366920938463463374607431768211455::UHUGEINT, 1.5::FLOAT, 'inf'::DOUBLE, 1.50::DECIMAL(9, 2),
    'é\U0001f600', 'a\\xFF'::BLOB, '0101'::BIT, DATE '2026-01-02', TIME '01:02:03.000004',
    '01:02:03+05:30'::TIMETZ, TIMESTAMP '2026-01-02 03:04:05.000006',
    TIMESTAMPTZ '2026-01-02 03:04:05+02', TIMESTAMP_NS '2026-01-02 03:04:05.000006007',
    TIMESTAMP_S '2026-01-02 03:04:05', INTERVAL '1 month 2 days 3 seconds',
    'eeccb8c5-9943-b2bb-bb5e-222f4e14b687'::UUID, [1, NULL, 3], [1, 2]::INTEGER[2],
    {'a': 1, 'b': {'c': [DATE '2026-01-02']}}, MAP {'k': 1.5}, MAP {[1]: 'x'}, '{"a": 1}'::JSON,
    union_value(n := 1), 'b'::ENUM ('a', 'b'), NULL, 'infinity'::DATE, 'infinity'::TIMESTAMP"""  # noqa: E501


def test_values(asker: Asker) -> None:
    """Values of every type come as DuckDB gives them to Python itself."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        expected = connection.execute(VALUES).fetchall()
        types = [str(kind) for _, kind, *_ in connection.description or ()]

    result = asker.ask(VALUES)

    assert result.rows == expected
    for value, wanted in zip(result.rows[0], expected[0], strict=True):
        assert type(value) is type(wanted)
        assert getattr(value, "tzinfo", None) == getattr(wanted, "tzinfo", None)
    assert [column.type for column in result.columns] == types
    assert str(asker.ask("SELECT 'nan'::DOUBLE").rows) == "[(nan,)]"


class Colour(enum.StrEnum):
    """A text that is a class of the program's."""

    RED = "red"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (Colour.RED, "red"),
        (signal.SIGKILL, 9),
        (memoryview(b"x"), b"x"),
        (2**100, 2**100),
        ((1, 2), [1, 2]),
        ({"a": [Colour.RED]}, {"a": ["red"]}),
        (decimal.Decimal("1.50"), decimal.Decimal("1.50")),
        (uuid.UUID(int=7), uuid.UUID(int=7)),
        (datetime.timedelta(days=2), datetime.timedelta(days=2)),
        (None, None),
    ],
)
def test_parameters(asker: Asker, given: Any, wanted: Any) -> None:
    """Parameters may be of a program's own kinds of text and number."""
    assert asker.ask("SELECT ?", [given]).rows == [(wanted,)]


def test_no_parameter(asker: Asker) -> None:
    """What is no value is refused, by the side that notices."""
    for thing in (threading.Lock(), lambda: 1, object(), Asked):
        with pytest.raises(QueryError):
            asker.ask("SELECT ?", [thing])


def test_cannot_start(asker: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no process can be started, or it ends at once, that is told with its command."""
    for path in (tmp_path / "none", Path("/bin/false")):
        monkeypatch.setattr(sys, "executable", str(path))
        with pytest.raises(StoreError, match=r"exporters\.duckdb\.sql\.answering"):
            asker.ask("SELECT 1")


def test_gathered(place: Path, asker: Asker) -> None:
    """Over a backlog larger than memory holds each question is answered, of one trace or of all."""
    with trace("first") as opened, function_span("step", input="x"):
        pass
    for number in range(60):
        with trace("work"), function_span("step", input=f"{number} " + "x" * 1_000_000):
            pass
    os.rename(settings().store.with_name("traces.duckdb.d"), place.with_name("traces.duckdb.d"))

    given = [opened.trace_id]
    query = "SELECT name, span_count FROM traces WHERE trace_id = ?"
    assert asker.ask("SHOW TABLES", timeout=120).rows
    assert asker.ask(query, given, timeout=120).rows == [("first", 1)]
    assert asker.ask("SELECT count(*) FROM traces", timeout=120).rows == [(61,)]
    assert asker.ask(query, given, timeout=120).rows == [("first", 1)]
