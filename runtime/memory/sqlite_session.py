"""A session in a SQLite database: in memory, or in a file that outlives the process."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from runtime.exceptions import UserError
from runtime.items import TResponseInputItem
from runtime.memory.session import SessionABC

T = TypeVar("T")

# How long to wait for another process that is writing to the same file.
BUSY_SECONDS = 30.0


class SQLiteSession(SessionABC):
    """Keeps a conversation in SQLite.

    Safe to use from several tasks, threads and event loops at once; with a file, from several
    processes too. Queries run in a thread, so that the event loop never waits for the disk.
    """

    def __init__(
        self,
        session_id: str,
        db_path: str | Path = ":memory:",
        sessions_table: str = "agent_sessions",
        messages_table: str = "agent_messages",
    ) -> None:
        """Open, and create where needed, the database and its two tables.

        Args:
            session_id: Names the conversation; one database holds many.
            db_path: The file. The default is memory that ends with this object.
            sessions_table: The name of the table of conversations.
            messages_table: The name of the table of items.

        Raises:
            UserError: If a table name is not a plain SQL name.
        """
        self.session_id = session_id
        self.db_path = db_path
        self._sessions = _identifier(sessions_table, "sessions_table")
        self._messages = _identifier(messages_table, "messages_table")
        self._lock = threading.RLock()
        # One connection serves all threads, one at a time; SQLite itself writes one at a time.
        self._connection = sqlite3.connect(
            str(db_path), timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        self._close = weakref.finalize(self, self._connection.close)
        self._create_tables()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return all items, or the latest `limit` of them, oldest first."""
        return await asyncio.to_thread(self._get, limit)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end, in one transaction."""
        rows = [(self.session_id, json.dumps(item)) for item in items]
        if rows:
            await asyncio.to_thread(self._add, rows)

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the latest item and return it; None if there is none."""
        return await asyncio.to_thread(self._pop)

    async def clear_session(self) -> None:
        """Remove all items of this conversation; the others in the database stay."""
        await asyncio.to_thread(self._clear)

    def close(self) -> None:
        """Close the database. Happens by itself when the session is no longer used."""
        with self._lock:
            self._close()

    def _create_tables(self) -> None:
        with self._lock:
            # Readers of a file do not wait for its writer.
            self._connection.execute("PRAGMA journal_mode=WAL")
        with self._transaction() as run:
            run(
                f"CREATE TABLE IF NOT EXISTS {self._sessions} ("
                "session_id TEXT PRIMARY KEY, "
                "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "
                "updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
            )
            run(
                f"CREATE TABLE IF NOT EXISTS {self._messages} ("
                "id INTEGER PRIMARY KEY AUTOINCREMENT, "
                f"session_id TEXT NOT NULL REFERENCES {self._sessions} (session_id), "
                "message_data TEXT NOT NULL, "
                "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
            )
            run(
                f"CREATE INDEX IF NOT EXISTS idx_{self._messages}_session_id "
                f"ON {self._messages} (session_id, id)"
            )

    def _get(self, limit: int | None) -> list[TResponseInputItem]:
        with self._lock:
            rows = self._connection.execute(
                f"SELECT message_data FROM {self._messages} WHERE session_id = ? "
                "ORDER BY id DESC LIMIT ?",
                (self.session_id, -1 if limit is None else limit),
            ).fetchall()
        return [json.loads(data) for (data,) in reversed(rows)]

    def _add(self, rows: list[tuple[str, str]]) -> None:
        with self._transaction() as run:
            run(
                f"INSERT INTO {self._sessions} (session_id) VALUES (?) "
                "ON CONFLICT (session_id) DO UPDATE SET updated_at = CURRENT_TIMESTAMP",
                (self.session_id,),
            )
            for row in rows:
                run(
                    f"INSERT INTO {self._messages} (session_id, message_data) VALUES (?, ?)",
                    row,
                )

    def _pop(self) -> TResponseInputItem | None:
        with self._transaction() as run:
            row = run(
                f"DELETE FROM {self._messages} WHERE id = "
                f"(SELECT MAX(id) FROM {self._messages} WHERE session_id = ?) "
                "RETURNING message_data",
                (self.session_id,),
            ).fetchone()
        return json.loads(row[0]) if row else None

    def _clear(self) -> None:
        with self._transaction() as run:
            for table in (self._messages, self._sessions):
                run(f"DELETE FROM {table} WHERE session_id = ?", (self.session_id,))

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._lock:
            # IMMEDIATE waits for the lock at once; upgrading a read lock would fail instead.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # after some errors SQLite has ended it
                    self._connection.execute("ROLLBACK")
                raise


def _identifier(name: str, parameter: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UserError(
            f"SQLiteSession got {parameter}={name!r}. A table name has letters, digits and "
            "underscores only, and starts with no digit; choose such a name."
        )
    return name
