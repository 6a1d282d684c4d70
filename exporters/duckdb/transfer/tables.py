"""Records as a Parquet file: one row each, with the columns of a JSON line and times to read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import duckdb

from exporters.duckdb.parts import quoted
from exporters.duckdb.schema import DERIVED, RECORD
from exporters.record import Kept, to_json

_LEFT_OUT = ("v", "rev")  # what they say, a file's format and `end_ns` do
_FIELDS = [field for field in RECORD if field.name not in _LEFT_OUT]
_COLUMNS = "{" + ", ".join(f"'{field.name}': '{field.type}'" for field in _FIELDS) + "}"
_NAMES = ", ".join(f'"{field.name}"' for field in _FIELDS)
_DERIVED = ", ".join(f"{column.expression} as {column.name}" for column in DERIVED)
_ROW_GROUP_BYTES = 32 * 1024 * 1024
_BLOCK = 16 * 1024 * 1024


def write_parquet(records: Iterable[Kept], draft: Path) -> None:
    """Write all of these records to a file, by way of files beside it.

    Raises:
        OSError: If a file cannot be written.
        duckdb.Error: If the file cannot be written.
    """
    lines = draft.with_name("records.ndjson")
    longest = size = count = 0
    with lines.open("wb") as file:
        for kept in records:
            line = to_json(kept) + b"\n"
            file.write(line)
            count += 1
            size += len(line)
            longest = max(longest, len(line))
    con = scratch_connection(draft.with_name("spill"))
    # Rows of a long run are large: a group of them has to fit into memory several times over.
    rows = max(2048, min(10_240, _ROW_GROUP_BYTES * count // max(size, 1)))
    try:
        con.execute(
            f"copy (select {_NAMES}, {_DERIVED} from read_json({quoted(lines)}, "
            f"format='newline_delimited', columns={_COLUMNS}, "
            f"maximum_object_size={max(longest + 65536, _BLOCK)})) to {quoted(draft)} "
            f"(format parquet, compression zstd, row_group_size {rows})"
        )
    finally:
        con.close()
        lines.unlink(missing_ok=True)


def scratch_connection(spill: Path) -> duckdb.DuckDBPyConnection:
    """A connection in memory, bounded, that puts what does not fit into a folder."""
    con = duckdb.connect(
        config={
            "memory_limit": "1GB",
            "threads": min(2, os.cpu_count() or 1),
            "temp_directory": str(spill),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    con.execute("set enable_progress_bar = false")  # it goes to stdout, which is the user's
    con.execute("set global TimeZone = 'UTC'")
    return con
