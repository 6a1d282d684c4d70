"""Compaction: sealed segments become parts, and small parts become larger ones.

Any process may do it and only one does: it takes the store's lock without waiting. A segment may
be taken when its writer has let go of it, by sealing it or by dying. Rows keep their highest
`rev`; a row that has not ended is carried in `open.parquet` until its end turns up. What cannot
be read is copied to `quarantine/` and counted by a row of kind `loss`.

    python -m exporters.duckdb.compaction --store PATH
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from exporters.duckdb.catalog import ensure_catalog
from exporters.duckdb.collect import Collected, collect, is_collection_due
from exporters.duckdb.layout import (
    COVERS,
    DATA,
    ITEMS,
    OPEN,
    Layout,
    Listing,
    PartName,
    SegmentName,
    create,
    is_locked,
    read_format,
    scan,
)
from exporters.duckdb.lines import loss_line
from exporters.duckdb.loading import load
from exporters.duckdb.parts import (
    RECORD_COLUMNS,
    PartError,
    Sizes,
    Steps,
    create_tables,
    ensure_schema_part,
    listed,
    nothing,
    quoted,
    read_manifest,
    workspace,
    write_part,
)
from exporters.duckdb.schema import RECORD
from exporters.store import StoreError

BATCH_BYTES = 64 * 1024 * 1024
DUE_BYTES = 16 * 1024 * 1024
DUE_MS = 30_000
DUE_FILES = 40
_TIERS = (16 * 1024 * 1024, 128 * 1024 * 1024)
_FAN_IN = 8
_PART_LIMIT = 512 * 1024 * 1024
_MANY_PARTS = 64
_DAY_S = 86_400
CORRUPT = "line could not be read"

_KEYS = "k, coalesce(trace_id, ''), coalesce(span_id, '')"
# A span or trace is one row; anything else is told apart by who wrote it and when.
_IDENTITY = f"{_KEYS}, case when k in ('span', 'trace') then '' else owner || '/' || seq end"
_HASHES = (
    "regexp_extract_all(concat_ws(' ', input, output, instructions, tools, data, metadata, error),"
    " '[0-9a-f]{32}')"
)


@dataclass(slots=True)
class CompactionReport:
    """What one call did.

    Attributes:
        busy: Another process holds the lock; nothing was done.
        segments: How many segments were replaced.
        bytes: How large they were.
        rows: Rows that ended, written to new parts.
        open: Rows without an end, written or carried.
        items: Items written.
        bad_lines: Lines that could not be read.
        parts: Names of new parts that hold what was in segments.
        merged: Names of new parts that replace small parts.
        collected: What was deleted.
        problems: What went wrong and was left for later, one sentence each.
        seconds: How long it took.
    """

    busy: bool = False
    segments: int = 0
    bytes: int = 0
    rows: int = 0
    open: int = 0
    items: int = 0
    bad_lines: int = 0
    parts: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    collected: Collected = field(default_factory=Collected)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that may be compacted."""

    name: SegmentName
    size: int


def compact(
    store: str | os.PathLike[str], *, steps: Steps = nothing, grace_s: float | None = None
) -> CompactionReport:
    """Compact, merge and collect what there is to do, unless another process is at it.

    Args:
        store: The store's path.
        steps: Told of each step of the protocol.
        grace_s: Collect now, with this many seconds of grace, whenever the last time was.

    Raises:
        StoreError: If the path is no store of ours, or cannot be written.
    """
    layout = Layout.of(store)
    report = CompactionReport()
    if read_format(layout) is None:
        return report
    create(layout)
    began = time.perf_counter()
    try:
        with _alone(layout) as alone:
            if not alone:
                report.busy = True
                return report
            steps("locked")
            ensure_schema_part(layout)
            if grace_s is not None:
                report.collected = collect(layout, grace_s=grace_s, steps=steps)
            elif is_collection_due(layout):
                report.collected = collect(layout, steps=steps)
            for batch in batches(sealed_segments(layout, scan(layout))):
                _compact_batch(layout, batch, report, steps)
            while (group := mergeable(_sizes(layout), scan(layout))) and not report.problems:
                _merge(layout, group, report, steps)
            os.utime(layout.lock)
            ensure_catalog(layout)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise StoreError(
            f"The store {str(layout.catalog)!r} could not be compacted ({reason}). Compaction "
            f"needs to write about as much as it reads; segments stay as they are meanwhile. "
            f"Make space or give permission there; it is tried again by itself."
        ) from error
    finally:
        report.seconds = time.perf_counter() - began
    return report


def due(store: str | os.PathLike[str]) -> bool:
    """Whether compaction is worth its while now."""
    layout = Layout.of(store)
    return is_due(sealed_segments(layout, scan(layout)), time.time_ns() // 1_000_000)


def is_due(sealed: Sequence[Sealed], now_ms: int) -> bool:
    """The decision, on what may be compacted: enough bytes, enough files, or old enough."""
    return (
        sum(segment.size for segment in sealed) >= DUE_BYTES
        or len(sealed) >= DUE_FILES
        or any(now_ms - segment.name.ms >= DUE_MS for segment in sealed)
    )


def sealed_segments(layout: Layout, listing: Listing) -> list[Sealed]:
    """Segments that count, hold something, and whose writer has let go of them; oldest first."""
    found = []
    for name in listing.live_segments:
        path = layout.segment(name)
        with contextlib.suppress(FileNotFoundError):
            # The size after the lock: who still held it may have been writing.
            if not is_locked(path) and (size := path.stat().st_size):
                found.append(Sealed(name, size))
    return found


def batches(sealed: Sequence[Sealed]) -> Iterator[list[Sealed]]:
    """Segments in groups of at most `BATCH_BYTES`, one part each."""
    batch: list[Sealed] = []
    size = 0
    for segment in sealed:
        if batch and size + segment.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(segment)
        size += segment.size
    if batch:
        yield batch


def mergeable(sizes: dict[PartName, int], listing: Listing) -> list[PartName]:
    """Parts to put together next: eight of a size and a day; of any day where parts are many."""
    live = [part for part in listing.live_parts if part in sizes]
    below = 0
    for limit in _TIERS:
        tier = [part for part in live if below <= sizes[part] < limit]
        below = limit
        days: dict[int, list[PartName]] = {}
        for part in tier:
            days.setdefault(part.from_s // _DAY_S, []).append(part)
        groups = [days[day] for day in sorted(days)]
        if len(live) >= _MANY_PARTS:
            groups.append(sorted(tier, key=lambda part: part.from_s))
        for group in groups:
            chosen = group[:_FAN_IN]
            if len(chosen) == _FAN_IN and sum(sizes[part] for part in chosen) <= _PART_LIMIT:
                return chosen
    return []


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[bool]:
    """Hold the store's lock, or find that somebody else does."""
    fd = os.open(layout.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held, or a file system without locks, where nobody compacts
            yield False
            return
        yield True
    finally:
        os.close(fd)


def _compact_batch(
    layout: Layout, batch: Sequence[Sealed], report: CompactionReport, steps: Steps
) -> None:
    listing = scan(layout)
    with workspace(layout) as (con, folder):
        create_tables(con)
        bad = load(con, layout, [segment.name for segment in batch], folder)
        steps("read")
        covers = {segment.name.filename for segment in batch}
        carried = _carry(con, layout, listing)
        covers |= {f"{part.dirname}/open" for part in carried}
        _settle(con, layout, listing)
        _note_losses(con, bad)
        try:
            after = max((part.act_ms for part in carried), default=0)
            name, sizes = write_part(con, layout, covers, steps=steps, after_ms=after)
        except (PartError, duckdb.Error) as error:
            report.problems.append(f"A part could not be written: {error}")
            return
    report.parts.append(name.dirname)
    report.segments += len(batch)
    report.bytes += sum(segment.size for segment in batch)
    report.bad_lines += sum(bad.values())
    _add(report, sizes)


def _carry(con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing) -> list[PartName]:
    """Fill `record`, with what else was open in parts whose open rows end in this batch."""
    paths = {
        layout.part(part) / OPEN: part for part in listing.open_parts if _has_open(layout, part)
    }
    carried = [paths[path] for path in _each(paths, lambda some: _touched(con, some))]
    if carried:
        opens = listed([layout.part(part) / OPEN for part in carried])
        _insert_rows(con, "line", f"read_parquet({opens}, union_by_name=true)", "true")
    con.execute(
        f"insert into record select {RECORD_COLUMNS} from line where k <> 'item' qualify "
        f"row_number() over (partition by {_IDENTITY} "
        f"order by rev desc, (end_ns is not null) desc, seq desc) = 1"
    )
    if carried:
        items = listed([layout.part(part) / ITEMS for part in carried])
        con.execute(
            f"insert into item select distinct on (hash) hash, value from read_parquet({items}) "
            f"where hash not in (select hash from item) and hash in "
            f"(select unnest({_HASHES}) from record where end_ns is null)"
        )
    return carried


def _touched(con: duckdb.DuckDBPyConnection, paths: Collection[Path]) -> list[Path]:
    """Files of open rows some of which end in this batch."""
    found = con.execute(
        f"select distinct filename from read_parquet({listed(paths)}, "
        f"union_by_name=true, filename=true) where ({_KEYS}) in "
        f"(select ({_KEYS}) from line where end_ns is not null and k <> 'item')"
    ).fetchall()
    return [Path(row[0]) for row in found]


def _each(paths: Collection[Path], query: Callable[[Collection[Path]], list[Path]]) -> list[Path]:
    """A query over files at once, or over each one where a damaged one spoils it for all.

    A damaged part must not keep new segments from becoming parts.
    """
    if not paths:
        return []
    try:
        return query(paths)
    except duckdb.Error:
        found: list[Path] = []
        for path in paths:
            with contextlib.suppress(duckdb.Error):
                found += query([path])
        return found


def _insert_rows(con: duckdb.DuckDBPyConnection, table: str, source: str, where: str) -> None:
    """Rows of parts of any age: what an old part has no column for is null."""
    found = {row[0] for row in con.execute(f"describe select * from {source}").fetchall()}
    names = ", ".join(f'"{column.name}"' for column in RECORD if column.name in found)
    con.execute(f"insert into {table} ({names}) select {names} from {source} where {where}")


def _settle(con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing) -> None:
    """Leave out what a part already has as ended: a line may have been written twice."""
    bounds = con.execute("select min(start_ns), max(start_ns) from record").fetchone()
    if bounds is None or bounds[0] is None:
        return
    low, high = bounds[0] // 1_000_000_000, bounds[1] // 1_000_000_000
    paths = [
        layout.part(part) / DATA
        for part in listing.live_parts
        if part.from_s <= high and part.to_s >= low
    ]

    def leave_out(some: Collection[Path]) -> list[Path]:
        con.execute(
            f"delete from record where ({_IDENTITY}) in (select ({_IDENTITY}) from "
            f"read_parquet({listed(some)}, union_by_name=true) "
            f"where start_ns between {bounds[0]} and {bounds[1]})"
        )
        return []

    _each(paths, leave_out)


def _note_losses(con: duckdb.DuckDBPyConnection, bad: dict[SegmentName, int]) -> None:
    for number, (name, count) in enumerate(sorted(bad.items()), 1):
        fields = loss_line("duckdb", CORRUPT, count, None, name.ms * 1_000_000).fields
        fields |= {"owner": name.owner, "seq": -(name.ms * 1000 + number % 1000)}
        known = [key for key in fields if fields[key] is not None]
        con.execute(
            f"insert into record ({', '.join(known)}) values ({', '.join('?' for _ in known)})",
            [fields[key] for key in known],
        )


def _merge(
    layout: Layout, group: Sequence[PartName], report: CompactionReport, steps: Steps
) -> None:
    listing = scan(layout)
    still_open = [part for part in group if part in listing.open_parts]
    with workspace(layout) as (con, _):
        create_tables(con)
        data = listed([layout.part(part) / DATA for part in group])
        items = listed([layout.part(part) / ITEMS for part in group])
        covers = {part.dirname for part in group}
        try:
            _insert_rows(con, "record", f"read_parquet({data}, union_by_name=true)", "true")
            for part in still_open:
                source = f"read_parquet({quoted(layout.part(part) / OPEN)})"
                _insert_rows(con, "record", source, "true")
            con.execute(
                f"insert into item select distinct on (hash) hash, value from read_parquet({items})"
            )
            for part in group:
                covers |= _covers_of(layout, part)
            after = max(part.act_ms for part in group)
            name, _sizes = write_part(con, layout, covers, steps=steps, after_ms=after)
        except (PartError, duckdb.Error) as error:
            report.problems.append(f"Parts could not be merged: {error}")
            return
    report.merged.append(name.dirname)


def _covers_of(layout: Layout, part: PartName) -> frozenset[str]:
    # Not `read_covers`, which takes what it cannot read for nothing: here that would bring back
    # what the part hides.
    text = (layout.part(part) / COVERS).read_text()
    return frozenset(text.split())


def _has_open(layout: Layout, part: PartName) -> bool:
    try:
        return bool(read_manifest(layout, part).get("open", 1))
    except (OSError, ValueError):
        return (layout.part(part) / OPEN).exists()


def _sizes(layout: Layout) -> dict[PartName, int]:
    sizes = {}
    for part in scan(layout).live_parts:
        with contextlib.suppress(OSError):
            folder = layout.part(part)
            sizes[part] = (folder / DATA).stat().st_size + (folder / ITEMS).stat().st_size
    return sizes


def _add(report: CompactionReport, sizes: Sizes) -> None:
    report.rows += sizes.rows
    report.open += sizes.open
    report.items += sizes.items


def main(arguments: Sequence[str] | None = None) -> int:
    """Compact once, giving way to everything else on the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.compaction",
        description="Turn a store's sealed segments into parts, once.",
        epilog="example: python -m exporters.duckdb.compaction --store traces.duckdb",
    )
    parser.add_argument("--store", required=True, help="path of the store's catalog file")
    options = parser.parse_args(arguments)
    with contextlib.suppress(OSError):
        os.nice(10)
    try:
        report = compact(options.store)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for problem in report.problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
