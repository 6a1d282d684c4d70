"""Shedding deletes what is replaced first, and only what is safe in a part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import Layout, list_segments, scan
from exporters.duckdb.limits import shedding
from exporters.duckdb.limits.pile import needed
from exporters.duckdb.limits.shedding import shed
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.removal import bury

Make = Callable[..., Journal]


def record(journal: Journal, name: str, size: int = 20_000) -> None:
    """A trace of one line that does not compress much, in a segment of its own."""
    trace = {"k": "trace", "v": 2, "rev": 1, "trace_id": name, "name": os.urandom(size // 2).hex()}
    journal.append(Line({**trace, "start_ns": 1, "end_ns": 2}, {}))
    journal.seal()


@pytest.fixture
def replaced(store: Path, journal: Make) -> Layout:
    """A store of one part, and of the segments that it replaced, which are still there."""
    one = journal()
    for number in range(10):
        record(one, f"t{number}")
    one.close()
    compact(store)
    return Layout.of(store)


def sizes(layout: Layout) -> set[int]:
    """Sizes of the segments that hold anything."""
    return {size for name in list_segments(layout) if (size := size_of(layout.segment(name)))}


def test_replaced_first(replaced: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment is emptied when its part's name survives a loss of power, and no trace goes."""
    synced = []

    def sync(folder: Path) -> None:
        synced.append((folder, len(sizes(replaced)) > 0))

    monkeypatch.setattr(shedding, "sync_folder", sync)
    total = size_of(replaced.root)

    assert shed(replaced, total - 1, steps=lambda _: None) == frozenset()
    assert synced == [(replaced.parts, True)]
    assert sizes(replaced) == set()


def test_replaced_parts_first(replaced: Layout, store: Path, journal: Make) -> None:
    """Parts that a larger one has replaced go too, before any trace does."""
    one = journal()
    for number in range(10, 17):
        record(one, f"t{number}")
        compact(store)
    one.close()
    old = [part for part in scan(replaced).parts if part not in scan(replaced).live_parts]
    assert len(old) == 8
    footprint_of_all = size_of(replaced.root)

    assert shed(replaced, footprint_of_all - 1, steps=lambda _: None) == frozenset()
    assert scan(replaced).parts == scan(replaced).live_parts
    assert size_of(replaced.root) < footprint_of_all - 100_000
    assert list(replaced.tmp.iterdir()) == []


def test_replaced_soon(replaced: Layout, journal: Make) -> None:
    """What goes within two seconds makes no trace go; until then the limit is what counts."""
    (part,) = scan(replaced).parts
    one = journal()
    record(one, "new")
    one.close()
    later = part._replace(act_ms=part.act_ms + 3_600_000)
    replaced.part(part).rename(replaced.part(later))
    total, there = size_of(replaced.root), sizes(replaced)

    assert shed(replaced, total + 1, steps=lambda _: None) == frozenset()
    assert sizes(replaced) == there
    assert shed(replaced, total - 1, steps=lambda _: None) == frozenset()
    assert len(sizes(replaced)) == 1


def test_part_put_aside(replaced: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that somebody has put aside since it was listed covers nothing any more."""

    def put_aside(_: Path) -> None:
        bury(replaced, scan(replaced).parts[0])

    monkeypatch.setattr(shedding, "sync_folder", put_aside)
    before = sizes(replaced)
    listing = scan(replaced)

    assert listing.covered
    assert shedding._empty_replaced(replaced, listing, at_once=True) == 0
    assert sizes(replaced) == before


def test_finished_soon(store: Path, journal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else there is of a trace that was shed is deleted by somebody who is started for it."""
    layout = Layout.of(store)
    one = journal()
    for number in range(20):
        record(one, f"t{number}", 50_000)
    layout.catalog.touch()
    monkeypatch.setenv("FLIGHTLOG_MAX_DISK", "100000000")
    future = layout.lock.stat().st_mtime + 86_400
    os.utime(layout.lock, (future, future))  # nothing has piled up since
    assert needed(layout, ours=True) is None

    monkeypatch.setenv("FLIGHTLOG_MAX_DISK", "1000000")
    assert needed(layout, ours=True) is not None
    assert needed(layout, ours=True) is None
