"""The exact reader: DuckDB in memory over the parts and segments that count now.

Parts are read where they are. Segments are tailed: each byte of one is parsed once, into a table
in memory, and its rows leave that table when a part has replaced the segment. The views are those
of the catalog file; only what lies under them differs.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import duckdb

from exporters.duckdb import layout as folder
from exporters.duckdb.catalog import statements
from exporters.duckdb.layout import Layout, PartName, SegmentName
from exporters.duckdb.lines import check_line
from exporters.duckdb.parts import listed
from exporters.duckdb.schema import DERIVED, ITEM, RECORD
from exporters.store import StoreError

_CHUNK = 16 * 1024 * 1024  # bytes of a segment that are parsed in one go
_RETRIES = 5
_VANISHED = re.compile(r"No files found|No such file|Cannot open file|Could not read from file")
_COLUMNS = ", ".join(field.name for field in RECORD)
_TYPED = ", ".join(f"null::{field.type} as {field.name}" for field in RECORD)
_NOTHING = f"{_TYPED}, " + ", ".join(f"null::{type} as {name}" for name, type, _ in DERIVED)
_SHAPE = "{" + ", ".join(f'"{f.name}": "{f.type}"' for f in (*RECORD, *ITEM)) + "}"
_DERIVE = ", ".join(column.expression for column in DERIVED)


class Reader:
    """Answers SQL over a store as it is now. Safe in any thread; each thread has its own cursor.

    A store that does not exist reads as an empty one, and is found when it comes into being.
    The connection reaches no file outside the store's folder and cannot be reconfigured. `views`
    are the statements that are run on it before that, by default all of `catalog.statements`.
    """

    def __init__(
        self, layout: Layout, *, memory_limit: str = "1GB", views: Iterable[str] | None = None
    ) -> None:
        folder.check_path(layout)
        self._layout = layout
        self._lock = threading.Lock()
        self._offsets: dict[SegmentName, int] = {}
        self._covers: dict[PartName, frozenset[str]] = {}
        self._parts: tuple[tuple[PartName, ...], tuple[PartName, ...]] | None = None
        self._open_owners: frozenset[str] = frozenset()
        self._gone: set[str] = set()
        self._batch = 0
        self._found = False
        self._changed: set[str] = set()
        self._deleted = False
        self.bad_lines = 0
        self._database = _connect(
            layout, memory_limit, statements(raw=False) if views is None else views
        )
        self._local = threading.local()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new cursor on the same database; the caller closes it."""
        return self._database.cursor()

    def close(self) -> None:
        """Let go of everything."""
        self._database.close()

    def refresh(self) -> None:
        """See what was recorded since the last time.

        Raises:
            StoreError: If the store has become one of a newer format, or cannot be read.
        """
        with self._lock:
            if not self._found and folder.read_format(self._layout) is None:
                return
            self._found = True
            for attempt in range(_RETRIES):
                try:
                    self._look()
                    return
                except (OSError, duckdb.Error) as error:
                    # A part may be replaced between our listing it and our reading it.
                    if attempt == _RETRIES - 1 or not _VANISHED.search(str(error)):
                        raise _unreadable(self._layout, error) from error

    def take_changes(self) -> tuple[frozenset[str], bool]:
        """Ids of traces that changed since this was last called, and whether any was deleted."""
        with self._lock:
            changed, self._changed = frozenset(self._changed), set()
            deleted, self._deleted = self._deleted, False
            return changed, deleted

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of ours, after a refresh where files have vanished under it."""
        return self.retrying(lambda: self._own_cursor().execute(sql, parameters).fetchall())

    def retrying(self, ask: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """What `ask` answers; asked again when a file was replaced while it was being read."""
        for _ in range(_RETRIES - 1):
            try:
                return ask()
            except duckdb.Error as error:
                if not _VANISHED.search(str(error)):
                    raise _unreadable(self._layout, error) from error
                self.refresh()
        try:
            return ask()
        except duckdb.Error as error:
            raise _unreadable(self._layout, error) from error

    def _look(self) -> None:
        """Catch up, and find out which of those that left something open are dead."""
        self._catch_up()
        suspects = self._open_owners - self._gone
        dead = suspects - folder.live_owners(self._layout, suspects) if suspects else None
        if dead:
            self._catch_up()  # what they wrote between our look at their files and their end
            self._bury(dead)

    def _own_cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._database.cursor()
        return cursor

    def _catch_up(self) -> None:
        """Bring tables and views to what the folder holds."""
        parts, opens, segments = self._listing()
        known = set(segments)
        left = [name for name in self._offsets if name not in known]
        grown = [name for name in segments if self._has_grown(name)]
        if not grown and not left and (parts, opens) == self._parts:
            return
        fresh = self._unseen(parts, left)
        covered: set[str] = set().union(*self._covers.values())
        initial = self._parts is None
        before = () if self._parts is None else self._parts[0]
        lost = {part.dirname for part in set(before) - set(parts)} | {n.filename for n in left}
        cursor = self._own_cursor()
        first = self._batch
        cursor.execute("begin")
        try:
            for name in left:
                cursor.execute("delete from _hot_rows where source = ?", [name.filename])
                cursor.execute("delete from _hot_values where source = ?", [name.filename])
                del self._offsets[name]
            for name in grown:
                for lines in self._tail(name):
                    self._insert(cursor, name, lines)
            if (parts, opens) != self._parts:
                for view in _part_views(self._layout, parts, opens):
                    cursor.execute(view)
                self._parts = (parts, opens)
            cursor.execute("commit")
        except BaseException:
            cursor.execute("rollback")
            self._start_over(cursor)
            raise
        self._deleted |= not lost <= covered
        if self._batch == first and not fresh and not left and not lost and not initial:
            return
        self._changed |= self._touched(cursor, first, fresh)
        owners = cursor.execute(
            "select distinct owner from _live where rev = 0 and owner is not null"
        ).fetchall()
        self._open_owners = frozenset(owner for (owner,) in owners)

    def _listing(
        self,
    ) -> tuple[tuple[PartName, ...], tuple[PartName, ...], tuple[SegmentName, ...]]:
        """Parts, parts whose open rows count, and segments: parts first, as the protocol wants."""
        listed = folder.list_parts(self._layout)
        self._covers = {
            part: self._covers[part]
            if part in self._covers
            else folder.read_covers(self._layout, part)
            for part in listed
        }
        covered: set[str] = set().union(*self._covers.values())
        listing = folder.Listing(listed, folder.list_segments(self._layout), frozenset(covered))
        return listing.live_parts, listing.open_parts, listing.live_segments

    def _has_grown(self, name: SegmentName) -> bool:
        offset = self._offsets.setdefault(name, 0)
        try:
            size = self._layout.segment(name).stat().st_size
        except FileNotFoundError:
            return False
        if size < offset:  # its writer took a failed write back
            self._offsets[name] = size
        return size > offset

    def _tail(self, name: SegmentName) -> Iterator[list[str]]:
        """Good lines that a segment has grown by, in chunks; an unfinished line stays for later."""
        try:
            with self._layout.segment(name).open("rb") as file:
                file.seek(self._offsets[name])
                # Only what is there now: a writer that never pauses would keep us here for ever.
                left = os.fstat(file.fileno()).st_size - self._offsets[name]
                rest = b""
                while left > 0 and (data := file.read(min(left, _CHUNK))):
                    left -= len(data)
                    whole, newline, rest = (rest + data).rpartition(b"\n")
                    if newline:
                        self._offsets[name] += len(whole) + 1
                        yield self._good(whole)
        except FileNotFoundError:
            return

    def _good(self, data: bytes) -> list[str]:
        lines = data.split(b"\n")
        good = [line.decode("utf-8", "replace") for line in lines if check_line(line)]
        self.bad_lines += sum(1 for line in lines if line) - len(good)
        return good

    def _insert(
        self, cursor: duckdb.DuckDBPyConnection, name: SegmentName, lines: list[str]
    ) -> None:
        self._batch += 1
        cursor.execute(
            f"create or replace temp table _parsed as select u.* from "
            f"(select from_json(line, '{_SHAPE}') as u from (select unnest(?::varchar[]) as line))",
            [lines],
        )
        cursor.execute(
            f"insert into _hot_rows select {_COLUMNS}, {_DERIVE}, ?, ? from _parsed "
            "where k in ('span', 'trace', 'loss')",
            [name.filename, self._batch],
        )
        cursor.execute(
            "insert into _hot_values select hash, value, ? from _parsed where k = 'item'",
            [name.filename],
        )

    def _unseen(self, parts: tuple[PartName, ...], left: list[SegmentName]) -> list[PartName]:
        """New parts that hold rows we never saw in a segment."""
        if self._parts is None:
            return []
        seen = {part.dirname for part in self._parts[0]} | {part.dirname for part in parts}
        read = {name.filename for name in left if self._is_read(name)}
        before = set(self._parts[0])
        return [
            part
            for part in parts
            if part not in before
            and not all(
                source in read or source.partition("/")[0] in seen for source in self._covers[part]
            )
        ]

    def _is_read(self, name: SegmentName) -> bool:
        try:
            return self._layout.segment(name).stat().st_size <= self._offsets[name]
        except OSError:
            return False

    def _touched(
        self, cursor: duckdb.DuckDBPyConnection, first: int, fresh: list[PartName]
    ) -> set[str]:
        found = cursor.execute(
            "select distinct trace_id from _hot_rows where batch > ? and trace_id is not null",
            [first],
        ).fetchall()
        if fresh:
            found += cursor.execute(
                "select distinct trace_id from _records where list_contains(?, source)",
                [[part.dirname for part in fresh]],
            ).fetchall()
        return {trace_id for (trace_id,) in found if trace_id is not None}

    def _bury(self, dead: Iterable[str]) -> None:
        names = list(dead)
        cursor = self._own_cursor()
        cursor.execute("insert into _gone select unnest(?::varchar[])", [names])
        self._gone.update(names)
        found = cursor.execute(
            "select distinct trace_id from _live where rev = 0 and list_contains(?, owner)", [names]
        ).fetchall()
        self._changed.update(trace_id for (trace_id,) in found if trace_id is not None)

    def _start_over(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Nothing is half done: the next refresh parses everything from what the files say."""
        cursor.execute("delete from _hot_rows")
        cursor.execute("delete from _hot_values")
        self._offsets.clear()
        self._parts = None


def _connect(layout: Layout, memory_limit: str, views: Iterable[str]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "memory_limit": memory_limit,
            "temp_directory": "",  # nothing is spilled: not into the user's working directory
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "errors_as_json": True,
        },
    )
    database.execute("set global TimeZone = 'UTC'")
    database.execute(f"create table _hot_rows as select {_NOTHING}, ''::varchar as source, "
                     "0 as batch where false")  # fmt: skip
    database.execute("create table _hot_values (hash varchar, value json, source varchar)")
    database.execute("create table _gone (owner varchar)")
    database.execute("create view _hot as select * exclude (batch) from _hot_rows")
    database.execute("create view _hot_items as select * from _hot_values")
    for text in (*_part_views(layout, (), ()), *views):
        database.execute(text)
    database.execute("set global parquet_metadata_cache = true")
    database.execute(f"set allowed_directories = {listed([layout.root])}")
    database.execute("set enable_external_access = false")
    database.execute("set lock_configuration = true")
    return database


def _part_views(
    layout: Layout, parts: tuple[PartName, ...], opens: tuple[PartName, ...]
) -> Iterable[str]:
    """The views over the files of parts."""
    record = f"{_COLUMNS}, start_time, end_time, duration_ms"
    item = ", ".join(field.name for field in ITEM)
    for view, file, names, columns, nothing in (
        ("_data", folder.DATA, parts, record, _NOTHING),
        ("_open", folder.OPEN, opens, record, _NOTHING),
        ("_part_items", folder.ITEMS, parts, item, "null::varchar as hash, null::json as value"),
    ):
        paths = [path for name in names if (path := layout.part(name) / file).exists()]
        if not paths:
            yield (
                f"create or replace view {view} as "
                f"select {nothing}, null::varchar as source where false"
            )
            continue
        sentinel = layout.parts / folder.SCHEMA_PART / file
        if sentinel.exists():  # it has every column of the newest schema
            paths.append(sentinel)
        yield (
            f"create or replace view {view} as select {columns}, "
            f"split_part(split_part(filename, '/parts/', -1), '/', 1) as source "
            f"from read_parquet({listed(paths)}, filename = true, union_by_name = true)"
        )


def said(error: BaseException) -> tuple[str, str, int | None]:
    """Kind, text and place (in bytes) of an error of DuckDB's, given as JSON or as text."""
    raw = str(error)
    try:
        told = json.loads(raw[raw.index("{") :])
        place = told.get("position")
        kind, text = str(told["exception_type"]), str(told["exception_message"])
        return kind, text, int(place) if place is not None else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return type(error).__name__.removesuffix("Exception"), raw, None


def _too_large(layout: Layout) -> StoreError:
    return StoreError(
        f"The store {str(layout.catalog)!r} holds more that is not compacted yet than fits into "
        f"memory. Segments are read into memory until compaction has made parts of them. "
        f"Compact them: python -m exporters.duckdb.compaction --store {layout.catalog}"
    )


def _unreadable(layout: Layout, error: Exception) -> StoreError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return _too_large(layout)
    return StoreError(
        f"The store {str(layout.catalog)!r} cannot be read: {said(error)[1][:400]}. Every part of "
        f"it has to be a whole Parquet file. Move the folder of the one named here out of the way."
    )
