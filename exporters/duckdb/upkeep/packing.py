"""Packing: the rows of a batch of segments become one part.

Rows keep their highest `rev`. What was open in an older part and ends in the batch moves over,
with the rest of that part's open rows; what an older part has as ended is left out, for a line may
have been written twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb.layout import (
    DATA,
    ITEMS,
    OPEN,
    TRACES,
    Layout,
    Listing,
    PartName,
    SegmentName,
    scan,
)
from exporters.duckdb.parts import (
    RECORD_COLUMNS,
    Sizes,
    Steps,
    create_tables,
    listed,
    one_at_a_time,
    quoted,
    read_manifest,
    workspace,
    write_part,
)
from exporters.duckdb.recording.lines import loss_line
from exporters.duckdb.schema import RECORD
from exporters.duckdb.upkeep.loading import Sieved, load

CORRUPT = "line could not be read"

_KEYS = "k, coalesce(trace_id, ''), coalesce(span_id, '')"
# A span or trace is one row; anything else is told apart by who wrote it and when.
_OTHER = "case when k in ('span', 'trace') then '' else owner || '/' || seq end"
IDENTITY = f"{_KEYS}, {_OTHER}"
_RANK = "(coalesce(rev, 0), end_ns is not null, coalesce(seq, 0))"
_HASHES = (
    "regexp_extract_all(concat_ws(' ', input, output, instructions, tools, data, metadata, error),"
    " '[0-9a-f]{32}')"
)


@dataclass(slots=True)
class Packed:
    """What became of a batch.

    Attributes:
        part: The part that holds it.
        sizes: What is in it.
        bad_lines: Lines that could not be read.
        suspects: Parts that could not be read beside it.
    """

    part: PartName
    sizes: Sizes
    bad_lines: int
    suspects: set[PartName] = field(default_factory=set)


def pack(layout: Layout, sieved: Sieved, steps: Steps) -> Packed:
    """Write the part of what was sieved of segments, which the caller knows to be sealed.

    Raises:
        PartError: If the part does not hold what was written to it.
        duckdb.Error: If it cannot be written, or is too much for the memory.
        OSError: If a segment cannot be read or the part not written.
    """
    listing = scan(layout)
    suspects: set[PartName] = set()
    with workspace(layout) as (con, _):
        one_at_a_time(con)
        create_tables(con)
        loaded = load(con, layout, sieved)
        steps("read")
        covers = {name.filename for name in sieved.clean}
        carried = _carry(con, layout, listing, suspects)
        covers |= {f"{part.dirname}/open" for part in carried}
        _keep_highest(con)
        _leave_out_known(con, layout, listing, suspects)
        _note_losses(con, loaded.bad)
        _expose(con, layout, carried, loaded.large)
        large = [f"select hash, value from read_parquet({quoted(path)})" for path in loaded.large]
        after = max((part.act_ms for part in carried), default=0)
        name, sizes = write_part(con, layout, covers, steps=steps, after_ms=after, large=large)
    return Packed(name, sizes, sum(loaded.bad.values()), suspects)


def source(con: duckdb.DuckDBPyConnection, paths: Collection[Path], *more: str) -> str:
    """A query over rows of parts of any age: what an old part has no column for is null."""
    files = f"read_parquet({listed(paths)}, union_by_name=true{''.join(more)})"
    found = {row[0] for row in con.execute(f"describe select * from {files}").fetchall()}
    columns = ", ".join(
        f'"{column.name}"' if column.name in found else f'null::{column.type} as "{column.name}"'
        for column in RECORD
    )
    return f"select {columns} {', filename, file_row_number' if more else ''} from {files}"


def _carry(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing, suspects: set[PartName]
) -> list[PartName]:
    """Add what else was open in parts whose open rows end in this batch."""
    paths = {
        layout.part(part) / OPEN: part for part in listing.open_parts if _has_open(layout, part)
    }

    def touched(some: Collection[Path]) -> list[Path]:
        found = con.execute(
            f"select distinct filename from read_parquet({listed(some)}, "
            f"union_by_name=true, filename=true) where ({_KEYS}) in "
            f"(select ({_KEYS}) from line where end_ns is not null and k <> 'item')"
        ).fetchall()
        return [Path(row[0]) for row in found]

    carried = [paths[path] for path in _each(paths, touched, suspects)]
    if carried:
        rows = source(con, [layout.part(part) / OPEN for part in carried])
        con.execute(f"insert into line ({RECORD_COLUMNS}) {rows}")
    return carried


def _keep_highest(con: duckdb.DuckDBPyConnection) -> None:
    """Leave one row of each identity, and one of each item."""
    con.execute(
        "delete from line where k = 'item' and rowid not in "
        "(select min(rowid) from line where k = 'item' group by hash)"
    )
    con.execute(
        f"delete from line where k <> 'item' and rowid not in (select arg_max(rowid, {_RANK}) "
        f"from line where k <> 'item' group by {IDENTITY})"
    )


def _leave_out_known(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing, suspects: set[PartName]
) -> None:
    """Delete what a part already has as ended."""
    for kinds, shared in (
        ("k in ('span', 'trace')", _sharing_traces),
        ("k not in ('span', 'trace', 'item')", _with_others),
    ):
        low, high = _one(con, f"select min(start_ns), max(start_ns) from line where {kinds}")
        if low is None:
            continue
        paths = {
            layout.part(part) / DATA: part
            for part in shared(con, layout, listing)
            if part.from_s <= high // 1_000_000_000 and part.to_s >= low // 1_000_000_000
        }

        def leave_out(
            some: Collection[Path], kinds: str = kinds, span: tuple[int, int] = (low, high)
        ) -> list[Path]:
            con.execute(
                f"delete from line where {kinds} and ({IDENTITY}) in (select ({IDENTITY}) from "
                f"read_parquet({listed(some)}, union_by_name=true) where {kinds} "
                f"and start_ns between {span[0]} and {span[1]} "
                f"and (trace_id is null or trace_id in (select trace_id from line)))"
            )
            return []

        _each(paths, leave_out, suspects)


def _sharing_traces(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing
) -> list[PartName]:
    """Parts that have rows of traces of this batch, as their summaries say."""
    known = {layout.part(part) / TRACES: part for part in listing.live_parts}
    paths = {path: part for path, part in known.items() if path.is_file()}
    query = (
        "select distinct filename from read_parquet({}, filename=true) "
        "where trace_id in (select trace_id from line)"
    )
    without = [part for path, part in known.items() if path not in paths]
    if not paths:
        return without
    try:
        found = con.execute(query.format(listed(paths))).fetchall()
    except duckdb.Error:  # one of them is damaged: look at the rows of all
        return list(known.values())
    return without + [paths[Path(name)] for (name,) in found]


def _with_others(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing
) -> list[PartName]:
    """Parts that have rows which are neither span nor trace."""
    return [part for part in listing.live_parts if _said(layout, part).get("others", 1)]


def _note_losses(con: duckdb.DuckDBPyConnection, bad: dict[SegmentName, int]) -> None:
    for number, (name, count) in enumerate(sorted(bad.items()), 1):
        fields = loss_line("duckdb", CORRUPT, count, None, name.ms * 1_000_000).fields
        fields |= {"owner": name.owner, "seq": -(name.ms * 1000 + number % 1000)}
        insert_row(con, "line", fields)


def insert_row(con: duckdb.DuckDBPyConnection, table: str, fields: dict[str, Any]) -> None:
    """Put one row into a table that has the columns of a record."""
    known = [key for key in fields if fields[key] is not None]
    con.execute(
        f"insert into {table} ({', '.join(known)}) values ({', '.join('?' for _ in known)})",
        [fields[key] for key in known],
    )


def _expose(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    carried: Sequence[PartName],
    large: Sequence[Path],
) -> None:
    """Make the views `record` and `item` of all there is, which nobody needs to hold twice."""
    items = ["select hash, value from line where k = 'item'"]
    if carried:
        have = [*items]
        if large:
            have.append(f"select hash from read_parquet({listed(large)})")
        items.append(_carried_items(con, [layout.part(part) / ITEMS for part in carried], have))
    con.execute("drop table record")
    con.execute("drop table item")
    con.execute(f"create temp view record as select {RECORD_COLUMNS} from line where k <> 'item'")
    con.execute(f"create temp view item as {' union all '.join(items)}")


def _carried_items(
    con: duckdb.DuckDBPyConnection, paths: Collection[Path], have: Sequence[str]
) -> str:
    """A query of the items that carried rows refer to; which ones is found without their values.

    An item may be a list of items, whose elements are wanted too.
    """
    files = f"read_parquet({listed(paths)}, filename=true)"
    con.execute(
        f"create temp table wanted as select distinct unnest({_HASHES}) as hash from line "
        f"where k <> 'item' and end_ns is null"
    )
    con.execute(
        f"insert into wanted select distinct unnest(from_json(value, '[\"VARCHAR\"]')) "
        f"from {files} where hash in (select unnest(from_json(json_extract(c, '$.lists'), "
        f"'[\"VARCHAR\"]')) from (select unnest([input, output, instructions, tools]) as c "
        f"from line where k <> 'item' and end_ns is null) where c like '%\"lists\"%')"
    )
    held = " union all ".join(f"select hash from ({query})" for query in have)
    con.execute(
        f"create temp table chosen as select hash, min(filename) as filename from {files} "
        f"where hash in (select hash from wanted) and hash not in ({held}) group by hash"
    )
    return f"select hash, value from {files} semi join chosen using (hash, filename)"


def _each(
    paths: dict[Path, PartName],
    query: Callable[[Collection[Path]], list[Path]],
    suspects: set[PartName],
) -> list[Path]:
    """A query over files at once, or over each one where a damaged one spoils it for all.

    A damaged part must not keep new segments from becoming parts.
    """
    if not paths:
        return []
    with contextlib.suppress(duckdb.Error):
        return query(paths)
    found: list[Path] = []
    for path, part in paths.items():
        try:
            found += query([path])
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            suspects.add(part)
    return found


def _has_open(layout: Layout, part: PartName) -> bool:
    return bool(_said(layout, part).get("open", 1)) and (layout.part(part) / OPEN).exists()


def _said(layout: Layout, part: PartName) -> dict[str, Any]:
    try:
        return read_manifest(layout, part)
    except (OSError, ValueError):
        return {}


def _one(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found = con.execute(query).fetchone()
    assert found is not None
    return found
