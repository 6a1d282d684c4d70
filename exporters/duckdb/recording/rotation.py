"""When a segment is sealed and the next one begins: large enough, or old enough, to be compacted.

A segment holds every item that its lines refer to, so a loop's history is carried into each segment
that the loop goes on in. Sealing too soon would write it again and again, and a long loop would
not take linear space: what is new has to outweigh what the next segment has to carry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from exporters.duckdb.recording.segment import Segment
from exporters.duckdb.schema import LIST_SIZE

SEGMENT_LIMIT = 8 * 1024 * 1024
_HARD_LIMIT = 4  # times the limit: sealed by the caller's thread if the daemon is held up
_HISTORIES = 6  # a segment holds so many times the history that the next one has to carry
_HISTORY_LIMIT = 8  # times the limit: there it is sealed all the same
_ROTATE_SECONDS = 10.0
_IDLE_SECONDS = 30.0


class Rotation:
    """What is known of the segment that is written. Not safe in threads: the journal takes care."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._opened_at = self._appended_at = 0.0
        self._known_before: set[str] = set()

    def opened(self, before: Segment | None) -> None:
        """A segment follows another one."""
        self._opened_at = self._clock()
        self._known_before = set() if before is None else before.known

    def appended(self) -> None:
        """Lines were written."""
        self._appended_at = self._clock()

    def weigh(self, segment: Segment, items: Mapping[str, bytes], lacking: Sequence[str]) -> None:
        """A line has items of which the segment lacks some: note what was there before."""
        if not self._known_before.isdisjoint(lacking):
            segment.carried += _bytes(items, self._known_before.intersection(lacking))
        if len(items) > LIST_SIZE:
            segment.history = max(segment.history, _bytes(items, items))

    def is_full(self, segment: Segment) -> bool:
        """Whether it is large enough."""
        return segment.size > self.limit and self._is_over(segment, self.limit)

    def is_overfull(self, segment: Segment) -> bool:
        """Whether it is so large that nobody may wait for the daemon."""
        most = _HARD_LIMIT * self.limit
        return segment.size > most and self._is_over(segment, most)

    def is_due(self, segment: Segment) -> bool:
        """Whether it is large or old enough, or was deleted by somebody."""
        if segment.gone or self.is_full(segment):
            return True
        now = self._clock()
        silent = now - self._appended_at
        old = now - self._opened_at >= _ROTATE_SECONDS and silent < _ROTATE_SECONDS
        return (old or silent >= _IDLE_SECONDS) and self._is_over(segment, 0)

    def _is_over(self, segment: Segment, limit: int) -> bool:
        history = min(_HISTORIES * segment.history, _HISTORY_LIMIT * self.limit)
        carried = min(segment.carried, _HISTORY_LIMIT * self.limit)
        return segment.size - segment.carried > max(limit, history, carried)


def _bytes(items: Mapping[str, bytes], names: Iterable[str]) -> int:
    return sum(len(items[name]) for name in names)
