"""Counts, sizes and times in words: the same in every message, command and finding. Pure."""

from __future__ import annotations

import datetime

_SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
_LENGTHS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def plural(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(bytes_: int) -> str:
    """A size on disk, in the units that `FLIGHTLOG_MAX_DISK` takes."""
    for unit, factor in _SIZES:
        if bytes_ >= factor:
            value = bytes_ / factor
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{bytes_} B"


def length_of_time(seconds: float) -> str:
    """How long something is or was, in the unit that tells most."""
    for unit, worth in _LENGTHS:
        if seconds >= 2 * worth:
            return f"{int(seconds // worth)} {unit}s"
    return "a second"


def moment(ns: int) -> str:
    """A time in the local zone, to the second."""
    try:
        time = datetime.datetime.fromtimestamp(ns // 1_000_000_000).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns after 1970"
    return time.isoformat(sep=" ", timespec="seconds")
