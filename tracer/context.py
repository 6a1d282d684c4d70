"""The current trace and span, carried by `contextvars`.

One variable holds the current node: a span, or a trace in which no span is open. So a trace that
starts inside a span hides that span, and the two can never disagree.

No token is kept. A span that ends puts back what was current before it only where it still is
current itself; so an end from another task or context, or out of order, can do no harm.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from contextvars import ContextVar, Token
from typing import Any, Protocol

# A weak reference, so that a later task at the same address is not taken for this one.
Owner = int | weakref.ref[asyncio.Task[Any]]


class Node(Protocol):
    """What can be current: a live trace or span that remembers what was current before it.

    `owner` is the task or thread that made it current.
    """

    previous: Node | None
    owner: Owner

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        ...


_current: ContextVar[Any] = ContextVar("flightlog_current", default=None)


def current() -> Any:
    """The current trace or span, or None.

    What has ended in the very task that asks was ended elsewhere (a generator closed by another
    task), so it is passed over. In a task that was started inside it, it stays: work that goes on
    in the background belongs under the span that began it.
    """
    node = _current.get()
    if node is None or not getattr(node, "ended", False):
        return node
    return _passed_over(node)


def enter(node: Node) -> None:
    """Make a node current in this context."""
    node.previous = current()
    node.owner = _who()
    _current.set(node)


def leave(node: Node) -> None:
    """Put back what was current before a node, if the node is current here."""
    if _current.get() is not node:
        return
    previous = _passed_over(node.previous)
    _current.set(previous)
    if node.owner == _who():
        # A task started inside may hold the node for ever. It must not hold all that ended
        # before, or a program whose tasks start each other would keep every span it ever had.
        while previous is not None and getattr(previous, "ended", False):
            previous = previous.previous
        node.previous = previous


def put(node: Any) -> Token[Any]:
    """Set the current node without remembering; the token undoes it in the same context."""
    return _current.set(node)


def undo(token: Token[Any]) -> None:
    """Undo a `put`; in another context than that of the `put` it does nothing."""
    try:
        _current.reset(token)
    except ValueError:
        return


def _passed_over(node: Node | None) -> Node | None:
    """The nearest node, this one included, that has not ended in the task that asks."""
    if node is None or not getattr(node, "ended", False):
        return node
    me = _who()
    while node is not None and getattr(node, "ended", False) and node.owner == me:
        node = node.previous
    return node


def _who() -> Owner:
    if asyncio._get_running_loop() is None:
        return threading.get_ident()
    task = asyncio.current_task()
    return weakref.ref(task) if task is not None else threading.get_ident()
