"""What stands under the views of the exact reader: SQL over parts, segments and copies of these.

Everything here is text, or a statement on a cursor that is given; what counts, and when to look
again, is the reader's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from exporters.duckdb.layout import Layout, SegmentName
from exporters.duckdb.parts import listed
from exporters.duckdb.schema import DERIVED, ITEM, LINE_LIMIT, RECORD

SPILL_SIZE = "4GB"
_COLUMNS = ", ".join(field.name for field in RECORD)
_TYPED = ", ".join(f"null::{field.type} as {field.name}" for field in RECORD)
_NOTHING = f"{_TYPED}, " + ", ".join(f"null::{type} as {name}" for name, type, _ in DERIVED)
_SHAPE = "{" + ", ".join(f'"{f.name}": "{f.type}"' for f in (*RECORD, *ITEM)) + "}"
_DERIVE = ", ".join(f"{column.expression} as {column.name}" for column in DERIVED)
_READ = (
    "read_json({files}, format = 'newline_delimited', columns = {columns}, ignore_errors = true, "
    "filename = true, maximum_object_size = {longest})"
)
_LONGEST = LINE_LIMIT + 65536
_PART_COLUMNS = f"{_COLUMNS}, start_time, end_time, duration_ms"
_NO_ITEM = "null::varchar as hash, null::json as value"
_RECORDS = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in RECORD) + "}"
_BOTH = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in (*RECORD, *ITEM)) + "}"
_ITEMS = "{'k': 'VARCHAR', 'hash': 'VARCHAR', 'value': 'JSON'}"
_ALL = "select * from _hot union all select * from _open"
_NEWEST = (
    "qualify row_number() over (partition by k, trace_id, span_id, "
    "case when k in ('loss', 'delivery') then owner || '/' || seq end "
    "order by rev desc, seq desc) = 1"
)
_KINDS = "k in ('span', 'trace', 'loss', 'delivery')"


class PartView(NamedTuple):
    """A view over one kind of file of parts: its columns, and the same with no file to read."""

    name: str
    columns: str
    nothing: str

    def over(self, paths: Sequence[Path]) -> str:
        """The statement that makes it a view over these files."""
        rows = f"select {self.nothing}, null::varchar as source where false"
        if paths:
            rows = _part_rows(paths, self.columns)
        return f"create or replace view {self.name} as {rows}"


DATA_VIEW = PartView("_data", _PART_COLUMNS, _NOTHING)
OPEN_VIEW = PartView("_open", _PART_COLUMNS, _NOTHING)
ITEMS_VIEW = PartView("_part_items", "hash, value", _NO_ITEM)


def open_database(
    layout: Layout, memory_limit: str, views: Iterable[str], spill: Path | None
) -> duckdb.DuckDBPyConnection:
    """A database in memory with all tables and views, which reaches no file but the store's."""
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
    database.execute("set enable_progress_bar = false")  # it goes to stdout, which is the user's
    database.execute("set global TimeZone = 'UTC'")
    database.execute(f"create table _hot_rows as select {_NOTHING}, ''::varchar as source, "
                     "0::bigint as place where false")  # fmt: skip
    database.execute("create table _hot_values (hash varchar, value json, source varchar)")
    database.execute("create table _gone (owner varchar)")
    database.execute("create sequence _places")
    database.execute("create table _superseded (source varchar, place bigint)")
    empty = [view.over([]) for view in (DATA_VIEW, OPEN_VIEW, ITEMS_VIEW)]
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


def insert_lines(
    cursor: duckdb.DuckDBPyConnection, name: SegmentName, lines: Sequence[bytes]
) -> None:
    """Put lines of a segment, which are whole, into the tables in memory."""
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


def hot_views(copies: Sequence[Path], files: Sequence[Path]) -> Iterable[str]:
    """The views over segments: in memory, copied, and those that are read where they are."""
    rows, items = ["select * exclude (place) from _hot_rows"], ["select * from _hot_values"]
    if copies:
        read = f"from read_parquet({listed(copies)})"
        rows.append(f"select {_PART_COLUMNS}, source {read} where k <> 'item'")
        items.append(f"select hash, value, source {read} where k = 'item'")
    if files:
        rows.append(_rows_in(listed(files)))
        items.append(_items_in(listed(files)))
    yield f"create or replace view _hot as {' union all '.join(rows)}"
    yield f"create or replace view _hot_items as {' union all '.join(items)}"


def supersede(
    cursor: duckdb.DuckDBPyConnection,
    copies: Sequence[Path],
    opens: Sequence[Path],
    *,
    placed: bool,
) -> None:
    """Find the rows of which there are newer ones, once, so that no question has to.

    A question looks at the rows several times, and to find this out each time would take all
    that it selects through a window. A row's place is its number in its table or file; rows
    that are read out of segments have none, and then each question has to look for itself.
    """
    if not placed:
        cursor.execute(f"create or replace view _live as select * from ({_ALL}) {_NEWEST}")
        return
    every = [f"select {_PART_COLUMNS}, source, place from _hot_rows"]
    if copies:
        every.append(
            f"select {_PART_COLUMNS}, source, file_row_number as place "
            f"from read_parquet({listed(copies)}, file_row_number = true) where k <> 'item'"
        )
    if opens:
        every.append(_part_rows(opens, _PART_COLUMNS, ", file_row_number as place"))
    rows = " union all ".join(every)
    cursor.execute("delete from _superseded")
    cursor.execute(
        f"insert into _superseded select source, place from ({rows}) "
        f"{_NEWEST.replace(' = 1', ' > 1')}"
    )
    cursor.execute(
        f"create or replace view _live as select * exclude (place) from ({rows}) as r "
        f"anti join _superseded as s on s.place = r.place and s.source = r.source"
    )


def _rows_in(files: str) -> str:
    """The rows of segments, read where they are."""
    return (
        f"select {_COLUMNS}, {_DERIVE}, parse_filename(filename) as source "
        f"from {_READ.format(files=files, columns=_RECORDS, longest=_LONGEST)} where {_KINDS}"
    )


def _items_in(files: str) -> str:
    """The items of segments, read where they are."""
    return (
        "select hash, value, parse_filename(filename) as source "
        f"from {_READ.format(files=files, columns=_ITEMS, longest=_LONGEST)} where k = 'item'"
    )


def copy_of(layout: Layout, name: SegmentName) -> str:
    """What the copy of a segment holds: all of it, for to look for pairs would take as long."""
    path = layout.segment(name)
    # As much memory is taken as the longest line may need, and no line is longer than the file.
    longest = min(_LONGEST, path.stat().st_size + 65536)
    read = _READ.format(files=listed([path]), columns=_BOTH, longest=longest)
    return (
        f"select {_COLUMNS}, {_DERIVE}, hash, value, parse_filename(filename) as source "
        f"from {read} where k = 'item' or {_KINDS}"
    )


def _part_rows(paths: Sequence[Path], columns: str, place: str = "") -> str:
    return (
        f"select {columns}, split_part(split_part(filename, '/parts/', -1), '/', 1) as source"
        f"{place} from read_parquet({listed(paths)}, filename = true, union_by_name = true"
        f"{', file_row_number = true' if place else ''})"
    )
