"""What piles up is compacted by a process of its own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import Layout, SegmentName, list_parts
from exporters.duckdb.limits.heads import held_traces
from exporters.duckdb.limits.pile import has_piled_up, needed, segment_limit, share, start_helper
from exporters.duckdb.limits.purges import Purge, open_purges, submit
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line

HELPER, CATALOG = "exporters.duckdb.upkeep.compaction", "exporters.duckdb.views.catalog"


def test_piled_up(store: Path, journal: Callable[..., Journal], until: Any) -> None:
    """Many files, and no compaction lately, start a process that compacts; few do not."""
    layout = Layout.of(store)
    one = journal()
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}
    one.append(Line({**fields, "start_ns": 1, "end_ns": 2}, {}))
    one.close()
    os.utime(layout.lock, (0, 0))
    layout.catalog.touch()
    assert not start_helper(layout)
    for number in range(41):
        layout.segment(SegmentName(1_700_000_000_000 + number, "vm", 7, "beef")).touch()

    assert start_helper(layout)
    until(lambda: list_parts(layout) and layout.lock.stat().st_mtime > 0)
    assert not has_piled_up(layout)


def test_no_store(store: Path) -> None:
    """Where there is no store nothing has piled up."""
    assert not start_helper(Layout.of(store))


def test_missing_catalog(store: Path, journal: Callable[..., Journal], until: Any) -> None:
    """A store that nobody has read yet gets its catalog, for whoever opens it with other tools."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}, {}))
    one.close()

    assert start_helper(layout)
    assert not start_helper(layout)  # one at a time, however often it is asked for meanwhile
    until(layout.catalog.exists)
    with duckdb.connect(str(layout.catalog), read_only=True) as database:
        assert database.execute("select span_id from spans").fetchall() == [("s",)]


def test_share() -> None:
    """With a limit of the disk everything is as small as it has to be, and never nothing."""
    assert share(100_000_000, 20, None) == 100_000_000
    assert share(100_000_000, 20, 40_000_000) == 2_000_000
    assert share(1_000_000, 20, 10**12) == 1_000_000
    assert segment_limit(8_388_608, 40_000_000) == 400_000
    assert segment_limit(8_388_608, 1) > 0


def test_limited(store: Path, journal: Callable[..., Journal]) -> None:
    """With a limit less piles up, and the next helper may come soon."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 1, "rev": 1, "trace_id": "t", "name": "x" * 70_000}, {}))
    one.close()
    os.utime(layout.lock, (0, 0))

    assert not has_piled_up(layout)
    assert has_piled_up(layout, 1_000_000)
    assert not has_piled_up(layout, 100_000_000)
    os.utime(layout.lock)
    assert not has_piled_up(layout, 1_000_000)


def test_purge_waits(store: Path, journal: Callable[..., Journal], until: Any) -> None:
    """A purge that nobody has finished starts one who does; a catalog is made meanwhile."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}, {}))
    one.close()
    layout.catalog.touch()
    purge = submit(layout, Purge(frozenset({"t"})))
    assert purge.path is not None
    assert not start_helper(layout)
    os.utime(purge.path, (0, 0))
    with layout.lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not start_helper(layout)
        layout.catalog.unlink()
        assert needed(layout, ours=True) == [CATALOG, "--store", str(store)]
        layout.catalog.touch()

    assert start_helper(layout)
    until(lambda: not purge.path.exists())


def test_others_store(
    store: Path, journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits are for the store of the settings: one that is only looked into loses nothing."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}, {}))
    one.close()
    os.utime(layout.lock, (0, 0))
    for number in range(41):
        layout.segment(SegmentName(1_700_000_000_000 + number, "vm", 7, "beef")).touch()
    monkeypatch.setenv("FLIGHTLOG_STORE", str(store.with_name("other.duckdb")))

    assert needed(layout, ours=False) == [HELPER, "--store", str(store), "--no-limits"]
    assert needed(layout, ours=True) == [HELPER, "--store", str(store)]
    monkeypatch.setenv("FLIGHTLOG_STORE", str(store))
    assert needed(layout, ours=False) == [HELPER, "--store", str(store)]


def test_relief(
    store: Path, journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder whose segments are far too many deletes the oldest itself, whole traces of it."""
    layout = Layout.of(store)
    one = journal()
    for number in range(20):
        trace = {"k": "trace", "v": 2, "rev": 1, "trace_id": f"t{number}", "name": "x" * 50_000}
        one.append(Line({**trace, "start_ns": 1, "end_ns": 2}, {}))
        one.seal()
    layout.catalog.touch()
    monkeypatch.setenv("FLIGHTLOG_MAX_DISK", "1000000")
    with layout.lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert needed(layout, ours=True) is None

    left = held_traces(layout)
    assert 0 < len(left) < 20
    assert left == {f"t{number}" for number in range(20 - len(left), 20)}
    (purge,) = open_purges(layout)
    assert purge.traces == {f"t{number}" for number in range(20)} - left
