"""The words of a filter: the same on the command line and in the page's filter box. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from exporters.store import TRACE_STATUSES, TraceStatus

_QUOTED = re.compile(r'(?s)"(.*)"')
# A quoted value may have spaces. White space before a word stays with it: text is looked for as
# it was typed.
_WORD = re.compile(r'\s*(?:(?:group|name):"[^"]*"(?!\S)|\S+)')


class FilterError(Exception):
    """A filter that cannot be followed; the text says which word, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a filter asks for; what it leaves open is empty or None."""

    status: tuple[TraceStatus, ...] = ()
    group_id: str | None = None
    name: str | None = None
    text: str | None = None


def parse_text(text: str) -> Filter:
    """A filter that was typed in one line.

    Raises:
        FilterError: If a status is none.
    """
    return _parse(_WORD.findall(text), between="")


def parse_words(words: Sequence[str]) -> Filter:
    """A filter that a shell took apart: a word may have spaces.

    Raises:
        FilterError: If a status is none.
    """
    return _parse(words, between=" ")


def _parse(words: Sequence[str], *, between: str) -> Filter:
    status: list[str] = []
    exact: dict[str, str] = {}
    text: list[str] = []
    for word in words:
        key, colon, value = word.strip().partition(":")
        quoted = _QUOTED.fullmatch(value)
        plain = quoted[1] if quoted else value
        if colon and key == "status":
            status += plain.split(",")
        elif plain and key in ("group", "name"):
            exact[key] = plain
        else:
            text.append(word)
    return Filter(
        status=statuses(status),
        group_id=exact.get("group"),
        name=exact.get("name"),
        text=between.join(text).strip() or None,
    )


def statuses(names: Iterable[str]) -> tuple[TraceStatus, ...]:
    """The statuses of these names, each once.

    Raises:
        FilterError: If one is none.
    """
    distinct = tuple(dict.fromkeys(names))
    for name in distinct:
        if name not in TRACE_STATUSES:
            raise FilterError(
                f"The status {name!r} is none. A trace is one of: {', '.join(TRACE_STATUSES)}. "
                f"Ask for one of these, or several: status:error,blocked"
            )
    return tuple(cast(TraceStatus, name) for name in distinct)
