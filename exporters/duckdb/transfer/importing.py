"""Records into a store: what is new becomes parts, what is there stays.

Everything is read and checked before anything is written. Then, under the store's lock, each file
of staged records becomes one part, so that a crash leaves whole parts or nothing. A record is
known by its trace and span; of one that the store has as running, an end that the file has wins,
unless the process that runs it is alive and will tell the end itself.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import orjson

from exporters.duckdb.layout import (
    DATA,
    ITEMS,
    OPEN,
    Layout,
    Listing,
    PartName,
    check_path,
    create,
    read_format,
    scan,
)
from exporters.duckdb.parts import (
    PartError,
    Steps,
    ensure_schema_part,
    listed,
    nothing,
    workspace,
    write_part,
)
from exporters.duckdb.recording.lines import check_line
from exporters.duckdb.schema import RECORD
from exporters.duckdb.transfer.parsing import Bad, parse_file
from exporters.duckdb.transfer.stage import IDENTITY, Chunk, Stage, load_chunk
from exporters.duckdb.upkeep.alone import alone
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.record import Kept
from exporters.store import StoreError

_MEMORY = "1GB"  # for a file of records at a time; the rest is spilled
_WAIT_SECONDS = 60.0
_PAUSE = 0.05
_OFTEN = 10_000  # records
_MOST_BAD = 20  # bad records that are named
_KEYS = ("k", "trace_id", "span_id", "owner", "seq")
# What a row refers to, and what a list of references among its items refers to.
_HASHES = (
    "regexp_extract_all(concat_ws(' ', input, output, instructions, tools, data, metadata, error),"
    " '[0-9a-f]{32}')"
)
_IS_LIST = 'regexp_full_match(value::varchar, \'\\["[0-9a-f]{32}"(,"[0-9a-f]{32}")*\\]\')'


@dataclass(slots=True)
class Imported:
    """What an import did.

    Attributes:
        new_traces: Traces that the store had nothing of.
        known_traces: Traces that it had something of.
        new_spans: Spans that it did not have, or had as running where they have ended now.
        known_spans: Spans that it had.
        bad: What could not be read, at most so many.
        bad_count: How much could not be read.
        lost: Values that were too large to keep, and are marked.
        parts: Names of the parts that were written.
    """

    new_traces: int = 0
    known_traces: int = 0
    new_spans: int = 0
    known_spans: int = 0
    bad: list[Bad] = field(default_factory=list)
    bad_count: int = 0
    lost: int = 0
    parts: list[str] = field(default_factory=list)


def import_files(
    store: str | os.PathLike[str],
    files: Sequence[Path],
    *,
    skip_bad: bool = False,
    steps: Steps = nothing,
    told: Callable[[int], object] = lambda count: None,
) -> Imported:
    """Put the records of files into a store, which is made if it is not there.

    Where something cannot be read and `skip_bad` is not given, nothing is imported; `bad_count`
    of what is returned says so. A store that is not there is made only once there is something to
    put into it.

    Args:
        store: The store's path.
        files: Files of JSON Lines, Parquet or OTLP JSON, or of `flightlog export --single`.
        skip_bad: Whether to import the rest where something cannot be read.
        steps: Told of each step of writing.
        told: Told from time to time how many records have been read.

    Raises:
        StoreError: If the store cannot be written, or a file cannot be read at all.
    """
    layout = Layout.of(store)
    check_path(layout)
    done = Imported()
    try:
        with _staging(layout) as folder:
            with Stage(folder) as staged:
                for path in files:
                    _read(path, staged, done, told)
            steps("staged")
            done.lost = staged.lost
            if staged.chunks and (skip_bad or not done.bad_count):
                create(layout)
                with workspace(layout) as (con, _):
                    con.execute(f"set memory_limit = '{_MEMORY}'")
                    _commit(con, layout, staged.chunks, done, steps)
    except (OSError, duckdb.Error, PartError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise StoreError(
            f"Nothing more could be imported into {str(layout.catalog)!r} ({reason}). An import "
            f"needs to write there about twice what it reads. Make space or give permission, and "
            f"import again: what is there by then stays as it is."
        ) from error
    return done


@contextlib.contextmanager
def _staging(layout: Layout) -> Iterator[Path]:
    """A folder for what is read: in the store, or beside its place where it is not there yet."""
    place = layout.tmp
    if read_format(layout) is not None:
        create(layout)
    else:
        place = layout.root.parent
        while not place.is_dir() and place != place.parent:
            place = place.parent
    with tempfile.TemporaryDirectory(prefix=".flightlog-import-", dir=place) as folder:
        yield Path(folder)


def _read(path: Path, staged: Stage, done: Imported, told: Callable[[int], object]) -> None:
    for count, found in enumerate(parse_file(path), 1):
        if count % _OFTEN == 0:
            told(count)
        if isinstance(found, Kept):
            staged.add(found)
            continue
        done.bad_count += 1
        if len(done.bad) < _MOST_BAD:
            done.bad.append(found)


def _commit(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    chunks: Sequence[Chunk],
    done: Imported,
    steps: Steps,
) -> None:
    compact(layout.catalog)  # what the dead left open is in parts then, where its end can cover it
    before: set[str] = set()
    seen: set[str] = set()
    with _when_alone(layout):
        steps("locked")
        ensure_schema_part(layout)
        for chunk in chunks:
            load_chunk(con, chunk)
            chunk.path.unlink()
            _commit_chunk(con, layout, done, steps, before=before, seen=seen)
    done.known_traces = len(before)
    done.new_traces = len(seen - before)
    ensure_catalog(layout)


def _commit_chunk(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    done: Imported,
    steps: Steps,
    *,
    before: set[str],
    seen: set[str],
) -> None:
    listing = scan(layout)
    ids = con.execute(
        "select distinct trace_id from record where k in ('span', 'trace')"
    ).fetchall()
    spans = _count(con, "select count(*) from record where k = 'span'")
    _find_known(con, layout, listing, {trace_id for (trace_id,) in ids})
    there = con.execute(
        "select distinct trace_id from known where k in ('span', 'trace')"
    ).fetchall()
    before |= {trace_id for (trace_id,) in there} - seen
    seen |= {trace_id for (trace_id,) in ids}
    stays = f"select {IDENTITY} from known where ended or place = 'hot'"
    con.execute(f"delete from record where ({IDENTITY}) in ({stays})")
    there_too = f"({IDENTITY}) in (select {IDENTITY} from known)"
    con.execute(f"delete from record where end_ns is null and {there_too}")
    new = _count(con, "select count(*) from record where k = 'span'")
    done.new_spans += new
    done.known_spans += spans - new
    if not _count(con, "select count(*) from record"):
        return
    carried = _carry(con, layout, listing)
    _leave_items(con)
    covers = {f"{part.dirname}/open" for part in carried}
    after = max((part.act_ms for part in carried), default=0)
    name, _sizes = write_part(con, layout, covers, steps=steps, after_ms=after)
    done.parts.append(name.dirname)


def _find_known(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing, traces: Collection[str]
) -> None:
    """Make the table `known` of what the store has of the records, and where.

    Records of other traces than these are not looked at, so that what a program is writing
    meanwhile, which may be much, is not held in memory.
    """
    con.execute(
        "create or replace temp table known (k varchar, trace_id varchar, span_id varchar, "
        "owner varchar, seq bigint, ended boolean, place varchar)"
    )
    places = [("true", layout.part(part) / DATA, part.dirname) for part in listing.live_parts] + [
        ("false", layout.part(part) / OPEN, part.dirname) for part in listing.open_parts
    ]
    keys = ", ".join(_KEYS)
    for ended, path, place in places:
        try:
            con.execute(
                f"insert into known select {keys}, {ended}, ? from read_parquet({listed([path])}) "
                f"where ({IDENTITY}) in (select {IDENTITY} from record)",
                [place],
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:  # a damaged part: what it had is not there
            continue
    keys_found = [
        row
        for name in listing.live_segments
        for row in _rows_of(layout.segment(name))
        if row[0] not in ("span", "trace") or row[1] in traces
    ]
    columns = [[row[at] for row in keys_found] for at in range(len(_KEYS))]
    con.execute(
        "insert into known select *, false, 'hot' from (select unnest(?::varchar[]), "
        "unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::bigint[])) "
        f"as found({keys}) where ({IDENTITY}) in (select {IDENTITY} from record)",
        columns,
    )


def _rows_of(segment: Path) -> Iterator[tuple[Any, ...]]:
    """What tells the rows of a segment apart, of a process that is still writing it."""
    with contextlib.suppress(FileNotFoundError), segment.open("rb") as file:
        for line in file:
            if check_line(line.rstrip(b"\n")) and (fields := orjson.loads(line))["k"] != "item":
                yield tuple(fields.get(key) for key in _KEYS)


def _carry(con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing) -> list[PartName]:
    """Take over what else is open in parts whose open rows end now, with its items."""
    ending = {place for (place,) in con.execute(
        f"select distinct place from known where not ended and place <> 'hot' "
        f"and ({IDENTITY}) in (select {IDENTITY} from record where end_ns is not null)"
    ).fetchall()}  # fmt: skip
    carried = [part for part in listing.open_parts if part.dirname in ending]
    for part in carried:
        source = f"read_parquet({listed([layout.part(part) / OPEN])})"
        found = {row[0] for row in con.execute(f"describe select * from {source}").fetchall()}
        names = ", ".join(f'"{column.name}"' for column in RECORD if column.name in found)
        con.execute(
            f"insert into record ({names}) select {names} from {source} "
            f"where ({IDENTITY}) not in (select {IDENTITY} from record)"
        )
        con.execute(
            f"insert into item select hash, value from "
            f"read_parquet({listed([layout.part(part) / ITEMS])}) "
            f"where hash not in (select hash from item)"
        )
    return carried


def _leave_items(con: duckdb.DuckDBPyConnection) -> None:
    """Leave out items that no row refers to, be it by way of a list."""
    con.execute(
        f"create or replace temp table named as select distinct unnest({_HASHES}) as hash "
        f"from record"
    )
    con.execute(
        f"insert into named select unnest(regexp_extract_all(value::varchar, '[0-9a-f]{{32}}')) "
        f"from item where {_IS_LIST} and hash in (select hash from named)"
    )
    con.execute("delete from item where hash not in (select hash from named)")


@contextlib.contextmanager
def _when_alone(layout: Layout) -> Iterator[None]:
    """Hold the store's lock; whoever compacts is waited for."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with alone(layout) as ours:
            if ours:
                yield
                return
        if time.monotonic() > deadline:
            raise StoreError(
                f"The store {str(layout.catalog)!r} has been locked for {_WAIT_SECONDS:.0f} s. "
                f"One process at a time may compact it or import into it. Try again when the "
                f"other one is done."
            )
        time.sleep(_PAUSE)


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    found: Collection[int] | None = con.execute(query).fetchone()
    assert found is not None
    return next(iter(found))
