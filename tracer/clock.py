"""Time: the one place where the tracer asks what time it is."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import Protocol

_STEP_NS = 250_000_000


class Clock(Protocol):
    """Tells the time of spans, in integer nanoseconds since the epoch."""

    def now_ns(self) -> int:
        """The time now. Never smaller than an earlier answer unless `anchor` was called."""
        ...

    def anchor(self) -> None:
        """Called when a trace starts: a moment at which the clock may follow a clock step."""
        ...


class SystemClock:
    """Wall time carried forward by the monotonic clock.

    A step of the wall clock (NTP, a suspended laptop) would make bars of negative length, so the
    wall clock is read only when a trace starts, and followed only when it is off by more than a
    quarter of a second.
    """

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """The time now, in nanoseconds since the epoch."""
        return time.monotonic_ns() + self._offset

    def anchor(self) -> None:
        """Follow the wall clock if it has been stepped."""
        offset = time.time_ns() - time.monotonic_ns()
        if abs(offset - self._offset) > _STEP_NS:
            self._offset = offset


def iso(ns: int | None) -> str | None:
    """ISO 8601 in UTC with microseconds, such as `2026-11-20T09:30:00.000001+00:00`."""
    if ns is None:
        return None
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{rest // 1000:06d}+00:00"


@functools.lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def ns_from_iso(text: str) -> int:
    """The inverse of `iso`, to the microsecond; a time without a zone is taken as UTC.

    Raises:
        ValueError: If the text is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
