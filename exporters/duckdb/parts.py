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
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
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
    TRACES,
    Layout,
    PartName,
    sync_file,
    sync_folder,
)
from exporters.duckdb.schema import DERIVED, ITEM, RECORD, SCHEMA, SUMMARY, Field

Steps = Callable[[str], None]
ACTIVATION_MS = 2000
FILES = (DATA, OPEN, ITEMS, TRACES)
# Row groups are bounded by bytes too: who reads one holds up to 2048 rows of it at once.
_PARQUET = (
    "(format parquet, compression zstd, compression_level 3, row_group_size 10240, "
    "row_group_size_bytes '{}MB')"
)
_ROW_GROUP_MB = {ITEMS: 8}  # a value of 16 MiB takes ten times that while it is copied
_CHUNK = 1 << 20
MEMORY = "200MB"
# Rows of one hour stay together, those of one trace within it: both are what people ask for.
_ORDER = "start_ns // 3600000000000, trace_id, start_ns, seq"

RECORD_COLUMNS = ", ".join(f'"{field.name}"' for field in RECORD)
_DERIVED = ", ".join(f"{column.expression} as {column.name}" for column in DERIVED)
_SUMMARY = {
    "trace_id": "trace_id",
    "name": "coalesce(any_value(name) filter (where k = 'trace'), any_value(trace_name))",
    "group_id": "any_value(group_id)",
    "spans": "count(*) filter (where k = 'span')",
    "start_ns": "coalesce(min(start_ns) filter (where start_ns > 0), 0)",
    "end_ns": "max(end_ns)",
    "ended": "bool_or(k = 'trace' and end_ns is not null)",
    "open": "bool_or(end_ns is null)",
    "trouble": "bool_or(coalesce(status = 'error', false) or coalesce(type = 'guardrail' "
    "and json_extract_string(data, '$.triggered') = 'true', false))",
}
# A loss or delivery makes no trace.
_SUMMARIES = (
    "select "
    + ", ".join(f'({_SUMMARY[field.name]})::{field.type} as "{field.name}"' for field in SUMMARY)
    + " from record where k in ('span', 'trace') and trace_id is not null "
    "group by trace_id order by start_ns, trace_id"
)


class PartError(Exception):
    """A part did not hold what was written to it; it was not committed."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows, open rows and items a part has, and when its rows start.

    `others` are those of the rows that are neither span nor trace.
    """

    rows: int
    open: int
    items: int
    others: int
    min_start_ns: int
    max_start_ns: int


def nothing(step: str) -> None:
    """What is done at each step unless a test says otherwise."""


@contextlib.contextmanager
def workspace(layout: Layout) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A connection in memory and a folder of its own in `tmp/`; both are gone afterwards.

    What does not fit into little memory is spilled to the folder: a store grows to any size, and
    this runs beside the programs that it records.
    """
    folder = layout.tmp / f"work-{secrets.token_hex(8)}"
    folder.mkdir()
    con = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": min(2, os.cpu_count() or 1),
            "temp_directory": str(folder / "spill"),
            "allocator_flush_threshold": "16MB",
            "allocator_bulk_deallocation_flush_threshold": "16MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    con.execute("set enable_progress_bar = false")  # it goes to stdout, which is the user's
    try:
        yield con, folder
    finally:
        con.close()
        shutil.rmtree(folder, ignore_errors=True)


def one_at_a_time(con: duckdb.DuckDBPyConnection) -> None:
    """Use one thread: two take half as much of the processor again, and twice the memory.

    So it is sooner done where others want the processor too, and there they are: whoever compacts
    has a thread at the sieve meanwhile.
    """
    con.execute("set threads = 1")


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


def write_part(  # noqa: PLR0913
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    covers: Collection[str],
    *,
    steps: Steps = nothing,
    after_ms: int = 0,
    ordered: bool = True,
    large: Sequence[str] = (),
    delay_ms: int = ACTIVATION_MS,
) -> tuple[PartName, Sizes]:
    """Commit the tables or views `record` and `item` as one part that covers these sources.

    Args:
        con: Where the tables are.
        layout: The store.
        covers: Names of the sources that the part replaces.
        steps: Told of each step that has been taken.
        after_ms: Activate later than this, whatever the clock says.
        ordered: Whether to sort the rows, as far as the memory does.
        large: Queries of more items, `hash` and `value`, which are large: they are copied one
            after the other, in row groups of their own, and never sorted.
        delay_ms: How long until plain SQL sees the part.

    Raises:
        PartError: If a file does not hold what was written to it.
        duckdb.Error: If the part cannot be written.
        OSError: If the part cannot be written.
    """
    draft = layout.tmp / f"part-{secrets.token_hex(8)}"
    draft.mkdir()
    try:
        sizes = _write_files(con, draft, steps, ordered, large)
        (draft / COVERS).write_text("".join(f"{source}\n" for source in sorted(covers)))
        _write_manifest(con, draft, sizes, covers)
        for file in draft.iterdir():
            sync_file(file)
        sync_folder(draft)
        steps("synced")
        act_ms = max(time.time_ns() // 1_000_000 + delay_ms, after_ms + 1)
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


def renew_summaries(layout: Layout, part: PartName) -> None:
    """Make a part's summaries again out of its rows.

    Raises:
        duckdb.Error: If the rows cannot be read.
        OSError: If the file cannot be written.
        ValueError: If the manifest is damaged.
    """
    target = layout.part(part)
    manifest = read_manifest(layout, part)
    with workspace(layout) as (con, folder):
        rows = listed([target / DATA, target / OPEN])
        con.execute(f"create temp view record as from read_parquet({rows}, union_by_name=true)")
        _copy(con, _SUMMARIES, folder / TRACES)
        manifest["bytes"][TRACES] = (folder / TRACES).stat().st_size
        manifest["blake2b"][TRACES] = _checksum(folder / TRACES)
        (folder / MANIFEST).write_text(json.dumps(manifest))
        # The manifest first: a crash in between leaves summaries that still are to be made.
        for name in (MANIFEST, TRACES):
            if (target / name).is_dir():
                (target / name).rmdir()
            sync_file(folder / name)
            os.replace(folder / name, target / name)
    sync_folder(target)


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
    columns = json.dumps([list(field) for field in (*RECORD, *ITEM, *SUMMARY)])
    stamp = blake2b(columns.encode(), digest_size=16).hexdigest()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        said = json.loads((target / MANIFEST).read_bytes())
        if said.get("columns") == stamp and said.get("blake2b") == _checksums(target):
            return target
    with workspace(layout) as (con, folder):
        create_tables(con)
        _copy_files(con, folder, ordered=False)
        (folder / COVERS).write_bytes(b"")
        manifest = {"schema": SCHEMA, "rows": 0, "open": 0, "items": 0, "columns": stamp}
        manifest["blake2b"] = _checksums(folder)
        (folder / MANIFEST).write_text(json.dumps(manifest))
        target.mkdir(exist_ok=True)
        for name in (*FILES, COVERS, MANIFEST):  # the manifest last: it says done
            os.replace(folder / name, target / name)
    return target


def _write_files(
    con: duckdb.DuckDBPyConnection,
    draft: Path,
    steps: Steps,
    ordered: bool,
    large: Sequence[str],
) -> Sizes:
    _copy_files(con, draft, ordered=ordered, large=large)
    steps("written")
    now = time.time_ns()
    counted = con.execute(
        "select count(*) filter (where end_ns is not null), count(*) filter (where end_ns is null),"
        f" (select count(*) from ({_items(large)})),"
        " count(*) filter (where k not in ('span', 'trace')),"
        " min(start_ns) filter (where start_ns > 0), max(start_ns) from record"
    ).fetchone()
    assert counted is not None
    rows, open_, items, others, low, high = counted
    sizes = Sizes(rows, open_, items, others, low or now, high or now)
    for name, expected in ((DATA, sizes.rows), (OPEN, sizes.open), (ITEMS, sizes.items)):
        found = con.execute(
            f"select num_rows from parquet_file_metadata({quoted(draft / name)})"
        ).fetchone()
        if found is None or found[0] != expected:
            raise PartError(f"{name} has {found} rows, and {expected} were written to it")
    steps("verified")
    return sizes


def _copy_files(
    con: duckdb.DuckDBPyConnection, folder: Path, *, ordered: bool, large: Sequence[str] = ()
) -> None:
    rows = f"select {RECORD_COLUMNS}, {_DERIVED} from record where end_ns is"
    for query, order, name in (
        (f"{rows} not null", _ORDER, DATA),
        (f"{rows} null", _ORDER, OPEN),
        (_items(()), "hash", ITEMS),
    ):
        plain = _items(large) if name == ITEMS else query
        if not ordered:
            _copy(con, plain, folder / name)
            continue
        more = "".join(f" union all {each}" for each in large) if name == ITEMS else ""
        try:
            _copy(con, f"({query} order by {order}){more}", folder / name)
        except duckdb.OutOfMemoryException:  # order is a convenience
            _copy(con, plain, folder / name)
    _copy(con, _SUMMARIES, folder / TRACES)


def _copy(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    options = _PARQUET.format(_ROW_GROUP_MB.get(path.name, 32))
    con.execute(f"copy ({query}) to {quoted(path)} {options}")


def _items(large: Sequence[str]) -> str:
    return " union all ".join(["select hash, value from item", *large])


def _write_manifest(
    con: duckdb.DuckDBPyConnection, draft: Path, sizes: Sizes, covers: Collection[str]
) -> None:
    unpacked = con.execute(
        "select coalesce(sum(total_uncompressed_size), 0)::bigint "
        f"from parquet_metadata({listed([draft / name for name in FILES])})"
    ).fetchone()
    assert unpacked is not None
    manifest = {
        "schema": SCHEMA,
        **asdict(sizes),
        "raw_bytes": unpacked[0],
        "covers": sorted(covers),
        "bytes": {name: (draft / name).stat().st_size for name in FILES},
        "blake2b": _checksums(draft),
    }
    (draft / MANIFEST).write_text(json.dumps(manifest))


def _checksums(folder: Path) -> dict[str, str]:
    return {name: _checksum(folder / name) for name in FILES}


def _checksum(path: Path) -> str:
    digest = blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _typed(fields: Collection[Field]) -> str:
    return ", ".join(f'"{field.name}" {field.type}' for field in fields)
