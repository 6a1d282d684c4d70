"""Collection: what was replaced goes, after its time of grace, and nothing else does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout, list_parts, list_segments, read_covers, scan
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.collect import collect, is_collection_due
from exporters.duckdb.upkeep.compaction import compact

Make = Callable[..., Journal]
Read = Callable[[Path], Any]


def line(number: int) -> Line:
    """A line of a span that ended."""
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": f"span_{number}"}
    return Line(fields | {"name": f"s{number}", "start_ns": 10**18, "end_ns": 10**18 + 1}, {})


def activate(layout: Layout) -> None:
    """Make the parts there are active since long ago."""
    for part in list_parts(layout):
        os.rename(layout.part(part), layout.part(part._replace(act_ms=part.act_ms - 10_000_000)))
        for other in list_parts(layout):
            covers = layout.part(other) / "covers.csv"
            older = part._replace(act_ms=part.act_ms - 10_000_000).dirname
            covers.write_text(covers.read_text().replace(part.dirname, older))


@pytest.fixture
def layout(store: Path, journal: Make) -> Layout:
    """A store of one compacted segment and one live one."""
    one = journal()
    one.append(line(1))
    one.seal()
    one.append(line(2))
    compact(store)
    return Layout.of(store)


def test_grace(store: Path, layout: Layout, read: Read) -> None:
    """What was replaced a moment ago stays: somebody may be about to open it."""
    done = collect(layout)

    assert (done.emptied, done.segments, done.parts) == (0, 0, 0)
    assert all(layout.segment(name).stat().st_size for name in list_segments(layout))


def test_two_rounds(store: Path, layout: Layout, read: Read) -> None:
    """A replaced segment is emptied first and deleted the next time; the live one stays."""
    activate(layout)

    assert collect(layout).emptied == 1
    assert set(read(store).ended.values()) == {1}
    assert collect(layout).segments == 1

    assert len(list_segments(layout)) == 1
    assert len(read(store).ended) == 2
    (part,) = list_parts(layout)
    assert read_covers(layout, part) == frozenset()


def test_replaced_parts(store: Path, journal: Make, read: Read) -> None:
    """Parts that were merged go; the segments below them stay hidden until they are gone too."""
    layout = Layout.of(store)
    one = journal()
    for number in range(8):
        one.append(line(number))
        one.seal()
        compact(store)
    activate(layout)
    assert len(list_parts(layout)) == 9

    done = collect(layout)

    assert done.parts == 8
    assert len(list_parts(layout)) == 1
    assert set(read(store).ended.values()) == {1}
    collect(layout)
    assert len(read(store).ended) == 8
    assert list(layout.tmp.iterdir()) == []


def test_strays(store: Path, layout: Layout) -> None:
    """Drafts of the dead and empty segments that nobody holds go when they are old."""
    (layout.tmp / "part-dead").mkdir()
    (layout.tmp / "part-dead" / "data.parquet").write_text("x")
    (layout.hot / "1-x.ndjson.tmp").write_text("")
    dead = list_segments(layout)[0]._replace(pid=1)
    layout.segment(dead).touch()
    assert collect(layout).strays == 0
    for path in (layout.tmp / "part-dead", layout.hot / "1-x.ndjson.tmp", layout.segment(dead)):
        os.utime(path, (0, 0))

    assert collect(layout).strays == 3

    assert list(layout.tmp.iterdir()) == []
    assert dead not in list_segments(layout)


def test_not_often(layout: Layout) -> None:
    """Collection comes in bursts: not again within ten minutes of the last one."""
    assert not is_collection_due(layout)
    os.utime(layout.gc, (0, 0))
    assert is_collection_due(layout)


_KILL_AT = """
import os, signal, sys
from exporters.duckdb.upkeep.collect import collect
from exporters.duckdb.layout import Layout
def steps(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
collect(Layout.of(sys.argv[1]), grace_s=0, steps=steps)
collect(Layout.of(sys.argv[1]), grace_s=0, steps=steps)
"""


@pytest.mark.parametrize("step", ["emptied", "unlinked", "buried", "strays"])
def test_killed(
    store: Path, journal: Make, read: Read, python: Callable[..., Any], until: Any, step: str
) -> None:
    """A collection that is killed at any step loses nothing and brings nothing back."""
    layout = Layout.of(store)
    one = journal()
    for number in range(8):
        one.append(line(number))
        one.seal()
        until(lambda: compact(store).parts)
    activate(layout)

    process = python(_KILL_AT, store, step)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, errors

    for _ in range(3):
        assert len(read(store).ended) == 8
        assert set(read(store).ended.values()) == {1}
        collect(layout, grace_s=0, stale_s=0)
    assert len(list_parts(layout)) == len(scan(layout).live_parts) == 1
    assert len(list_segments(layout)) == 1
