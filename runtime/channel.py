"""The bounded queue between a streamed run and whoever reads its events."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A queue for one reader that can be closed from either side.

    A full channel makes `send` wait, so that a slow reader slows the run down and nothing piles
    up. After `close`, `send` drops what it gets and `receive` hands out what is left, then None.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._closed = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()

    async def send(self, item: T) -> None:
        """Add an item, waiting while the channel is full."""
        while len(self._items) >= self._size and not self._closed:
            self._writable.clear()
            await self._writable.wait()
        if not self._closed:
            self._items.append(item)
            self._readable.set()

    async def receive(self) -> T | None:
        """Take the next item, waiting for one; None once the channel is closed and empty."""
        while not self._items:
            if self._closed:
                return None
            self._readable.clear()
            await self._readable.wait()
        self._writable.set()
        return self._items.popleft()

    def close(self, *, discard: bool = False) -> None:
        """Let nothing more in; with `discard` also forget what nobody has read yet."""
        self._closed = True
        if discard:
            self._items.clear()
        self._readable.set()
        self._writable.set()
