"""Removal: parts without the rows of some traces, and the bytes of those rows off the disk.

A part of which nothing is left is unlinked; of any other the rest is written as a new part that
covers it. Unlike after a merge, what was replaced goes at once: SQL over the files may meet a
path that has vanished, and has to be run again.

The caller holds the store's lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import duckdb

from exporters.duckdb.layout import (
    COVERS,
    DATA,
    ITEMS,
    OPEN,
    SCHEMA_PART,
    TRACES,
    Layout,
    Listing,
    PartName,
    is_locked,
    parse_part,
    parse_segment,
    scan,
)
from exporters.duckdb.limits.purges import Purge
from exporters.duckdb.parts import (
    ACTIVATION_MS,
    RECORD_COLUMNS,
    Steps,
    listed,
    quoted,
    read_manifest,
    workspace,
    write_part,
)
from exporters.duckdb.upkeep.collect import Collected, collect

_STALE_S = 60.0
_LISTS = ("input", "output", "instructions", "tools")
_HASHES = "regexp_extract_all({}, '[0-9a-f]{{32}}')"


def remove(layout: Layout, part: PartName, purge: Purge, *, steps: Steps) -> bool:
    """Take the rows of a purge out of a part; says whether the part had any.

    Steps: `buried` when a part is gone from the store; those of `write_part`.

    Raises:
        OSError: If the store cannot be changed, or the part's covers cannot be read.
        duckdb.Error: If the part cannot be read, or the new one not be written.
        PartError: If the new one does not hold what was written to it.
    """
    listing, folder = scan(layout), layout.part(part)
    with workspace(layout) as (con, _):
        goes = _condition(con, purge)
        files = [(DATA, True), (OPEN, part in listing.open_parts)]
        _note_traces(con, [path for file, _ in files if (path := folder / file).exists()])
        total, going, left = 0, 0, 0
        for file, counts in files:
            all_rows, some = _count(con, folder / file, goes)
            total, going = total + all_rows, going + some
            left += all_rows - some if counts else 0
        if total and not going:
            return False
        covers = part_covers(layout, part)
        if not left and _bury_covered(layout, covers, steps):
            bury(layout, part)
            steps("buried")
            return True
        if not total:  # it has no rows, and hides something that is still there
            return False
        rest = [_rest(layout, folder / file, file, goes) for file, counts in files if counts]
        con.execute(f"create temp view record as {' union all '.join(rest)}")
        _view_items(con, folder / ITEMS)
        write_part(
            con, layout, {part.dirname, *covers}, steps=steps, after_ms=part.act_ms, ordered=False
        )
    return True


def clear_replaced(layout: Layout, *, patient: bool, steps: Steps, waits: bool = True) -> Collected:
    """Delete what parts cover, without the time of grace that it has otherwise, and old drafts.

    Args:
        layout: The store.
        patient: Whether to wait until SQL over the files sees the parts that took its place,
            two seconds at most; else that SQL misses some rows for as long.
        waits: Whether patience waits; else it leaves what that SQL does not see yet to the next.
        steps: Told of each step.

    Raises:
        OSError: If the store cannot be changed.
    """
    listing = scan(layout)
    replaced = any(_is_there(layout, name) for name in listing.covered if "/" not in name)
    if patient and waits and replaced:
        latest = max((part.act_ms for part in listing.parts), default=0)
        pause = latest / 1000 - time.time()
        time.sleep(min(max(pause, 0.0), ACTIVATION_MS / 1000))
    grace_s = 0.0 if patient else -ACTIVATION_MS / 1000 - 1
    return collect(layout, grace_s=grace_s, stale_s=_STALE_S, steps=steps)


def bury(layout: Layout, part: PartName) -> None:
    """Take a part out of the store: all of it vanishes at once."""
    grave = layout.tmp / f"dead-{secrets.token_hex(8)}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(layout.part(part), grave)
    shutil.rmtree(grave, ignore_errors=True)


def part_covers(layout: Layout, part: PartName) -> frozenset[str]:
    """What a part covers, or an error: what it hides must not come back.

    Raises:
        OSError: If that cannot be read.
    """
    text = (layout.part(part) / COVERS).read_text(encoding="utf-8")
    return frozenset(text.split())


def readable(paths: Collection[Path], query: Callable[[Sequence[Path]], None]) -> None:
    """Run a query over files at once, or over each one where a damaged one spoils it for all."""
    if not paths:
        return
    try:
        query(list(paths))
    except duckdb.Error:
        for path in paths:
            with contextlib.suppress(duckdb.Error):
                query([path])


def summarize(con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing) -> None:
    """Make the table `summary`: a row for each trace in each part that counts, with its weight.

    A part of schema 1 has no summary of its own; it is made of the rows' narrow columns.
    """
    con.execute(
        "create temp table summary (trace_id varchar, part varchar, weight bigint, "
        "start_ns bigint, ended boolean)"
    )
    part_of = "split_part(split_part(filename, '/parts/', -1), '/', 1)"
    new: list[Path] = []
    old: list[Path] = []
    for part in listing.live_parts:
        folder = layout.part(part)
        if (folder / TRACES).exists():
            new.append(folder / TRACES)
        else:
            old.extend(path for file in (DATA, OPEN) if (path := folder / file).exists())

    def from_traces(paths: Sequence[Path]) -> None:
        con.execute(
            f"insert into summary select trace_id, {part_of}, spans + 1, start_ns, ended "
            f"from read_parquet({listed(paths)}, union_by_name=true, filename=true)"
        )

    def from_rows(paths: Sequence[Path]) -> None:
        con.execute(
            f"insert into summary select trace_id, {part_of} as part, count(*), "
            f"coalesce(min(start_ns), 0), bool_or(k = 'trace' and end_ns is not null) "
            f"from read_parquet({listed(paths)}, union_by_name=true, filename=true) "
            f"where k in ('span', 'trace') and trace_id is not null group by trace_id, part"
        )

    readable(new, from_traces)
    readable(old, from_rows)


def is_empty(layout: Layout, part: PartName) -> bool:
    """Whether a part says of itself that it has no rows."""
    try:
        said = read_manifest(layout, part)
        return bool(said["rows"] == 0 and said["open"] == 0)
    except (OSError, ValueError, KeyError):
        return False


def _condition(con: duckdb.DuckDBPyConnection, purge: Purge) -> str:
    """What is true of a row that goes, of rows of a part whose other traces are in `here`."""
    con.execute("create temp table gone (trace_id varchar)")
    con.execute("insert into gone select unnest(?::varchar[])", [sorted(purge.traces)])
    return (
        "(coalesce(trace_id in (select trace_id from gone), false) or "
        f"(k in ('loss', 'delivery') and coalesce(start_ns, 0) < {purge.before_ns} and "
        "coalesce(trace_id not in (select trace_id from here), true)))"
    )


def _note_traces(con: duckdb.DuckDBPyConnection, paths: Collection[Path]) -> None:
    """Make the table `here` of the part's traces that stay: what was lost of them stays too."""
    con.execute(
        f"create temp table here as select distinct trace_id from "
        f"read_parquet({listed(paths)}, union_by_name=true) where k in ('span', 'trace') "
        f"and trace_id is not null and trace_id not in (select trace_id from gone)"
    )


def _count(con: duckdb.DuckDBPyConnection, path: Path, goes: str) -> tuple[int, int]:
    """How many rows a file has, and how many of them go."""
    if not path.exists():
        return 0, 0
    found = con.execute(
        f"select count(*), count(*) filter ({goes}) from read_parquet({quoted(path)})"
    ).fetchone()
    assert found is not None
    return found[0], found[1]


def _rest(layout: Layout, path: Path, file: str, goes: str) -> str:
    """Rows that stay, in the order that they have; the sentinel has what old parts lack."""
    paths = [each for each in (path, layout.parts / SCHEMA_PART / file) if each.exists()]
    return (
        f"select {RECORD_COLUMNS} from read_parquet({listed(paths)}, union_by_name=true) "
        f"where not {goes}"
    )


def _view_items(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Items that rows in `record` refer to, by name or by a list that they name."""
    told = "concat_ws(' ', input, output, instructions, tools, data, metadata, error)"
    lists = " union all ".join(
        f"select unnest(from_json(json_extract({column}, '$.lists'), '[\"VARCHAR\"]')) "
        f"from record where json_exists({column}, '$.lists')"
        for column in _LISTS
    )
    con.execute(
        f"create temp table named as select distinct unnest({_HASHES.format(told)}) as hash "
        f"from record"
    )
    con.execute(
        f"insert into named select unnest({_HASHES.format('value')}) "
        f"from read_parquet({quoted(path)}) where hash in ({lists})"
    )
    con.execute(
        f"create temp view item as select hash, value from read_parquet({quoted(path)}) "
        f"where hash in (select hash from named)"
    )


def _bury_covered(layout: Layout, covers: Collection[str], steps: Steps) -> bool:
    """Delete what a part covers before the part itself; says whether all of it could be."""
    for source in covers:
        if source.endswith("/open"):
            owner = parse_part(source.partition("/")[0])
            if owner is not None and layout.part(owner).exists() and source[:-5] not in covers:
                return False  # the rest of that part counts, and its open rows would again
        elif (name := parse_segment(source)) is not None and is_locked(layout.segment(name)):
            return False
    for source in covers:
        if (segment := parse_segment(source)) is not None:
            layout.segment(segment).unlink(missing_ok=True)
        elif (part := parse_part(source)) is not None:
            bury(layout, part)
    steps("sources buried")
    return True


def _is_there(layout: Layout, name: str) -> bool:
    return (layout.parts / name if name.startswith("p-") else layout.hot / name).exists()
