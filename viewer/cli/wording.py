"""Statuses, durations, costs, counts and times in the words of the command line: pure."""

from __future__ import annotations

from typing import NamedTuple

from exporters.wording import moment

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400
_MOST_PLACES = 10


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


def dollars(cost: float | None, *, partial: bool = False) -> str:
    """A cost with the digits that matter; empty where it is not known, which is not nothing.

    With `partial` it is marked as less than the whole.
    """
    if cost is None:
        return ""
    if cost == 0:
        text = "$0"
    elif cost >= 0.995:
        text = f"${cost:,.2f}"
    elif cost >= 0.01:
        text = f"${cost:.3f}"
    else:  # two digits, as many places down as the first of them is
        places = 1 - int(f"{cost:.1e}".partition("e")[2])
        text = f"${cost:.{places}f}" if places <= _MOST_PLACES else "$0"
    return f"{text}+" if partial else text
