"""Records out of one DuckDB file, as `single` writes it.

Such a file may come from anywhere, so it is opened to be read and can reach nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb.parts import quoted
from exporters.duckdb.transfer.source import COLUMNS, Items, rows_of, whole
from exporters.record import Kept, from_json, to_json
from exporters.store import StoreError

_ROWS = 500
_TABLES = "select table_name from duckdb_tables() where database_name = 'single'"
_RECORDS = f"select {COLUMNS}, '' as source from single._records"


def read_single(path: Path) -> Iterator[Kept]:
    """Every record of a file.

    Raises:
        StoreError: If the file is not one that was exported so, or cannot be read.
    """
    con = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    try:
        con.execute("set enable_progress_bar = false")  # it goes to stdout, which is the user's
        con.execute("set global TimeZone = 'UTC'")
        con.execute(f"attach {quoted(path)} as single (read_only)")
        con.execute("set enable_external_access = false")
        if not {"_records", "items"} <= {name for (name,) in con.execute(_TABLES).fetchall()}:
            raise StoreError(
                f"{str(path)!r} is a DuckDB file without records of flightlog. One that is to be "
                f"imported is written by flightlog export --single. Export the traces so, or with "
                f"--format jsonl, from where they came."
            )
        con.execute("create view _items as select '' as source, hash, value from single.items")
        yield from _records(con)
    except duckdb.Error as error:
        raise StoreError(
            f"{str(path)!r} cannot be read as a DuckDB file ({str(error).splitlines()[0][:200]}). "
            f"One that is to be imported is written by flightlog export --single. Export it "
            f"again, or fetch it again if it came over a network."
        ) from error
    finally:
        con.close()


def _records(con: duckdb.DuckDBPyConnection) -> Iterator[Kept]:
    with contextlib.closing(con.cursor()) as rows, contextlib.closing(con.cursor()) as asked:

        def query(text: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
            return asked.execute(text, given).fetchall()

        items = Items(query)
        rows.execute(_RECORDS)
        while found := rows.fetchmany(_ROWS):
            # By way of JSON, as other files come: references are hashes of the text, and DuckDB
            # writes some numbers in another way (1e+100).
            yield from (from_json(to_json(kept)) for kept in whole(rows_of(found), items))
