"""What the runner asks of a session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from runtime.awaitable import MaybeAwaitable
from runtime.items import TResponseInputItem

SessionInputCallback: TypeAlias = Callable[
    [list[TResponseInputItem], list[TResponseInputItem]],
    MaybeAwaitable[list[TResponseInputItem]],
]
"""Makes a run's input out of the session's items and the new ones."""


@runtime_checkable
class Session(Protocol):
    """Keeps the items of one conversation, in order.

    The runner reads it once before a run and adds whole turns as they are completed, so that a
    tool call is never kept without its answer. It awaits every method and never calls two at once
    for one run; several runs may share a session, and then the session keeps order itself.
    """

    session_id: str

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return all items, or the latest `limit` of them, oldest first."""
        ...

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end: all of them or, if it fails, none."""
        ...

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the latest item and return it; None if there is none."""
        ...

    async def clear_session(self) -> None:
        """Remove all items."""
        ...


class SessionABC(ABC):
    """A base for sessions; `Session` has the contract. Any object that fulfils it will do."""

    session_id: str

    @abstractmethod
    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return all items, or the latest `limit` of them, oldest first."""

    @abstractmethod
    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end."""

    @abstractmethod
    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the latest item and return it; None if there is none."""

    @abstractmethod
    async def clear_session(self) -> None:
        """Remove all items."""
