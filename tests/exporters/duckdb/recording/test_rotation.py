"""Rotation: a segment is sealed when what is new outweighs what the next one has to carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout, SegmentName, create
from exporters.duckdb.recording.rotation import Rotation
from exporters.duckdb.recording.segment import Segment

LIMIT = 1000


@pytest.fixture
def segment(store: Path) -> Iterator[Segment]:
    """An open segment; its sizes are set by the tests."""
    create(Layout.of(store))
    made = Segment(Layout.of(store), SegmentName(1_700_000_000_000, "vm", 7, "beef"))
    yield made
    made.release()


@pytest.fixture
def now() -> list[float]:
    """The time, to be moved."""
    return [1000.0]


@pytest.fixture
def rotation(segment: Segment, now: list[float]) -> Rotation:
    """The rotation of a segment that was just opened."""
    made = Rotation(LIMIT, lambda: now[0])
    made.opened(None)
    made.appended()
    return made


def test_large(rotation: Rotation, segment: Segment) -> None:
    """Over the limit it is full, over four times the limit nobody waits for the daemon."""
    segment.size = LIMIT
    assert not rotation.is_full(segment)
    segment.size = LIMIT + 1
    assert rotation.is_full(segment)
    assert not rotation.is_overfull(segment)
    segment.size = 4 * LIMIT + 1
    assert rotation.is_overfull(segment)


def test_carried(rotation: Rotation, segment: Segment) -> None:
    """What was carried over does not count, and as much has to come anew."""
    segment.carried, segment.size = 3 * LIMIT, 6 * LIMIT
    assert not rotation.is_full(segment)
    segment.size += 1
    assert rotation.is_full(segment)


def test_much_carried(rotation: Rotation, segment: Segment) -> None:
    """However much was carried, what is new makes it full at eight times the limit."""
    segment.carried, segment.size = 100 * LIMIT, 108 * LIMIT
    assert not rotation.is_full(segment)
    segment.size += 1
    assert rotation.is_full(segment)


def test_history(rotation: Rotation, segment: Segment, now: list[float]) -> None:
    """A history that the next one would have to carry puts it off, but not for ever."""
    items = {f"{number}": b"x" * 5 for number in range(100)}
    rotation.weigh(segment, items, list(items))
    segment.size = 6 * 500
    now[0] += 60
    assert not rotation.is_due(segment)
    segment.size += 1
    assert rotation.is_due(segment)

    segment.history, segment.size = 100 * LIMIT, 8 * LIMIT + 1
    assert rotation.is_full(segment)


def test_weighed(rotation: Rotation, segment: Segment) -> None:
    """What the segment before had is carried; what is new is not."""
    segment.known = {"a", "b"}
    rotation.opened(segment)

    rotation.weigh(segment, {"a": b"12345", "c": b"123"}, ["a", "c"])

    assert segment.carried == 5


def test_old(rotation: Rotation, segment: Segment, now: list[float]) -> None:
    """It is due after ten seconds of traffic or thirty of silence; an empty one never."""
    now[0] += 60
    assert not rotation.is_due(segment)
    segment.size = 1
    rotation.appended()
    assert rotation.is_due(segment)

    rotation.opened(None)
    now[0] += 9
    rotation.appended()
    assert not rotation.is_due(segment)
    now[0] += 29
    assert not rotation.is_due(segment)
    now[0] += 1
    assert rotation.is_due(segment)
