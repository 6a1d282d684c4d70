"""Records as one DuckDB file: tables of the names and columns of the store's views, and records.

The views are made over the records as they are over a store, and each is written out as a table:
what they show of traces and of spans, some traces at a time, so that memory stays bounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from exporters.duckdb.parts import create_tables, quoted
from exporters.duckdb.schema import DERIVED, RECORD
from exporters.duckdb.transfer.stage import chunks_of, load_chunk
from exporters.duckdb.transfer.tables import scratch_connection
from exporters.duckdb.views.catalog import STORAGE_VERSION, statements
from exporters.record import Kept, from_json, to_json

_SLICE_BYTES = 64 * 1024 * 1024  # content that is put back in at once
_COUNTS = ("losses", "deliveries")  # of no trace as well
_CONTENT = ("input", "output", "instructions", "tools")
_ROWS = ", ".join(
    [f'"{field.name}"' for field in RECORD]
    + [f"{column.expression} as {column.name}" for column in DERIVED]
    + ["'' as source"]
)
_SLIM = ", ".join(
    f'null::{field.type} as "{field.name}"' if field.name in _CONTENT else f'"{field.name}"'
    for field in RECORD
)
_BASES = (
    "create view _hot as select {rows} from {record} where false",
    "create view _data as select {rows} from {record} where end_ns is not null",
    "create view _open as select {rows} from {record} where end_ns is null",
    "create view _hot_items as select hash, value, '' as source from item where false",
    "create view _part_items as select hash, value, '' as source from item",
)
_VIEWS = """
select view_name from duckdb_views()
where not internal and database_name = current_database() and not starts_with(view_name, '_')
order by view_name
"""
_COLUMNS_OF = """
select column_name, comment from duckdb_columns()
where table_name = ? and database_name = current_database()
order by column_index
"""
_README = (
    "This file holds traces that flightlog exported, as tables: it is all that there is to copy.",
    "Begin with: SELECT name, status, span_count FROM traces ORDER BY started_at",
    "SELECT comment FROM duckdb_columns() tells what each column means.",
    'The table items holds what other tables give by reference, such as {"$ref": hash}.',
    "To have the page and the commands too: flightlog import THIS-FILE --store NEW.duckdb",
)


def write_database(records: Iterable[Kept], draft: Path, *, gone: Sequence[str]) -> None:
    """Write all of these records to a database file, by way of files beside it.

    Args:
        records: The records, traces one after the other.
        draft: The file.
        gone: Owners that are dead: what they left open is interrupted.

    Raises:
        OSError: If a file cannot be written.
        duckdb.Error: If the file cannot be written.
    """
    staged = draft.with_name("staged")
    staged.mkdir()
    con = scratch_connection(draft.with_name("spill"))
    try:
        con.execute(f"attach {quoted(draft)} as single (storage_version '{STORAGE_VERSION}')")
        _make_views(con, gone)
        views = _Views.of(con)
        con.execute(f"create temp table slim as select {_SLIM} from record limit 0")
        with _committed(con):  # each commit is synced to disk
            for name in views.all:
                _create(con, name)
            _create_rest(con)
        # By way of JSON, as an import reads it: references are hashes of the text.
        for chunk in chunks_of((from_json(to_json(kept)) for kept in records), staged):
            load_chunk(con, chunk)
            chunk.path.unlink()
            with _committed(con):
                _add_chunk(con, views, -(-chunk.whole // _SLICE_BYTES))
        _look_at_what_is_written(con, views)
        with _committed(con):
            for name in views.of_all:
                con.execute(f"insert into single.{name} select * from {name}")
        con.execute("detach single")
    finally:
        con.close()


@contextlib.contextmanager
def _committed(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin")
    yield
    con.execute("commit")


class _Views(NamedTuple):
    """The public views, by what one row of them is made of."""

    of_span: tuple[str, ...]
    of_trace: tuple[str, ...]
    of_all: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return (*self.of_span, *self.of_trace, *self.of_all)

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection) -> _Views:
        """Those that a connection has."""
        kinds: dict[str, list[str]] = {"span": [], "trace": [], "all": []}
        for (name,) in con.execute(_VIEWS).fetchall():
            columns = {column for column, _ in con.execute(_COLUMNS_OF, [name]).fetchall()}
            if name == "README":
                continue
            if name in _COUNTS or "trace_id" not in columns:
                kinds["all"].append(name)
            else:
                kinds["span" if "span_id" in columns else "trace"].append(name)
        return cls(tuple(kinds["span"]), tuple(kinds["trace"]), tuple(kinds["all"]))


def _make_views(con: duckdb.DuckDBPyConnection, gone: Sequence[str]) -> None:
    create_tables(con)
    con.execute("create table _gone (owner varchar)")
    con.execute("insert into _gone select unnest(?::varchar[])", [list(gone)])
    _look_at(con, "record")
    for text in statements(raw=False):
        con.execute(text)


def _look_at(con: duckdb.DuckDBPyConnection, record: str) -> None:
    """Have the views show these rows."""
    for text in _BASES:
        text = text.replace("create view", "create or replace view")
        con.execute(text.format(rows=_ROWS, record=record))


def _add_chunk(con: duckdb.DuckDBPyConnection, views: _Views, slices: int) -> None:
    """Write what views show of whole traces; what they show of spans, some of them at a time."""
    for name in views.of_trace:
        con.execute(f"insert into single.{name} select * from {name}")
    con.execute(f"insert into slim select {_SLIM} from record")
    con.execute("insert into single._records select * from record")
    con.execute(
        "insert into single.items select hash, value from item "
        "where hash not in (select hash from single.items)"
    )
    if slices > 1:
        con.execute("create or replace temp table whole as select * from record")
    for number in range(slices):
        if slices > 1:
            con.execute(
                f"create or replace temp table record as select * from whole "
                f"where rowid % {slices} = {number}"
            )
        for name in views.of_span:
            con.execute(f"insert into single.{name} select * from {name}")


def _look_at_what_is_written(con: duckdb.DuckDBPyConnection, views: _Views) -> None:
    """Have views that sum up see everything: what is written by now, and rows without content."""
    _look_at(con, "slim")
    for name in (*views.of_span, *views.of_trace):
        con.execute(f"create or replace view {name} as select * from single.{name}")


def _create(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A table with the columns of a view, and with what it says of them."""
    con.execute(f"create table single.{name} as select * from {name} limit 0")
    about = con.execute("select comment from duckdb_views() where view_name = ?", [name]).fetchone()
    if about is not None and about[0] is not None:
        con.execute(f"comment on table single.{name} is {quoted(about[0])}")
    for column, comment in con.execute(_COLUMNS_OF, [name]).fetchall():
        if comment is not None:
            con.execute(f'comment on column single.{name}."{column}" is {quoted(comment)}')


def _create_rest(con: duckdb.DuckDBPyConnection) -> None:
    """What a store has no view for: where to begin, and content that is given by reference."""
    con.execute("create table single._records as select * from record limit 0")
    con.execute("comment on table single._records is 'What flightlog import reads of this file'")
    con.execute("create table single.items as select hash, value from item limit 0")
    con.execute("comment on table single.items is 'Content that other tables give by its hash'")
    con.execute(
        "create table single.README as select unnest(?::varchar[]) as note", [list(_README)]
    )
    con.execute("comment on table single.README is 'What this file is, and where to begin'")
