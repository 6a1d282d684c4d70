"""What can be read of a damaged Parquet file: row group by row group, and in those the columns.

A row group whose bytes are damaged in one column is whole in all others. Which rows a part should
have of a trace is in its summaries, a file of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from exporters.duckdb.layout import TRACES, Layout, PartName
from exporters.duckdb.parts import damaged_files, quoted, workspace
from exporters.duckdb.schema import RECORD

# Without these a row is nobody's, or no row at all.
KEYS = frozenset({"k", "rev", "seq", "owner", "trace_id", "span_id", "start_ns", "end_ns"})
COUNTS = frozenset({"exporter", "reason", "items"})  # what losses and deliveries have


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a file that can be read.

    Attributes:
        where: Which, as a condition over `file_row_number`.
        bad: Columns that they had values in which cannot be read.
        unread: All columns that must not be touched, those without any value too.
    """

    where: str
    bad: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


def is_whole(con: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Whether all of a file can be read."""
    return _reads(con, path, "columns(*)", "true")


def pieces(con: duckdb.DuckDBPyConnection, path: Path, needed: Collection[str]) -> list[Piece]:
    """The rows of a file that can be read with these columns at least; empty where there are none.

    Raises:
        duckdb.OutOfMemoryException: If that is why it cannot be read.
    """
    if is_whole(con, path):
        return [Piece("true")]
    try:
        names = [
            row[0]
            for row in con.execute(
                f"describe select * from read_parquet({quoted(path)})"
            ).fetchall()
        ]
        groups = con.execute(
            "select any_value(row_group_num_rows), "
            "list(split_part(path_in_schema, ', ', 1)) "
            "filter (where stats_null_count is distinct from num_values) "
            f"from parquet_metadata({quoted(path)}) group by row_group_id order by row_group_id"
        ).fetchall()
    except duckdb.Error:
        return []
    at, good = 0, []
    for count, filled in groups:
        where = f"file_row_number between {at} and {at + count - 1}"
        at += count
        if _reads(con, path, "columns(*)", where):
            good.append(Piece(where))
            continue
        unread = frozenset(name for name in names if not _reads(con, path, f'"{name}"', where))
        if unread and not unread & set(needed):
            ours = {field.name for field in RECORD} & set(filled or ())
            good.append(Piece(where, unread & ours, unread))
    return good


def expected(layout: Layout, part: PartName) -> dict[str, int]:
    """How many rows a part should have of each trace, as far as its summaries can be trusted.

    The row of a trace that has not ended is not counted.
    """
    try:
        if TRACES in damaged_files(layout, part):
            return {}
        with workspace(layout) as (con, _):
            path = quoted(layout.part(part) / TRACES)
            found = con.execute(
                f"select trace_id, spans + coalesce(ended, false)::int from read_parquet({path})"
            ).fetchall()
    except (OSError, duckdb.Error):
        return {}
    return {str(trace): int(count) for trace, count in found if trace is not None}


def shares(lost: int, missing: Mapping[str, int]) -> dict[str | None, int]:
    """So many lost rows by trace, where it is known; the others are under None."""
    found: dict[str | None, int] = {}
    for trace, count in sorted(missing.items()):
        if (share := min(count, lost)) > 0:
            found[trace] = share
            lost -= share
    return found | ({None: lost} if lost else {})


def _reads(con: duckdb.DuckDBPyConnection, path: Path, what: str, where: str) -> bool:
    try:
        con.execute(
            f"select hash({what}) from read_parquet({quoted(path)}, file_row_number=true) "
            f"where {where}"
        )
        while con.fetchmany(10_000):
            pass
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, UnicodeDecodeError):  # a message may quote what the file holds
        return False
    return True
