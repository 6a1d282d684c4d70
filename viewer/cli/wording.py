"""Statuses, durations, counts and times in the words of the command line."""

from __future__ import annotations

import datetime
from typing import NamedTuple

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400


class Mark(NamedTuple):
    """How a status looks: never by colour alone."""

    glyph: str
    colour: str | None


MARKS = {
    "running": Mark("▶", "blue"),
    "ok": Mark("✔", None),
    "error": Mark("✖", "red"),
    "blocked": Mark("⊘", "yellow"),
    "cancelled": Mark("○", "dim"),
    "interrupted": Mark("‼", "red"),
}


def duration(ms: float | None) -> str:
    """A duration with the digits that matter."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.1f} ms"
    seconds = ms / 1000
    if seconds < _MINUTE:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE):02d} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02d} min"


def ago(then_ns: int, now_ns: int) -> str:
    """A time as seen from now; the day once it is more than a month away."""
    seconds = (now_ns - then_ns) / 1e9
    if not -_MINUTE < seconds < 30 * _DAY:
        return moment(then_ns)[:10]
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def moment(ns: int) -> str:
    """A time in the local zone, to the second."""
    try:
        time = datetime.datetime.fromtimestamp(ns // 1_000_000_000).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"
    return time.isoformat(sep=" ", timespec="seconds")


def count(number: int | None) -> str:
    """A count in few characters."""
    if number is None:
        return "-"
    if number < 1000:
        return str(number)
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            value = number / size
            return f"{value:.1f}{unit}" if value < 100 else f"{value:.0f}{unit}"
    return str(number)


def tokens(given: int | None, taken: int | None) -> str:
    """Tokens in and out."""
    return "" if given is None and taken is None else f"{count(given)}→{count(taken)}"


def plural(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(bytes_: int) -> str:
    """A size on disk, in the units that `FLIGHTLOG_MAX_DISK` takes."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if bytes_ >= factor:
            value = bytes_ / factor
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{bytes_} B"
