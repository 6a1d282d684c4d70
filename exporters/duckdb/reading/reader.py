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
from exporters.duckdb.parts import damaged_files, quoted
from exporters.duckdb.reading import relations
from exporters.duckdb.reading.copies import Copies, Copy
from exporters.duckdb.reading.damage import set_aside, warn_once
from exporters.duckdb.reading.inventory import Counting, Inventory
from exporters.duckdb.reading.tail import chunks
from exporters.duckdb.recording.lines import check_line
from exporters.duckdb.views.catalog import statements
from exporters.store import StoreError

TABLE_BYTES = 48 * 1024 * 1024  # of segments that are in memory; DuckDB takes twice as much
_RETRIES = 5
_PART = re.compile(r"/parts/(p-[0-9a-f-]+)/([a-z]+\.parquet)?")
_SOURCE = re.compile(r"/(parts/p-[0-9a-f-]+|hot/[^/]+?\.ndjson)")
_VANISHED = re.compile(r"No files found|No such file|Cannot open file|Could not read from file")


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
        self._hidden: frozenset[SegmentName] = frozenset()  # that a question does not need
        self._shown: frozenset[SegmentName | Copy] | None = None  # what the views over segments are
        self._checked: dict[PartName, frozenset[str]] = {}  # files that can be read
        self._offsets: dict[SegmentName, int] = {}
        self._in_table: dict[SegmentName, int] = {}  # bytes
        self._in_place: set[SegmentName] = set()
        self._open_owners: frozenset[str] = frozenset()
        self._gone: set[str] = set()
        self._found = False
        self.bad_lines = 0
        self._database = relations.open_database(
            layout,
            memory_limit,
            statements(raw=False, root=layout.root) if views is None else views,
            spill,
        )
        views_made = "select 1 from duckdb_views() where view_name = '_live'"
        self._has_live = bool(self._database.execute(views_made).fetchall())
        self._copies = (
            None
            if spill is None
            else Copies(layout, spill, self.cursor, partial(relations.copy_of, layout))
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

    @property
    def has_backlog(self) -> bool:
        """Whether there are segments that `gather` would look at."""
        return self._copies is not None and bool(self._in_place.difference(self._copied))

    def gather(self, trace_id: str | None = None) -> None:
        """Copy what is read where it is, as far as there is a folder for it.

        With a trace only what has something of it, and until the next `refresh` or `gather` the
        views show nothing else of the backlog. Without this, questions are answered too, but each
        look at a backlog parses it.

        Raises:
            StoreError: If the store cannot be read.
        """
        if self._copies is None:
            return
        with self._lock:
            left = self._in_place.difference(self._copied)
            needed = left if trace_id is None else self._copies.holding(left, trace_id)
            self._copied = self._copies.make(needed)
            self._hidden = frozenset(left - needed)
            cursor, counting = self._own_cursor(), self._counting
            if counting is None or self._to_show() == self._shown:
                return
            cursor.execute("begin")
            try:
                self._show(cursor, counting)
                cursor.execute("commit")
            except BaseException as error:
                self._shown, self._hidden = None, frozenset()
                cursor.execute("rollback")
                if isinstance(error, OSError | duckdb.Error):
                    raise _unreadable(self._layout, error) from error
                raise

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
            self._copied = self._copies.keep(self._in_place)
        for name in grown:
            if name not in self._in_place:
                self._take(cursor, name)
        self._hidden = frozenset()
        self._show(cursor, counting)

    def _show(self, cursor: duckdb.DuckDBPyConnection, counting: Counting) -> None:
        """Have the views show what is in memory, what is copied, and what else is not hidden."""
        if self._shown != self._to_show():
            files = [self._layout.segment(name) for name in self._left()]
            for view in relations.hot_views(self._copy_paths(), files):
                cursor.execute(view)
        self._shown = self._to_show()
        if self._has_live:
            opens = self._part_files(counting.opens, folder.OPEN)
            relations.supersede(cursor, self._copy_paths(), opens, placed=not self._left())

    def _copy_paths(self) -> list[Path]:
        return [copy.path for copy in self._copied.values()]

    def _to_show(self) -> frozenset[SegmentName | Copy]:
        return frozenset((*self._left(), *self._copied.values()))

    def _left(self) -> list[SegmentName]:
        """Segments that are read where they are."""
        return sorted(self._in_place.difference(self._copied, self._hidden))

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
                relations.insert_lines(cursor, name, good)
                self._offsets[name] = offset + len(data)
                self._in_table[name] = self._in_table.get(name, 0) + len(data)
        except FileNotFoundError:
            return
        except OSError as error:  # a folder, or not ours to read
            warn_once(f"{str(path)!r} cannot be read ({error.strerror}). A segment is a file that "
                      f"its reader may read. It is left out; move it away.")  # fmt: skip

    def _bury(self, dead: Iterable[str]) -> None:
        names = list(dead)
        self._own_cursor().execute("insert into _gone select unnest(?::varchar[])", [names])
        self._gone.update(names)

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
        for view, file, names in (
            (relations.DATA_VIEW, folder.DATA, counting.parts),
            (relations.OPEN_VIEW, folder.OPEN, counting.opens),
            (relations.ITEMS_VIEW, folder.ITEMS, counting.parts),
        ):
            yield view.over(self._part_files(names, file))

    def _is_readable(self, path: Path) -> bool:
        cursor = self._database.cursor()  # its failure must not abort a transaction
        try:
            cursor.execute(f"from read_parquet({quoted(path)}) limit 0")
            return True
        except duckdb.Error:
            return False
        finally:
            cursor.close()


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
