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
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb import layout as folder
from exporters.duckdb.layout import SCHEMA_PART, Layout, PartName, SegmentName, parse_part
from exporters.duckdb.parts import damaged_files, listed, quoted
from exporters.duckdb.reading.copies import Copies, Copy
from exporters.duckdb.reading.damage import set_aside, warn_once
from exporters.duckdb.reading.inventory import Counting, Inventory
from exporters.duckdb.reading.tail import chunks
from exporters.duckdb.recording.lines import check_line
from exporters.duckdb.schema import DERIVED, ITEM, LINE_LIMIT, RECORD
from exporters.duckdb.views.catalog import statements
from exporters.store import StoreError

TABLE_BYTES = 48 * 1024 * 1024  # of segments that are in memory; DuckDB takes twice as much
SPILL_SIZE = "4GB"
_RETRIES = 5
_PART = re.compile(r"/parts/(p-[0-9a-f-]+)/([a-z]+\.parquet)?")
_SOURCE = re.compile(r"/(parts/p-[0-9a-f-]+|hot/[^/]+?\.ndjson)")
_VANISHED = re.compile(r"No files found|No such file|Cannot open file|Could not read from file")
_COLUMNS = ", ".join(field.name for field in RECORD)
_TYPED = ", ".join(f"null::{field.type} as {field.name}" for field in RECORD)
_NOTHING = f"{_TYPED}, " + ", ".join(f"null::{type} as {name}" for name, type, _ in DERIVED)
_SHAPE = "{" + ", ".join(f'"{f.name}": "{f.type}"' for f in (*RECORD, *ITEM)) + "}"
_DERIVE = ", ".join(f"{column.expression} as {column.name}" for column in DERIVED)
_READ = (
    "read_json({files}, format = 'newline_delimited', columns = {columns}, ignore_errors = true, "
    f"filename = true, maximum_object_size = {LINE_LIMIT + 65536})"
)
_PART_COLUMNS = f"{_COLUMNS}, start_time, end_time, duration_ms"
_NO_ITEM = "null::varchar as hash, null::json as value"
_RECORDS = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in RECORD) + "}"
_BOTH = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in (*RECORD, *ITEM)) + "}"
_KEYS = "{'k': 'VARCHAR', 'rev': 'UTINYINT', 'trace_id': 'VARCHAR', 'span_id': 'VARCHAR'}"
_ITEMS = "{'k': 'VARCHAR', 'hash': 'VARCHAR', 'value': 'JSON'}"
_ALL = "select * from _hot union all select * from _open"
_NEWEST = (
    "qualify row_number() over (partition by k, trace_id, span_id, "
    "case when k in ('loss', 'delivery') then owner || '/' || seq end "
    "order by rev desc, seq desc) = 1"
)
_KINDS = "k in ('span', 'trace', 'loss', 'delivery')"


class Reader:
    """Answers SQL over a store as it is now. Safe in any thread; each thread has its own cursor.

    A store that does not exist reads as an empty one, and is found when it comes into being.
    The connection reaches no file outside the store's folder and cannot be reconfigured. `views`
    are the statements that are run on it before that, by default all of `catalog.statements`.
    `spill` is a folder of its own for what does not fit into memory; without one nothing spills.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        memory_limit: str = "1GB",
        views: Iterable[str] | None = None,
        spill: Path | None = None,
    ) -> None:
        folder.check_path(layout)
        self._layout = layout
        self._lock = threading.RLock()
        self._inventory = Inventory(layout)
        self._counting: Counting | None = None
        self._copied: dict[SegmentName, Copy] = {}
        self._shown: frozenset[SegmentName | Copy] | None = None  # what the views over segments are
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
            spill,
        )
        views_made = "select 1 from duckdb_views() where view_name = '_live'"
        self._has_live = bool(self._database.execute(views_made).fetchall())
        self._copies = (
            None if spill is None else Copies(layout, spill, self.cursor, partial(_select, layout))
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
            left = _RETRIES
            while True:
                try:
                    self._look()
                    return
                except (OSError, duckdb.Error) as error:
                    if not self._is_replaced(error):
                        left -= 1
                    if not left or not _VANISHED.search(str(error)):
                        raise _unreadable(self._layout, error) from error

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of ours, after a refresh where files have vanished under it."""
        return self.retrying(lambda: self._own_cursor().execute(sql, parameters).fetchall())

    def retrying(self, ask: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """What `ask` answers; asked again when a file was replaced, or had to be left out."""
        left = _RETRIES
        while True:
            try:
                return ask()
            except duckdb.Error as error:
                if not self._is_replaced(error):
                    left -= 1
                if not left or not (_VANISHED.search(str(error)) or self.mend(error)):
                    raise _unreadable(self._layout, error) from error
            self.refresh()

    def _is_replaced(self, error: Exception) -> bool:
        """Whether an error names a source that is not there any more: others have taken its place.

        That may happen any number of times while they are listed and read, and is no failure.
        """
        match = _SOURCE.search(said(error)[1])
        if match is None:
            return False
        if os.path.lexists(self._layout.root / match[1]):
            if (part := parse_part(match[1].rpartition("/")[2])) is not None:
                with self._lock:
                    self._checked.pop(part, None)  # a file of it has gone since
                    self._counting = None
            return False
        return True

    def mend(self, error: duckdb.Error) -> bool:
        """Leave out what an error names, if it is damaged; says whether to ask again.

        Of a part whose content or open rows are damaged the rows that ended are still shown.
        """
        match = _PART.search(said(error)[1])
        part = parse_part(match[1]) if match is not None else None
        if match is None or part is None:
            return False
        try:
            with self._lock:
                if self._leave_out(part, match[2]):
                    return True
                set_aside(self._layout, self._inventory, part, error)
                self._counting = None
        except duckdb.Error:
            return False
        return True

    def _leave_out(self, part: PartName, file: str | None) -> bool:
        """Read a part without one of its files that it may be read without, if that is damaged."""
        known = self._checked.get(part, frozenset())
        if file not in (folder.OPEN, folder.ITEMS) or file not in known:
            return False
        if not {file, folder.MANIFEST} & set(damaged_files(self._layout, part)):
            return False
        self._checked[part] = known - {file}
        self._counting = None
        warn_once(_spoilt(self._layout.part(part) / file))
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
        before = dict(self._offsets), dict(self._in_table), set(self._in_place), self.bad_lines
        cursor.execute("begin")
        try:
            self._bring(cursor, counting, left, grown)
            cursor.execute("commit")
        except BaseException:
            self._shown = None
            cursor.execute("rollback")  # and all is as it was, for who asks meanwhile too
            self._offsets, self._in_table, self._in_place, self.bad_lines = before
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
        if counting != self._counting:  # at once, for what is listed may be replaced
            for view in self._part_views(counting):
                cursor.execute(view)
        self._drop(cursor, left)
        for name in left:
            del self._offsets[name]
        self._make_room(cursor, grown)
        if self._copies is not None:
            self._copied = self._copies.bring(self._in_place)
        shown: frozenset[SegmentName | Copy] = frozenset((*self._in_place, *self._copied.values()))
        if self._shown != shown:
            for view in self._hot_views():
                cursor.execute(view)
        self._shown = shown
        for name in grown:
            if name not in self._in_place:
                self._take(cursor, name)
        if self._has_live:
            self._supersede(cursor, counting)

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
                warn_once(_spoilt(path))
        self._checked[part] = frozenset(good)
        return True

    def _has_grown(self, name: SegmentName) -> bool:
        offset = self._offsets.setdefault(name, 0)
        try:
            size = self._layout.segment(name).stat().st_size
        except OSError:
            return False
        if (copy := self._copied.get(name)) is not None:
            return size != copy.size
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
            f"insert into _hot_rows select {_COLUMNS}, {_DERIVE}, ?, nextval('_places') "
            f"from _parsed where {_KINDS}",
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

    def _hot_views(self) -> Iterable[str]:
        """The views over segments: in memory, copied, and those that are read where they are."""
        rows, items = ["select * exclude (place) from _hot_rows"], ["select * from _hot_values"]
        if copies := list(self._copied.values()):
            read = f"from read_parquet({listed([copy.path for copy in copies])})"
            rows.append(f"select {_PART_COLUMNS}, source {read} where k <> 'item'")
            items.append(f"select hash, value, source {read} where k = 'item'")
        if left := sorted(self._in_place.difference(self._copied)):
            files = listed([self._layout.segment(name) for name in left])
            rows.append(_rows_in(files))
            items.append(_items_in(files))
        yield f"create or replace view _hot as {' union all '.join(rows)}"
        yield f"create or replace view _hot_items as {' union all '.join(items)}"

    def _supersede(self, cursor: duckdb.DuckDBPyConnection, counting: Counting) -> None:
        """Find the rows of which there are newer ones, once, so that no question has to.

        A question looks at the rows several times, and to find this out each time would take all
        that it selects through a window. A row's place is its number in its table or file; rows
        that are read out of segments have none, and then each question has to look for itself.
        """
        if self._in_place.difference(self._copied):
            cursor.execute(f"create or replace view _live as select * from ({_ALL}) {_NEWEST}")
            return
        placed = [f"select {_PART_COLUMNS}, source, place from _hot_rows"]
        if copies := [copy.path for copy in self._copied.values()]:
            placed.append(
                f"select {_PART_COLUMNS}, source, file_row_number as place "
                f"from read_parquet({listed(copies)}, file_row_number = true) where k <> 'item'"
            )
        if opens := self._part_files(counting.opens, folder.OPEN):
            placed.append(_part_rows(opens, _PART_COLUMNS, ", file_row_number as place"))
        rows = " union all ".join(placed)
        cursor.execute("delete from _superseded")
        cursor.execute(
            f"insert into _superseded select source, place from ({rows}) "
            f"{_NEWEST.replace(' = 1', ' > 1')}"
        )
        cursor.execute(
            f"create or replace view _live as select * exclude (place) from ({rows}) as r "
            f"anti join _superseded as s on s.place = r.place and s.source = r.source"
        )

    def _part_files(self, names: Iterable[PartName], file: str) -> list[Path]:
        """The files of one kind that can be read, and one that has the newest columns."""
        paths = [
            self._layout.part(name) / file for name in names if file in self._checked.get(name, ())
        ]
        if paths and self._is_readable(sentinel := self._layout.parts / SCHEMA_PART / file):
            paths.append(sentinel)
        return paths

    def _part_views(self, counting: Counting) -> Iterable[str]:
        """The views over the files of parts."""
        for view, file, names, columns, nothing in (
            ("_data", folder.DATA, counting.parts, _PART_COLUMNS, _NOTHING),
            ("_open", folder.OPEN, counting.opens, _PART_COLUMNS, _NOTHING),
            ("_part_items", folder.ITEMS, counting.parts, "hash, value", _NO_ITEM),
        ):
            yield _part_view(view, self._part_files(names, file), columns, nothing)

    def _is_readable(self, path: Path) -> bool:
        cursor = self._database.cursor()  # its failure must not abort a transaction
        try:
            cursor.execute(f"from read_parquet({quoted(path)}) limit 0")
            return True
        except duckdb.Error:
            return False
        finally:
            cursor.close()


def _connect(
    layout: Layout, memory_limit: str, views: Iterable[str], spill: Path | None
) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "memory_limit": memory_limit,
            "temp_directory": str(spill or ""),  # else it were the user's working directory
            "max_temp_directory_size": SPILL_SIZE,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "errors_as_json": True,
        },
    )
    database.execute("set global TimeZone = 'UTC'")
    database.execute(f"create table _hot_rows as select {_NOTHING}, ''::varchar as source, "
                     "0::bigint as place where false")  # fmt: skip
    database.execute("create table _hot_values (hash varchar, value json, source varchar)")
    database.execute("create table _gone (owner varchar)")
    database.execute("create sequence _places")
    database.execute("create table _superseded (source varchar, place bigint)")
    empty = [
        _part_view("_data", [], "", _NOTHING),
        _part_view("_open", [], "", _NOTHING),
        _part_view("_part_items", [], "", _NO_ITEM),
    ]
    hot = [
        "create view _hot as select * exclude (place) from _hot_rows",
        "create view _hot_items as select * from _hot_values",
    ]
    for text in (*hot, *empty, *views):
        database.execute(text)
    database.execute("set global parquet_metadata_cache = true")
    allowed = [layout.root] if spill is None else [layout.root, spill]
    database.execute(f"set allowed_directories = {listed(allowed)}")
    database.execute("set enable_external_access = false")
    database.execute("set lock_configuration = true")
    return database


def _rows_in(files: str) -> str:
    """The rows of segments, read where they are."""
    return (
        f"select {_COLUMNS}, {_DERIVE}, parse_filename(filename) as source "
        f"from {_READ.format(files=files, columns=_RECORDS)} where {_KINDS}"
    )


def _items_in(files: str) -> str:
    """The items of segments, read where they are."""
    return (
        "select hash, value, parse_filename(filename) as source "
        f"from {_READ.format(files=files, columns=_ITEMS)} where k = 'item'"
    )


def _select(layout: Layout, name: SegmentName) -> str:
    """What the copy of a segment holds: all but the starts whose end is in it too."""
    file = listed([layout.segment(name)])
    read = _READ.format(files=file, columns=_BOTH)
    keys = _READ.format(files=file, columns=_KEYS)
    return (
        f"select {_COLUMNS}, {_DERIVE}, hash, value, parse_filename(filename) as source "
        f"from {read} as r where k = 'item' or ({_KINDS} and (coalesce(rev, 0) > 0 or not exists "
        f"(from {keys} as e where e.rev > 0 and e.k = r.k and e.trace_id = r.trace_id "
        f"and coalesce(e.span_id, '') = coalesce(r.span_id, ''))))"
    )


def _part_view(view: str, paths: Sequence[Path], columns: str, nothing: str) -> str:
    """A view over one kind of file of parts."""
    if not paths:
        empty = f"select {nothing}, null::varchar as source where false"
        return f"create or replace view {view} as {empty}"
    return f"create or replace view {view} as {_part_rows(paths, columns)}"


def _part_rows(paths: Sequence[Path], columns: str, place: str = "") -> str:
    return (
        f"select {columns}, split_part(split_part(filename, '/parts/', -1), '/', 1) as source"
        f"{place} from read_parquet({listed(paths)}, filename = true, union_by_name = true"
        f"{', file_row_number = true' if place else ''})"
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


def _spoilt(path: Path) -> str:
    return (
        f"{str(path)!r} cannot be read. What it holds is left out: a part is a folder of whole "
        f"Parquet files. See: flightlog doctor"
    )


def _unreadable(layout: Layout, error: Exception) -> StoreError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"A question about the store {str(layout.catalog)!r} needs more memory than it may "
            f"use. What is not compacted yet takes the most. Compact it: "
            f"flightlog doctor --repair --store {layout.catalog}"
        )
    return StoreError(
        f"The store {str(layout.catalog)!r} cannot be read: {said(error)[1][:400]}. Every part of "
        f"it has to be a whole Parquet file. Move the folder of the one named here out of the way."
    )
