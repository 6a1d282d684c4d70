"""Lines that wait in memory until they can be written, and how long until the next try."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from exporters.duckdb.recording.lines import Line

MEMORY_LIMIT = 64 * 1024 * 1024
_LINE_OVERHEAD = 2048
_BACK_OFF_SECONDS = 0.1
_LONGEST_SECONDS = 5.0
_PATIENCE = 4  # 0.1 + 0.2 + 0.4 + 0.8 s


class Waiting:
    """A queue, first in first out. Not safe in threads: the journal takes care of that.

    Attributes:
        lines: What waits, the oldest first.
        retry_at: When the next try is due.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lines: deque[Line] = deque()
        self.retry_at = 0.0
        self._clock = clock
        self._bytes = 0
        self._failures = 0

    def has_room(self, line: Line) -> bool:
        """Whether the memory for waiting takes one more."""
        return self._bytes + _size(line) <= MEMORY_LIMIT

    def add(self, line: Line) -> bool:
        """Let a line wait behind the others; says whether it is the first one."""
        first = not self.lines
        if first:
            self.retry_at = self._clock() + _BACK_OFF_SECONDS
        self.lines.append(line)
        self._bytes += _size(line)
        return first

    def oldest(self, limit: int) -> list[Line]:
        """What has waited longest: as many lines as a limit of bytes allows, at least one."""
        batch: list[Line] = []
        size = 0
        for line in self.lines:
            size += _size(line)
            if batch and size > limit:
                break
            batch.append(line)
        return batch

    def written(self, batch: Sequence[Line]) -> None:
        """Let go of what `oldest` gave."""
        for line in batch:
            self.lines.popleft()
            self._bytes -= _size(line)
        self._failures = 0

    def clear(self) -> list[Line]:
        """Let go of everything."""
        lines = list(self.lines)
        self.lines.clear()
        self._bytes = 0
        return lines

    def failed(self) -> bool:
        """A try failed: put off the next one; says whether it is time to try another place."""
        self._failures += 1
        pause = min(_BACK_OFF_SECONDS * 2**self._failures, _LONGEST_SECONDS)
        self.retry_at = self._clock() + pause
        return self._failures >= _PATIENCE


def _size(line: Line) -> int:
    """About how much memory a line takes; what is over 64 KiB in it is an item."""
    return _LINE_OVERHEAD + sum(map(len, line.items.values()))
