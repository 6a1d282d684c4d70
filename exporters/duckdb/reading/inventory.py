"""What of a store's folder counts now: parts, parts whose open rows count, and segments.

A part's covers are read once, when it is first seen: they only ever get shorter, and by names of
what is gone by then.
"""

from __future__ import annotations

from typing import NamedTuple

from exporters.duckdb import layout as folder
from exporters.duckdb.layout import Layout, PartName, SegmentName


class Counting(NamedTuple):
    """The sources that count, oldest first."""

    parts: tuple[PartName, ...] = ()
    opens: tuple[PartName, ...] = ()
    segments: tuple[SegmentName, ...] = ()


class Inventory:
    """Lists a store again and again. Not safe in threads by itself."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._covers: dict[PartName, frozenset[str]] = {}
        self._covered: frozenset[str] = frozenset()
        self._left_out: set[PartName] = set()

    def look(self) -> Counting:
        """What counts now: parts first, then segments, as the protocol wants.

        Then parts again: a process that was stopped between the two for longer than the time of
        grace would miss a segment that is gone, and the part that has its rows.

        Raises:
            OSError: If a folder cannot be listed.
        """
        listed = folder.list_parts(self._layout)
        while True:
            self._hear(listed)
            segments = folder.list_segments(self._layout)
            before, listed = listed, folder.list_parts(self._layout)
            if listed == before:
                break
        there = folder.Listing(listed, segments, self._covered)
        if not self._left_out:
            return Counting(there.live_parts, there.open_parts, there.live_segments)
        return Counting(
            tuple(part for part in there.live_parts if part not in self._left_out),
            tuple(part for part in there.open_parts if part not in self._left_out),
            there.live_segments,
        )

    def _hear(self, listed: tuple[PartName, ...]) -> None:
        """Know what these parts cover."""
        if listed != tuple(self._covers):
            self._covers = {
                part: self._covers[part]
                if part in self._covers
                else folder.read_covers(self._layout, part)
                for part in listed
            }
            self._covered = frozenset().union(*self._covers.values())
            self._left_out &= set(listed)

    def leave_out(self, part: PartName) -> None:
        """Count a part no more: it cannot be read. What it covers stays covered."""
        self._left_out.add(part)

    def covers(self, part: PartName) -> frozenset[str]:
        """What a listed part covers."""
        return self._covers.get(part, frozenset())

    def is_covered(self, name: str) -> bool:
        """Whether a listed part covers a source; a part's own name, not its open rows alone."""
        return name in self._covered
