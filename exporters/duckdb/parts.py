"""Parts: how rows become an immutable folder of Parquet files, and when it counts.

A part is made in `tmp/`, read back, synced, and given its final name: that one rename is the
commit. Before it nothing has happened; after it the part's `covers.csv` hides what it replaces.
Raw SQL looks at a part from its activation on, which is two seconds later, so that all the globs
of one query agree on which parts there are.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb.layout import (
    COVERS,
    DATA,
    ITEMS,
    MANIFEST,
    OPEN,
    SCHEMA_PART,
    Layout,
    PartName,
    sync_file,
    sync_folder,
)
from exporters.duckdb.schema import DERIVED, ITEM, RECORD, SCHEMA, Field

Steps = Callable[[str], None]
ACTIVATION_MS = 2000
_MEMORY = "1GB"
_PARQUET = "(format parquet, compression zstd, compression_level 3, row_group_size 10240)"
_CHUNK = 1 << 20
# Rows of one hour stay together, those of one trace within it: both are what people ask for.
_ORDER = "start_ns // 3600000000000, trace_id, start_ns, seq"

RECORD_COLUMNS = ", ".join(f'"{field.name}"' for field in RECORD)
_DERIVED = ", ".join(f"{column.expression} as {column.name}" for column in DERIVED)


class PartError(Exception):
    """A part did not hold what was written to it; it was not committed."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows, open rows and items a part has, and when its rows start."""

    rows: int
    open: int
    items: int
    min_start_ns: int
    max_start_ns: int


def nothing(step: str) -> None:
    """What is done at each step unless a test says otherwise."""


@contextlib.contextmanager
def workspace(layout: Layout) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A connection in memory and a folder of its own in `tmp/`; both are gone afterwards."""
    folder = layout.tmp / f"work-{secrets.token_hex(8)}"
    folder.mkdir()
    con = duckdb.connect(
        config={
            "memory_limit": _MEMORY,
            "threads": min(2, os.cpu_count() or 1),
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        yield con, folder
    finally:
        con.close()
        shutil.rmtree(folder, ignore_errors=True)


def quoted(path: Path | str) -> str:
    """A path or a text as a string in SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def listed(paths: Collection[Path]) -> str:
    """Paths as a list in SQL."""
    return "[" + ", ".join(quoted(path) for path in paths) + "]"


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """The tables `record` and `item` that `write_part` reads from, empty."""
    con.execute(f"create or replace temp table record ({_typed(RECORD)})")
    con.execute(f"create or replace temp table item ({_typed(ITEM)})")


def write_part(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    covers: Collection[str],
    *,
    steps: Steps = nothing,
    after_ms: int = 0,
) -> tuple[PartName, Sizes]:
    """Commit the tables `record` and `item` as one part that covers these sources.

    Args:
        con: Where the tables are.
        layout: The store.
        covers: Names of the sources that the part replaces.
        steps: Told of each step that has been taken.
        after_ms: Activate later than this, whatever the clock says.

    Raises:
        PartError: If a file does not hold what was written to it.
        duckdb.Error: If the part cannot be written.
        OSError: If the part cannot be written.
    """
    draft = layout.tmp / f"part-{secrets.token_hex(8)}"
    draft.mkdir()
    try:
        sizes = _write_files(con, draft, steps)
        (draft / COVERS).write_text("".join(f"{source}\n" for source in sorted(covers)))
        _write_manifest(draft, sizes)
        for file in draft.iterdir():
            sync_file(file)
        sync_folder(draft)
        steps("synced")
        act_ms = max(time.time_ns() // 1_000_000 + ACTIVATION_MS, after_ms + 1)
        name = PartName(
            act_ms,
            sizes.min_start_ns // 1_000_000_000,
            sizes.max_start_ns // 1_000_000_000,
            secrets.token_hex(4),
        )
        os.rename(draft, layout.part(name))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    steps("renamed")
    sync_folder(layout.parts)
    steps("committed")
    return name, sizes


def read_manifest(layout: Layout, part: PartName) -> dict[str, Any]:
    """What a part's manifest says.

    Raises:
        OSError: If there is none.
        ValueError: If it is damaged.
    """
    said = json.loads((layout.part(part) / MANIFEST).read_bytes())
    if not isinstance(said, dict):
        raise ValueError(f"the manifest of {part.dirname} is no object")
    return said


def damaged_files(layout: Layout, part: PartName) -> list[str]:
    """Names of a part's files that are missing or differ from their checksum."""
    try:
        sums = dict(read_manifest(layout, part)["blake2b"])
    except (OSError, ValueError, KeyError, TypeError):
        return [MANIFEST]
    folder = layout.part(part)
    return [
        name
        for name, expected in sums.items()
        if not (folder / name).is_file() or _checksum(folder / name) != expected
    ]


def ensure_schema_part(layout: Layout) -> Path:
    """The sentinel part, with no rows and every column; made anew where it lacks one.

    Its files give globs something to find in an empty store, and old parts the newest columns.
    Safe beside other processes that do the same.

    Raises:
        OSError: If the store cannot be written.
        duckdb.Error: If the files cannot be written.
    """
    target = layout.parts / SCHEMA_PART
    columns = json.dumps([list(field) for field in (*RECORD, *ITEM)])
    stamp = blake2b(columns.encode(), digest_size=16).hexdigest()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if json.loads((target / MANIFEST).read_bytes()).get("columns") == stamp:
            return target
    with workspace(layout) as (con, folder):
        create_tables(con)
        _copy_files(con, folder)
        (folder / COVERS).write_bytes(b"")
        manifest = {"schema": SCHEMA, "rows": 0, "open": 0, "items": 0, "columns": stamp}
        (folder / MANIFEST).write_text(json.dumps(manifest))
        target.mkdir(exist_ok=True)
        for name in (DATA, OPEN, ITEMS, COVERS, MANIFEST):  # the manifest last: it says done
            os.replace(folder / name, target / name)
    return target


def _write_files(con: duckdb.DuckDBPyConnection, draft: Path, steps: Steps) -> Sizes:
    _copy_files(con, draft)
    steps("written")
    now = time.time_ns()
    counted = con.execute(
        "select count(*) filter (where end_ns is not null), count(*) filter (where end_ns is null),"
        " (select count(*) from item),"
        " min(start_ns) filter (where start_ns > 0), max(start_ns) from record"
    ).fetchone()
    assert counted is not None
    sizes = Sizes(counted[0], counted[1], counted[2], counted[3] or now, counted[4] or now)
    for name, expected in ((DATA, sizes.rows), (OPEN, sizes.open), (ITEMS, sizes.items)):
        found = con.execute(
            f"select num_rows from parquet_file_metadata({quoted(draft / name)})"
        ).fetchone()
        if found is None or found[0] != expected:
            raise PartError(f"{name} has {found} rows, and {expected} were written to it")
    steps("verified")
    return sizes


def _copy_files(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    columns = f"select {RECORD_COLUMNS}, {_DERIVED} from record where end_ns is"
    for query, name in (
        (f"{columns} not null order by {_ORDER}", DATA),
        (f"{columns} null order by {_ORDER}", OPEN),
        ("select hash, value from item order by hash", ITEMS),
    ):
        con.execute(f"copy ({query}) to {quoted(folder / name)} {_PARQUET}")


def _write_manifest(draft: Path, sizes: Sizes) -> None:
    manifest = {
        "schema": SCHEMA,
        "rows": sizes.rows,
        "open": sizes.open,
        "items": sizes.items,
        "min_start_ns": sizes.min_start_ns,
        "max_start_ns": sizes.max_start_ns,
        "blake2b": {name: _checksum(draft / name) for name in (DATA, OPEN, ITEMS)},
    }
    (draft / MANIFEST).write_text(json.dumps(manifest))


def _checksum(path: Path) -> str:
    digest = blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _typed(fields: Collection[Field]) -> str:
    return ", ".join(f'"{field.name}" {field.type}' for field in fields)
