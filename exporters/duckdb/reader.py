"""The exact reader: DuckDB in memory over the parts and segments that count now.

Parts are read where they are. Segments are tailed: each byte of one is parsed once, into a table
in memory, and its rows leave that table when a part has replaced the segment. Of a backlog only so
much goes into memory, and the other segments are read where they are too. The views are those of
the catalog file; only what lies under them differs.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb import layout as folder
from exporters.duckdb.catalog import statements
from exporters.duckdb.damage import set_aside, warn_once
from exporters.duckdb.inventory import Counting, Inventory
from exporters.duckdb.layout import Layout, PartName, SegmentName, parse_part
from exporters.duckdb.lines import check_line
from exporters.duckdb.parts import listed, quoted
from exporters.duckdb.schema import DERIVED, ITEM, LINE_LIMIT, RECORD
from exporters.duckdb.tail import chunks
from exporters.store import StoreError

TABLE_BYTES = 48 * 1024 * 1024  # of segments that are in memory; DuckDB takes twice as much
_RETRIES = 5
_PART = re.compile(r"/parts/(p-[0-9a-f-]+)/")
_VANISHED = re.compile(r"No files found|No such file|Cannot open file|Could not read from file")
_COLUMNS = ", ".join(field.name for field in RECORD)
_TYPED = ", ".join(f"null::{field.type} as {field.name}" for field in RECORD)
_NOTHING = f"{_TYPED}, " + ", ".join(f"null::{type} as {name}" for name, type, _ in DERIVED)
_SHAPE = "{" + ", ".join(f'"{f.name}": "{f.type}"' for f in (*RECORD, *ITEM)) + "}"
_DERIVE = ", ".join(column.expression for column in DERIVED)
_READ = (
    "read_json({files}, format = 'newline_delimited', columns = {columns}, ignore_errors = true, "
    f"filename = true, maximum_object_size = {LINE_LIMIT + 65536})"
)
_PART_COLUMNS = f"{_COLUMNS}, start_time, end_time, duration_ms"
_NO_ITEM = "null::varchar as hash, null::json as value"
_RECORDS = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in RECORD) + "}"
_ITEMS = "{'k': 'VARCHAR', 'hash': 'VARCHAR', 'value': 'JSON'}"
_KINDS = "k in ('span', 'trace', 'loss', 'delivery')"


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
        self._inventory = Inventory(layout)
        self._counting: Counting | None = None
        self._checked: dict[PartName, frozenset[str]] = {}  # files that can be read
        self._offsets: dict[SegmentName, int] = {}
        self._in_table: dict[SegmentName, int] = {}  # bytes
        self._in_place: set[SegmentName] = set()
        self._open_owners: frozenset[str] = frozenset()
        self._gone: set[str] = set()
        self._found = False
        self.bad_lines = 0
        self._database = _connect(
            layout,
            memory_limit,
            statements(raw=False, root=layout.root) if views is None else views,
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

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of ours, after a refresh where files have vanished under it."""
        return self.retrying(lambda: self._own_cursor().execute(sql, parameters).fetchall())

    def retrying(self, ask: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """What `ask` answers; asked again when a file was replaced, or had to be left out."""
        for _ in range(_RETRIES - 1):
            try:
                return ask()
            except duckdb.Error as error:
                if not _VANISHED.search(str(error)) and not self.mend(error):
                    raise _unreadable(self._layout, error) from error
                self.refresh()
        try:
            return ask()
        except duckdb.Error as error:
            raise _unreadable(self._layout, error) from error

    def mend(self, error: duckdb.Error) -> bool:
        """Leave out the part that an error names, if it is damaged; says whether to ask again."""
        match = _PART.search(said(error)[1])
        part = parse_part(match[1]) if match is not None else None
        if part is None:
            return False
        try:
            with self._lock:
                set_aside(self._layout, self._inventory, part, error)
                self._counting = None
        except duckdb.Error:
            return False
        return True

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
        counting = self._inventory.look()
        while not all(self._is_sound(part) for part in counting.parts):
            counting = self._inventory.look()
        known = set(counting.segments)
        left = [name for name in self._offsets if name not in known]
        grown = [name for name in reversed(counting.segments) if self._has_grown(name)]
        if not grown and not left and counting == self._counting:
            return
        cursor = self._own_cursor()
        cursor.execute("begin")
        try:
            self._bring(cursor, counting, left, grown)
            cursor.execute("commit")
        except BaseException:
            cursor.execute("rollback")
            self._start_over(cursor)
            raise
        self._counting = counting
        self._find_owners(cursor)

    def _bring(
        self,
        cursor: duckdb.DuckDBPyConnection,
        counting: Counting,
        left: list[SegmentName],
        grown: list[SegmentName],
    ) -> None:
        in_place = frozenset(self._in_place)
        self._drop(cursor, left)
        for name in left:
            del self._offsets[name]
        self._make_room(cursor, grown)
        for name in grown:
            if name not in self._in_place:
                self._take(cursor, name)
        if self._counting is None or in_place != self._in_place:
            for view in _hot_views(self._layout, sorted(self._in_place)):
                cursor.execute(view)
        if counting != self._counting:
            for view in self._part_views(counting):
                cursor.execute(view)

    def _find_owners(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Who may have left something open; of segments that are not in memory, their owners."""
        rows = cursor.execute(
            "select owner from _hot_rows group by owner having bool_or(rev = 0) "
            "union select owner from _open where owner is not null"
        ).fetchall()
        owners = {owner for (owner,) in rows if owner is not None}
        self._open_owners = frozenset(owners | {name.owner for name in self._in_place})

    def _is_sound(self, part: PartName) -> bool:
        """Whether a part's rows can be read, as far as its footers say; else it is left out."""
        if part in self._checked:
            return True
        good = set()
        for file in (folder.DATA, folder.OPEN, folder.ITEMS):
            path = self._layout.part(part) / file
            try:
                self._own_cursor().execute(f"from read_parquet({quoted(path)}) limit 0")
                good.add(file)
            except duckdb.Error as error:
                if not self._layout.part(part).exists():
                    return False
                if file == folder.DATA:
                    set_aside(self._layout, self._inventory, part, error)
                    return False
                warn_once(f"{str(path)!r} cannot be read. What it holds is left out: a part is a "
                          f"folder of whole Parquet files. See: flightlog doctor")  # fmt: skip
        self._checked[part] = frozenset(good)
        return True

    def _has_grown(self, name: SegmentName) -> bool:
        offset = self._offsets.setdefault(name, 0)
        try:
            size = self._layout.segment(name).stat().st_size
        except OSError:
            return False
        if size < offset:  # its writer took a failed write back
            self._offsets[name] = size
        return size > offset

    def _make_room(self, cursor: duckdb.DuckDBPyConnection, grown: list[SegmentName]) -> None:
        """Decide which segments are read where they are: the oldest, beyond what memory holds.

        Their lines are not checked, which would take longer than many a question: what is no JSON
        is left out, and compaction, which is due when there is so much, checks them.
        """
        sizes = {name: self._in_table.get(name, 0) for name in self._in_table}
        for name in grown:
            if name not in self._in_place:
                path = self._layout.segment(name)
                sizes[name] = path.stat().st_size if os.access(path, os.R_OK) else 0
        total = 0
        moved = []
        for name in sorted(sizes, reverse=True):
            total += sizes[name]
            if total > TABLE_BYTES:
                moved.append(name)
        self._drop(cursor, [name for name in moved if name in self._in_table])
        self._in_place.update(moved)

    def _drop(self, cursor: duckdb.DuckDBPyConnection, names: Iterable[SegmentName]) -> None:
        for name in names:
            self._in_place.discard(name)
            if self._in_table.pop(name, None) is not None:
                cursor.execute("delete from _hot_rows where source = ?", [name.filename])
                cursor.execute("delete from _hot_values where source = ?", [name.filename])

    def _take(self, cursor: duckdb.DuckDBPyConnection, name: SegmentName) -> None:
        """Good lines that a segment has grown by; an unfinished line stays for later."""
        path = self._layout.segment(name)
        try:
            for offset, data in chunks(path, self._offsets[name]):
                lines = data.split(b"\n")
                good = [line for line in lines if check_line(line)]
                self.bad_lines += sum(1 for line in lines if line) - len(good)
                self._insert(cursor, name, good)
                self._offsets[name] = offset + len(data)
                self._in_table[name] = self._in_table.get(name, 0) + len(data)
        except FileNotFoundError:
            return
        except OSError as error:  # a folder, or not ours to read
            warn_once(f"{str(path)!r} cannot be read ({error.strerror}). A segment is a file that "
                      f"its reader may read. It is left out; move it away.")  # fmt: skip

    def _insert(
        self, cursor: duckdb.DuckDBPyConnection, name: SegmentName, lines: list[bytes]
    ) -> None:
        cursor.execute(
            f"create or replace temp table _parsed as select u.* from "
            f"(select from_json(line, '{_SHAPE}') as u from (select unnest(?::varchar[]) as line))",
            [[line.decode("utf-8", "replace") for line in lines]],
        )
        cursor.execute(
            f"insert into _hot_rows select {_COLUMNS}, {_DERIVE}, ? from _parsed where {_KINDS}",
            [name.filename],
        )
        cursor.execute(
            "insert into _hot_values select hash, value, ? from _parsed where k = 'item'",
            [name.filename],
        )
        cursor.execute("drop table _parsed")

    def _bury(self, dead: Iterable[str]) -> None:
        names = list(dead)
        self._own_cursor().execute("insert into _gone select unnest(?::varchar[])", [names])
        self._gone.update(names)

    def _start_over(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Nothing is half done: the next refresh parses everything from what the files say."""
        cursor.execute("delete from _hot_rows")
        cursor.execute("delete from _hot_values")
        self._offsets.clear()
        self._in_table.clear()
        self._in_place.clear()
        self._counting = None

    def _part_views(self, counting: Counting) -> Iterable[str]:
        """The views over the files of parts."""
        for view, file, names, columns, nothing in (
            ("_data", folder.DATA, counting.parts, _PART_COLUMNS, _NOTHING),
            ("_open", folder.OPEN, counting.opens, _PART_COLUMNS, _NOTHING),
            ("_part_items", folder.ITEMS, counting.parts, "hash, value", _NO_ITEM),
        ):
            paths = [
                self._layout.part(name) / file
                for name in names
                if file in self._checked.get(name, ())
            ]
            yield _part_view(self._layout, view, paths, columns, nothing)


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
    database.execute(f"create table _hot_rows as select {_NOTHING}, ''::varchar as source "
                     "where false")  # fmt: skip
    database.execute("create table _hot_values (hash varchar, value json, source varchar)")
    database.execute("create table _gone (owner varchar)")
    empty = [
        _part_view(layout, "_data", [], "", _NOTHING),
        _part_view(layout, "_open", [], "", _NOTHING),
        _part_view(layout, "_part_items", [], "", _NO_ITEM),
    ]
    for text in (*_hot_views(layout, ()), *empty, *views):
        database.execute(text)
    database.execute("set global parquet_metadata_cache = true")
    database.execute(f"set allowed_directories = {listed([layout.root])}")
    database.execute("set enable_external_access = false")
    database.execute("set lock_configuration = true")
    return database


def _hot_views(layout: Layout, in_place: Sequence[SegmentName]) -> Iterable[str]:
    """The views over segments: those in memory, and those that are read where they are."""
    rows, items = "select * from _hot_rows", "select * from _hot_values"
    if in_place:
        files = listed([layout.segment(name) for name in in_place])
        rows += (
            f" union all select {_COLUMNS}, {_DERIVE}, parse_filename(filename) as source "
            f"from {_READ.format(files=files, columns=_RECORDS)} where {_KINDS}"
        )
        items += (
            " union all select hash, value, parse_filename(filename) as source "
            f"from {_READ.format(files=files, columns=_ITEMS)} where k = 'item'"
        )
    yield f"create or replace view _hot as {rows}"
    yield f"create or replace view _hot_items as {items}"


def _part_view(layout: Layout, view: str, paths: Sequence[Path], columns: str, nothing: str) -> str:
    """A view over one kind of file of parts."""
    if not paths:
        empty = f"select {nothing}, null::varchar as source where false"
        return f"create or replace view {view} as {empty}"
    sentinel = layout.parts / folder.SCHEMA_PART / paths[0].name
    files = [*paths, sentinel] if sentinel.exists() else paths  # it has the newest columns
    return (
        f"create or replace view {view} as select {columns}, "
        f"split_part(split_part(filename, '/parts/', -1), '/', 1) as source "
        f"from read_parquet({listed(files)}, filename = true, union_by_name = true)"
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


def _unreadable(layout: Layout, error: Exception) -> StoreError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"A question about the store {str(layout.catalog)!r} needs more memory than it may "
            f"use. What is not compacted yet takes the most. Compact it: "
            f"python -m exporters.duckdb.compaction --store {layout.catalog}"
        )
    return StoreError(
        f"The store {str(layout.catalog)!r} cannot be read: {said(error)[1][:400]}. Every part of "
        f"it has to be a whole Parquet file. Move the folder of the one named here out of the way."
    )
