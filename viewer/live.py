"""News of traces for any number of pages, from one look at the store a quarter second.

The looking starts with the first page and stops with the last. What a slow page has not taken yet
is gathered into one event, so that nobody waits for it and nothing piles up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import anyio.to_thread

from exporters.store import Changes, StoreError, TraceStore
from viewer.encoding import to_json

_logger = logging.getLogger("flightlog.viewer")
_OUTAGE_PAUSE = 1.0
_RECONNECT_MS = 1000


class Live:
    """Server-sent events of a store's changes. Every method is for the event loop's thread.

    `period` is the seconds between two looks at the store, `ping` the longest silence of a stream.
    """

    def __init__(self, store: TraceStore, *, period: float = 0.25, ping: float = 15.0) -> None:
        self._store = store
        self._period = period
        self._ping = ping
        self._pages: set[_Mailbox] = set()
        self._joining = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def watching(self) -> bool:
        """Whether the store is being looked at."""
        return self._watch is not None

    async def stream(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """The events of one page, from after `last_event_id`, or from now.

        Begins with a ping, whose id is where to resume; ends when `close` is called.
        """
        if self._closed:
            return
        mailbox = _Mailbox()
        # In the set before the first look: what changes in between then arrives twice, not never.
        self._pages.add(mailbox)
        try:
            cursor = await self._join(mailbox, last_event_id)
            yield f"retry: {_RECONNECT_MS}\n".encode() + _event("ping", {}, cursor)
            while not self._closed:
                try:
                    await asyncio.wait_for(mailbox.filled.wait(), self._ping)
                except TimeoutError:
                    yield _event("ping", {}, None)
                    continue
                if self._closed:
                    return
                changes = mailbox.take()
                yield _event("change", {"trace_ids": changes.trace_ids}, changes.cursor)
        finally:
            self._leave(mailbox)

    def close(self) -> None:
        """End every stream now, and every later one at once; idempotent."""
        self._closed = True
        for mailbox in self._pages:
            mailbox.filled.set()

    async def _join(self, mailbox: _Mailbox, last_event_id: str | None) -> str | None:
        # One at a time: the watch starts from the first page's cursor, and a second page whose
        # cursor is older would miss what lies between.
        async with self._joining:
            changes = await self._first_look(last_event_id)
            if changes is not None and changes.trace_ids:
                mailbox.put(changes)
            cursor = None if changes is None else changes.cursor
            if self._watch is None and not self._closed:
                self._watch = asyncio.create_task(self._look(cursor))
            return cursor

    async def _first_look(self, last_event_id: str | None) -> Changes | None:
        for cursor in dict.fromkeys((last_event_id or None, None)):
            try:
                return await self._follow(cursor)
            except StoreError as error:
                # Perhaps no cursor of this store: a page opened before the store was replaced.
                _logger.debug("No changes since %r: %s", cursor, error)
        return None

    def _leave(self, mailbox: _Mailbox) -> None:
        self._pages.discard(mailbox)
        if not self._pages and self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _look(self, cursor: str | None) -> None:
        failed = False
        while not self._closed:
            try:
                changes = await self._follow(cursor)
            except Exception as error:  # noqa: BLE001 (a look that ends leaves every page blind)
                if not failed:
                    _logger.warning("The store cannot be followed, trying again: %s", error)
                failed = True
                await asyncio.sleep(_OUTAGE_PAUSE)
                continue
            failed = False
            cursor = changes.cursor
            if changes.trace_ids:
                for mailbox in self._pages:
                    mailbox.put(changes)
            await asyncio.sleep(self._period)

    async def _follow(self, cursor: str | None) -> Changes:
        return await anyio.to_thread.run_sync(self._store.follow, cursor, abandon_on_cancel=True)


class _Mailbox:
    """What one page has not been told yet."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self._ids: dict[str, None] = {}
        self._cursor = ""

    def put(self, changes: Changes) -> None:
        self._ids.update(dict.fromkeys(changes.trace_ids))
        self._cursor = changes.cursor
        self.filled.set()

    def take(self) -> Changes:
        changes = Changes(cursor=self._cursor, trace_ids=list(self._ids))
        self._ids.clear()
        self.filled.clear()
        return changes


def _event(name: str, data: object, cursor: str | None) -> bytes:
    # A line break in an id would end the field.
    known = "" if cursor is None or not cursor.isprintable() else f"id: {cursor}\n"
    return f"{known}event: {name}\ndata: ".encode() + to_json(data) + b"\n\n"
