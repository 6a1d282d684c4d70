"""Retention: whole traces go, the oldest first, and nothing else does."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.duckdb.footprint import footprint
from exporters.duckdb.layout import Layout, list_parts, list_segments
from exporters.duckdb.limits import purges
from exporters.duckdb.limits.choice import Candidate, choose
from exporters.duckdb.limits.pins import pin
from exporters.duckdb.limits.purges import Purge
from exporters.duckdb.limits.shedding import shed
from exporters.duckdb.parts import write_part
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line, loss_line
from exporters.duckdb.upkeep.compaction import compact, due, main
from exporters.duckdb.upkeep.retention import Limits, excess_of, is_retention_due, retain
from exporters.query import open_store
from exporters.store import NotFoundError, TraceQuery

Make = Callable[..., Journal]
Read = Callable[[Path], Any]

NOW_NS = time.time_ns()
DAY_NS = 86_400 * 10**9


def record(
    journal: Journal,
    number: int,
    *,
    spans: int = 3,
    ended: bool = True,
    shared: str | None = None,
    size: int = 1,
) -> None:
    """A trace that began so many days ago: spans, each with content of its own, and its end."""
    start = NOW_NS - number * DAY_NS
    trace: dict[str, Any] = {
        "trace_id": f"t{number}",
        "start_ns": start,
        "name": f"t{number}",
    }
    journal.append(Line({"k": "trace", "v": 2, "rev": 0, **trace}, {}))
    for span in range(spans):
        content = [f"{number} {span} " + os.urandom(512 * size).hex(), shared or "none"]
        items = {name(each): json.dumps(each).encode() for each in content}
        fields = {"k": "span", "v": 2, "rev": 1, "trace_id": f"t{number}",
                  "span_id": f"s{number}_{span}", "name": f"s{span}", "start_ns": start + span + 1,
                  "end_ns": start + span + 2, "input": {"refs": list(items)}}  # fmt: skip
        journal.append(Line(fields, items))
    if ended:
        journal.append(
            Line({"k": "trace", "v": 2, "rev": 1, **trace, "end_ns": start + spans + 5}, {})
        )


def name(value: str) -> str:
    """The hash of an item."""
    return blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def traces(found: Any) -> dict[str, int]:
    """How many rows there are of which trace; each of them once, and with its items."""
    assert not found.stale
    assert not found.missing
    assert set(found.ended.values()) <= {1}
    counted: dict[str, int] = {}
    for key in {*found.ended, *found.open}:
        counted[key[1]] = counted.get(key[1], 0) + 1
    return counted


def whole(*numbers: int, rows: int = 4) -> dict[str, int]:
    """These traces, with all their rows."""
    return {f"t{number}": rows for number in numbers}


def files(layout: Layout) -> bytes:
    """All that is on the disk of a store, uncompressed where it is Parquet."""
    found = []
    for path in layout.root.rglob("*"):
        if path.suffix == ".parquet":
            with duckdb.connect() as con:
                found.append(str(con.execute(f"from '{path}'").fetchall()).encode())
        elif path.is_file():
            found.append(path.read_bytes())
    return b"".join(found)


candidates = st.lists(
    st.builds(
        Candidate,
        trace_id=st.uuids().map(str),
        start_ns=st.integers(0, 100),
        bytes=st.integers(0, 50).map(float),
        kept=st.booleans(),
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda each: each.start_ns))


@given(candidates, st.integers(0, 110), st.integers(-10, 500))
def test_choose(found: list[Candidate], before_ns: int, excess: int) -> None:
    """All that is too old goes, then the oldest until it is enough, and never what is kept."""
    chosen = choose(found, before_ns=before_ns, excess=excess)

    assert not any(each.kept for each in chosen)
    free = [each for each in found if not each.kept]
    assert chosen == free[: len(chosen)]
    assert all(each in chosen for each in free if each.start_ns < before_ns)
    freed = sum(each.bytes for each in chosen)
    assert freed >= excess or chosen == free
    if chosen and chosen[-1].start_ns >= before_ns:
        assert freed - chosen[-1].bytes < excess


@given(st.integers(1, 10**9), st.integers(0, 10**10), st.booleans())
def test_excess(limit: int, kept: int, pressed: bool) -> None:
    """Nothing goes below the limit, what goes leaves less than it, and then it stays quiet."""
    excess = excess_of(Limits(limit), kept, pressed=pressed)

    assert excess_of(Limits(), kept, pressed=pressed) == 0
    assert 0 <= excess <= kept
    assert kept - excess <= limit
    assert excess_of(Limits(limit), kept - excess, pressed=pressed) == 0


def test_age(store: Path, journal: Make, read: Read) -> None:
    """What began too long ago goes, with its items, its losses and its bytes; the rest is whole."""
    one = journal()
    for number in (40, 35, 20, 1):
        record(one, number, shared=f"shared {number // 30}")
    one.append(loss_line("duckdb", "old", 3, None, NOW_NS - 38 * DAY_NS))
    one.append(loss_line("duckdb", "new", 4, None, NOW_NS - DAY_NS))
    one.close()
    compact(store)
    before = footprint(Layout.of(store)).total

    purged = compact(store, limits=Limits(max_age_s=30 * 86_400)).purged

    found = read(store)
    assert traces(found) == whole(20, 1)
    assert found.losses == {"new": 4}
    assert (purged.traces, purged.problems, purged.waiting) == (2, [], ())
    assert "shared 0" in found.items.values()
    assert "shared 1" not in found.items.values()
    assert purged.bytes_before == before > purged.bytes_after == footprint(Layout.of(store)).total
    on_disk = files(Layout.of(store))
    assert b"t40" not in on_disk
    assert b"t20" in on_disk
    assert list(purges._folder(Layout.of(store)).iterdir()) == []


def test_whole_parts(store: Path, journal: Make, read: Read) -> None:
    """A part of which everything goes is gone, with the segments that it covered."""
    layout = Layout.of(store)
    one = journal()
    for number in (50, 5):
        record(one, number)
        one.seal()
        compact(store)
    first, second = list_parts(layout)
    assert len([n for n in list_segments(layout) if layout.segment(n).stat().st_size]) == 2
    steps: list[str] = []

    with_steps = compact(store, limits=Limits(max_age_s=30 * 86_400), steps=steps.append)

    assert with_steps.purged.parts == 1
    assert list_parts(layout) == (second,)
    assert traces(read(store)) == whole(5)
    assert "written" not in steps
    assert first.dirname not in str(list(layout.parts.iterdir()))


def test_open_part(store: Path, journal: Make, read: Read) -> None:
    """A trace that was carried as open goes from the part that it began in, too."""
    layout = Layout.of(store)
    one = journal()
    record(one, 50, ended=False)
    record(one, 4, ended=False)
    one.seal()
    compact(store)
    record(one, 50)
    one.seal()
    compact(store)

    purged = compact(store, limits=Limits(max_age_s=30 * 86_400)).purged

    assert purged.traces == 1
    found = read(store)
    assert traces(found) == whole(4)
    assert found.open == {("trace", "t4", None)}
    assert b"t50" not in files(layout)


def test_running(store: Path, journal: Make, read: Read) -> None:
    """A trace without an end stays while its recorder lives, and goes when that is dead."""
    one = journal()
    record(one, 50, ended=False)
    one.seal()
    compact(store)
    limits = Limits(max_bytes=1, max_age_s=30 * 86_400)

    purged = compact(store, limits=limits).purged
    assert purged.traces == 0
    assert "pinned, running or not compacted" in purged.problems[0]
    assert traces(read(store)) == whole(50)

    one.close()
    assert compact(store, limits=limits).purged.traces == 1
    assert traces(read(store)) == {}


def test_live_segment(store: Path, journal: Make, read: Read) -> None:
    """A trace that a program still writes to stays whole until its segment is sealed."""
    layout = Layout.of(store)
    one = journal()
    record(one, 50)
    one.seal()
    compact(store)
    late = {"k": "span", "v": 2, "rev": 1, "trace_id": "t50", "span_id": "late", "name": "late"}
    one.append(Line({**late, "start_ns": NOW_NS, "end_ns": NOW_NS}, {}))
    assert compact(store, limits=Limits(max_age_s=1)).purged.traces == 0

    purges.submit(layout, Purge(frozenset({"t50"})))
    assert compact(store).purged.waiting == ("t50",)
    assert traces(read(store)) == whole(50, rows=5)

    one.seal()
    purged = compact(store).purged
    assert (purged.traces, purged.waiting) == (1, ())
    assert traces(read(store)) == {}


def test_pins(store: Path, journal: Make, read: Read) -> None:
    """Pinned traces stay, whatever the limits are."""
    one = journal()
    for number in (50, 40, 30):
        record(one, number)
    one.append(loss_line("duckdb", "lost", 3, "t40", NOW_NS - 40 * DAY_NS))
    one.close()
    pin(Layout.of(store), "t40")

    purged = compact(store, limits=Limits(max_bytes=1, max_age_s=1)).purged

    assert purged.traces == 2
    assert traces(read(store)) == whole(40)
    assert read(store).losses == {"lost": 3}


def test_size(store: Path, journal: Make, read: Read) -> None:
    """Above the limit the oldest go until there is some room; below it nothing happens."""
    layout = Layout.of(store)
    one = journal()
    for number in range(40, 0, -1):
        record(one, number, size=8)
        if number % 5 == 0:
            one.seal()
            compact(store)
    one.close()
    compact(store)
    kept = footprint(layout).kept
    assert not is_retention_due(layout, Limits(footprint(layout).total * 2))
    limit = kept * 6 // 10
    assert is_retention_due(layout, Limits(limit))

    purged = compact(store, limits=Limits(limit)).purged

    left = traces(read(store))
    assert left == whole(*range(1, len(left) + 1))
    assert 0.6 * limit < purged.bytes_after == footprint(layout).total < limit
    assert purged.traces == 40 - len(left)
    again = compact(store, limits=Limits(limit)).purged
    assert (again.traces, again.parts) == (0, 0)


def test_history(store: Path, journal: Make, read: Read) -> None:
    """Short programs, one after the other: most of the limit stays history, and the newest of it.

    What is replaced goes first, so that no trace has to go for it.
    """
    layout, limit = Layout.of(store), 2_000_000
    for number in range(60, 0, -1):
        one = journal()
        record(one, number, size=32)
        one.close()
        shed(layout, limit, steps=lambda _: None)
        if number % 3 == 1:
            compact(store, limits=Limits(limit))

    left = traces(read(store))
    assert left == whole(*range(1, len(left) + 1))
    assert len(left) < 60
    assert 0.5 * limit < footprint(layout).kept <= footprint(layout).total <= limit


def test_leftovers(store: Path, journal: Make, read: Read) -> None:
    """The oldest of quarantine and backups go before any trace does, as far as it is needed."""
    layout = Layout.of(store)
    one = journal()
    for number in range(5):
        record(one, number)
    one.close()
    compact(store)
    retain(layout, Limits(1 << 40))
    layout.backup.mkdir()
    kept = footprint(layout).kept
    for number, folder in enumerate((layout.backup, layout.quarantine, layout.quarantine)):
        path = folder / f"left {number}"
        path.mkdir()
        (path / "bytes").write_bytes(b"x" * kept)
        os.utime(path, (number, number))

    purged = compact(store, limits=Limits(int(kept * 2.5))).purged

    assert (purged.leftovers, purged.traces) == (2, 0)
    assert traces(read(store)) == whole(*range(5))
    assert [path.name for path in layout.quarantine.iterdir()] == ["left 2"]
    assert list(layout.backup.iterdir()) == []


def test_stray_rows(store: Path, journal: Make, read: Read) -> None:
    """A part of schema 1, which has no summary, is looked at all the same."""
    layout = Layout.of(store)
    one = journal()
    for number in (50, 5):
        record(one, number)
    one.close()
    compact(store)
    (part,) = list_parts(layout)
    (layout.part(part) / "traces.parquet").unlink()

    assert compact(store, limits=Limits(max_age_s=30 * 86_400)).purged.traces == 1
    assert traces(read(store)) == whole(5)


def test_shown(store: Path, journal: Make) -> None:
    """A trace that goes leaves an open viewer, lists and SQL; the ones beside it do not change."""
    one = journal()
    for number in (50, 5):
        record(one, number)
    one.close()
    compact(store)
    with contextlib.closing(open_store(store)) as reader:
        assert len(reader.search(TraceQuery()).traces) == 2
        cursor = reader.follow(None).cursor

        compact(store, limits=Limits(max_age_s=30 * 86_400))

        assert "t50" in reader.follow(cursor).trace_ids
        assert [trace.trace_id for trace in reader.search(TraceQuery()).traces] == ["t5"]
        with pytest.raises(NotFoundError):
            reader.get("t50")
        assert reader.sql("select distinct trace_id from spans").rows == [("t5",)]
    with duckdb.connect(str(store), read_only=True) as raw:
        assert raw.execute("select distinct trace_id from spans").fetchall() == [("t5",)]


def test_shed(store: Path, journal: Make, read: Read) -> None:
    """What comes faster than it can be compacted goes unread: whole traces, the oldest first."""
    layout = Layout.of(store)
    one, other = journal(), journal()
    other.append(Line({"k": "trace", "v": 2, "rev": 0, "trace_id": "slow", "start_ns": 1}, {}))
    other.seal()
    record(one, 100, size=32)
    one.append(loss_line("duckdb", "lost", 3, None, NOW_NS))
    one.seal()
    for number in range(40, 0, -1):
        record(one, number, size=32)
        one.seal()
    pin(layout, "t39")
    other.append(Line({"k": "span", "v": 2, "rev": 1, "trace_id": "t38", "span_id": "l",
                       "start_ns": 1, "end_ns": 2}, {}))  # fmt: skip
    limit = footprint(layout).total // 2
    steps: list[str] = []

    purged = compact(store, limits=Limits(limit), steps=steps.append).purged

    assert steps.count("shed") > 10
    left = traces(read(store))
    assert {"slow", "t39", "t38"} <= left.keys()
    assert left == {
        **whole(*(int(key[1:]) for key in left if key[1:].isdigit())),
        "slow": 1,
        "t38": 5,
    }
    assert {f"t{number}" for number in range(1, 5)} <= left.keys()
    assert "t100" not in left
    assert read(store).losses == {"lost": 3}
    assert purged.traces == 42 - len(left)
    assert footprint(layout).total <= limit
    assert purges.open_purges(layout) == []


def test_no_need_to_shed(store: Path, journal: Make) -> None:
    """Segments may take most of the limit: only the size of the whole counts."""
    layout = Layout.of(store)
    one = journal()
    for number in range(10, 0, -1):
        record(one, number, size=32)
        one.seal()
    one.close()
    size = footprint(layout).total

    assert shed(layout, int(size / 0.9), steps=lambda _: None) == frozenset()
    gone = shed(layout, size, steps=lambda _: None)
    assert gone == {f"t{number}" for number in range(10, 10 - len(gone), -1)}
    assert 0 < len(gone) <= 4
    assert 0.7 * size < footprint(layout).total < 0.9 * size


def test_command(store: Path, journal: Make, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever compacts keeps to the settings, unless told that they are not meant for the store."""
    one = journal()
    for number in (50, 5):
        record(one, number)
    one.close()
    monkeypatch.setenv("FLIGHTLOG_MAX_AGE", "30d")

    assert main(["--store", str(store), "--no-limits"]) == 0
    assert traces(read(store)) == whole(50, 5)
    assert not due(store)
    assert main(["--store", str(store)]) == 0
    assert traces(read(store)) == whole(5)


def test_due(store: Path, journal: Make) -> None:
    """With limits compaction is due when these are passed, even if nothing has piled up."""
    layout = Layout.of(store)
    one = journal()
    record(one, 50)
    one.close()
    compact(store)
    assert not due(store)
    assert not due(store, Limits(1 << 40, 60 * 86_400))
    assert due(store, Limits(max_bytes=1000))
    os.utime(layout.lock, (0, 0))
    assert due(store, Limits(max_age_s=30 * 86_400))


class Died(Exception):
    """What ends a call in the middle."""


STEPS = ("remembered", "sources buried", "buried", "written", "renamed", "committed", "emptied",
         "cleared", "settled")  # fmt: skip


@pytest.mark.parametrize(
    ("step", "nth"), [*((step, 1) for step in STEPS), ("buried", 2), ("committed", 2)]
)
def test_death(
    store: Path,
    journal: Make,
    read: Read,
    step: str,
    nth: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever dies at whichever step: next time what was to go is gone, and all else is whole."""
    assert write_part.__kwdefaults__ is not None
    monkeypatch.setitem(write_part.__kwdefaults__, "delay_ms", 20)  # else most of it is waiting
    one = journal()
    for number in (60, 55, 50, 5):
        record(one, number)
        record(one, number + 100, ended=False)
        one.seal()
        compact(store)
    record(one, 51)
    record(one, 6)
    record(one, 160, spans=0)
    one.close()
    seen = 0

    def die(told: str) -> None:
        nonlocal seen
        seen += told == step
        if seen == nth:
            raise Died

    limits = Limits(max_age_s=30 * 86_400)
    died = died_in(lambda: compact(store, limits=limits, steps=die))

    assert died or nth == 2
    left = traces(read(store))
    assert left.keys() >= whole(5, 6).keys()
    compact(store)
    finished = traces(read(store))
    assert set(finished.values()) == {4}
    assert finished.keys() <= left.keys()
    compact(store, limits=limits)
    assert traces(read(store)) == whole(5, 6)
    assert purges.open_purges(Layout.of(store)) == []


def died_in(call: Callable[[], object]) -> bool:
    """Whether a call died."""
    try:
        call()
    except Died:
        return True
    return False
