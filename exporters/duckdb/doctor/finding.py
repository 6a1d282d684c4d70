"""What a doctor says: one thing that was seen, what it means, and what to do."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["trouble", "note"]
_UNITS = (("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_TIMES = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: A name for it that does not change.
        title: It in a line.
        seen: The value that was seen, and where.
        means: What follows from it.
        step: What to do next.
        level: `trouble` keeps traces from being there, now or soon; a `note` does not.
    """

    code: str
    title: str
    seen: str
    means: str
    step: str
    level: Level = "trouble"


def size_said(size: int) -> str:
    """Bytes in few characters."""
    for unit, worth in _UNITS:
        if size >= worth:
            return f"{size / worth:.1f} {unit}"
    return f"{size} bytes"


def time_said(seconds: float) -> str:
    """A length of time in the unit that tells most."""
    for unit, worth in _TIMES:
        if seconds >= 2 * worth:
            return f"{int(seconds // worth)} {unit}s"
    return "a second"


def moment_said(ns: int) -> str:
    """A moment in local time, to the second."""
    try:
        moment = datetime.datetime.fromtimestamp(ns // 1_000_000_000).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns after 1970"
    return moment.isoformat(sep=" ", timespec="seconds")


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def word(path: Path | str) -> str:
    """A path as one word of a shell."""
    return shlex.quote(str(path))
