"""Merging: which parts are put together, and that nothing is lost or doubled by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from exporters.duckdb.layout import Layout, Listing, PartName
from exporters.duckdb.parts import Steps
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep import compaction
from exporters.duckdb.upkeep.attempts import read_attempts
from exporters.duckdb.upkeep.merging import Weight, mergeable

MB = 1 << 20
DAY_S = 86_400


def parts(count: int, at_s: int) -> list[PartName]:
    """Parts of one day."""
    return [PartName(1_700_000_000_000 + n, at_s, at_s, "beef") for n in range(count)]


def choice(names: list[PartName], size: int, raw: int = 1, skip: tuple[PartName, ...] = ()) -> int:
    """How many are chosen of parts of one size."""
    sizes = dict.fromkeys(names, Weight(size, raw))
    return len(mergeable(sizes, Listing(tuple(names), (), frozenset()), skip=skip))


def test_mergeable() -> None:
    """Eight of one size and day are merged; days are mixed only where parts are many."""
    assert choice(parts(7, 0), 1) == 0
    assert choice(parts(9, 0), 1) == 8
    assert choice([*parts(7, 0), *parts(7, DAY_S)], 1) == 0
    assert choice([part for n in range(64) for part in parts(1, n * DAY_S)], 1) == 8


def test_larger_parts() -> None:
    """Larger parts are put together only where parts are many, up to the size of a part."""
    assert choice(parts(8, 0), 60 * MB) == 0
    assert choice(parts(64, 0), 60 * MB) == 8
    assert choice(parts(64, 0), 100 * MB) == 0
    assert choice(parts(64, 0), 200 * MB) == 0


def test_bounded() -> None:
    """What is small on disk and huge when it is unpacked is not put together."""
    assert choice(parts(64, 0), 15 * MB, 256 * MB) == 8
    assert choice(parts(64, 0), 15 * MB, 257 * MB) == 0


def test_full_parts() -> None:
    """What a full batch became is written again only where parts are many."""
    assert choice(parts(8, 0), 5 * MB, 31 * MB) == 8
    assert choice(parts(63, 0), 5 * MB, 32 * MB) == 0
    assert choice(parts(64, 0), 5 * MB, 32 * MB) == 8


def test_resting() -> None:
    """Parts whose merging failed are passed over; the others go on."""
    names = parts(17, 0)
    assert choice(names, 1, skip=tuple(names[:8])) == 8
    assert choice(names, 1, skip=tuple(names[:10])) == 0


def test_failed_merge(
    store: Path, journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge that is too much is tried once a day, and compaction goes on meanwhile."""
    tried = []

    def too_much(layout: Layout, group: Sequence[PartName], steps: Steps) -> PartName:
        tried.append(list(group))
        raise duckdb.OutOfMemoryException("too much")

    monkeypatch.setattr(compaction, "merge", too_much)
    one = journal()
    for number in range(10):
        fields = {"k": "span", "v": 2, "rev": 1, "trace_id": "t", "span_id": str(number)}
        one.append(Line(fields | {"name": "n", "start_ns": 10**18, "end_ns": 10**18 + 1}, {}))
        one.seal()
        report = compaction.compact(store)
        assert len(report.parts) == 1
        assert bool(report.problems) == (number == 7)

    assert len(tried) == 1
    assert len(read_attempts(Layout.of(store)).resting) == 8
