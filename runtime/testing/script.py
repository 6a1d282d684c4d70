"""The script: which reply comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeAlias, TypeVar

from runtime.exceptions import UserError
from runtime.testing.replies import Reply, text

_Request = TypeVar("_Request")

ScriptSource: TypeAlias = Reply | str | Iterable[Reply | str] | Callable[[_Request], Reply | str]
"""Replies in order, a single one, or a function of the request.

A plain string stands for `text(string)`.
"""


class ScriptExhaustedError(AssertionError):
    """The model was asked more often than its script has replies."""


class Script(Generic[_Request]):
    """Hands out replies, one a request. Safe to ask from several threads at once."""

    def __init__(self, source: ScriptSource[_Request]) -> None:
        self._choose = source if callable(source) else None
        self._replies = [] if callable(source) else _replies(source)
        self._asked = 0
        self._lock = threading.Lock()

    def next(self, request: _Request) -> Reply:
        """Return the reply to `request`.

        Raises:
            ScriptExhaustedError: If every reply has been given.
        """
        reply = self._choose(request) if self._choose else self._take()
        return text(reply) if isinstance(reply, str) else reply

    @property
    def left(self) -> int:
        """How many replies of a list have not been given yet; 0 for a function."""
        return max(len(self._replies) - self._asked, 0)

    def _take(self) -> Reply | str:
        with self._lock:
            position = self._asked
            self._asked += 1
        if position >= len(self._replies):
            raise ScriptExhaustedError(
                f"The model was asked {position + 1} times, but its script has only"
                f" {len(self._replies)} replies. A script needs one reply for every model call;"
                " add replies, or pass a function of the request."
            )
        return self._replies[position]


def _replies(source: object) -> list[Reply | str]:
    if isinstance(source, Reply | str):
        return [source]
    if not isinstance(source, Iterable):
        raise _no_reply("It is", source)
    replies = list(source)
    for place, reply in enumerate(replies):
        if not isinstance(reply, Reply | str):
            raise _no_reply(f"Its reply {place} is", reply)
    return replies


def _no_reply(where: str, value: object) -> UserError:
    return UserError(
        f"The script cannot be followed. {where} a {type(value).__name__!r}, and a script is made"
        " of replies; pass text(...), tool_call(...) and the like, or a function of the request."
    )
