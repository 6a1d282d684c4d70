"""Losses: what recording could not keep, counted so that a user can see it.

One counter for the process. `warn` is the door for log lines about losses: at most one line a
minute and cause.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tracer.forking import anew_in_child
from tracer.logger import logger

_QUIET_SECONDS = 60.0
# Beyond so many, losses of further traces are counted without naming the trace.
_MOST_COUNTERS = 10_000


class Loss(NamedTuple):
    """What one counter counts: items lost by an exporter for a reason, of a trace if known."""

    exporter: str
    reason: str
    trace_id: str | None = None


class Losses:
    """Counters of lost items; safe in any thread."""

    def __init__(self) -> None:
        self._keepers: list[Callable[[], None]] = []
        self.reset()
        anew_in_child(self)

    def count(
        self, exporter: str, reason: str, items: int = 1, *, trace_id: str | None = None
    ) -> None:
        """Add lost items to a counter."""
        loss = Loss(exporter, reason, trace_id)
        with self._lock:
            if len(self._counts) >= _MOST_COUNTERS and loss not in self._counts:
                loss = Loss(exporter, reason)
            self._counts[loss] += items

    def totals(self) -> Mapping[Loss, int]:
        """All counters as they stand."""
        with self._lock:
            return dict(self._counts)

    def warn(self, cause: str, message: str, *, exc_info: bool = False) -> bool:
        """Log a warning unless the same cause was logged within the last minute.

        Returns:
            Whether it was logged.
        """
        now = time.monotonic()
        with self._lock:
            last = self._warned.get(cause)
            if last is not None and now - last < _QUIET_SECONDS:
                return False
            self._warned[cause] = now
        logger.warning(message, exc_info=exc_info)
        return True

    def kept_by(self, keep: Callable[[], None]) -> None:
        """Have this called when the program ends, after exporters have: it keeps the counters."""
        self._keepers.append(keep)

    def keep(self) -> None:
        """The program ends, and nothing is counted any more."""
        for keep in self._keepers:
            keep()

    def reset(self) -> None:
        """Forget everything; a forked child starts with this, as do tests."""
        # Re-entrant, since a signal handler may record while this thread is counting.
        self._lock = threading.RLock()
        self._counts: Counter[Loss] = Counter()
        self._warned: dict[str, float] = {}

    def make_anew(self) -> None:
        """Forget what the parent counted: it is the parent's to show."""
        self.reset()


losses = Losses()

# What is registered first is called last: after those of exporters, which come after this module.
atexit.register(losses.keep)
