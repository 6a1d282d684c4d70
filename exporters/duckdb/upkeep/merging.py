"""Merging: small parts become larger ones, so that a question opens few files.

Eight small parts are put together, and eight of those where parts are many, so that a row is
rewritten once or twice in its life. What a full batch became is not small, however little of the
disk it takes: after a burst nothing is written twice unless parts get many. The rows of the new
part stand as they stood in the old ones, one after the other: to sort them again would take the
memory of all of them, and gains nothing, for each row group has a Bloom filter of its traces.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import duckdb

from exporters.duckdb.layout import DATA, ITEMS, OPEN, Layout, Listing, PartName, read_covers, scan
from exporters.duckdb.limits.pile import share
from exporters.duckdb.parts import (
    RECORD_COLUMNS,
    PartError,
    Steps,
    listed,
    one_at_a_time,
    quoted,
    read_manifest,
    workspace,
    write_part,
)
from exporters.duckdb.upkeep.packing import IDENTITY, source

TIERS = (16 * 1024 * 1024, 128 * 1024 * 1024)
SMALL_RAW = 32 * 1024 * 1024
FAN_IN = 8
PART_LIMIT = 512 * 1024 * 1024
RAW_LIMIT = 2 * 1024 * 1024 * 1024
MANY_PARTS = 64
_RATIO = 6  # how much larger an old part may be when it is unpacked
_LARGE = 64 * 1024  # bytes of a value, on average in a row group
_DAY_S = 86_400


class Weight(NamedTuple):
    """How large a part is: on disk, and unpacked."""

    size: int
    raw: int


def weights(layout: Layout) -> dict[PartName, Weight]:
    """The sizes of the parts that count."""
    found = {}
    for part in scan(layout).live_parts:
        with contextlib.suppress(OSError):
            folder = layout.part(part)
            size = (folder / DATA).stat().st_size + (folder / ITEMS).stat().st_size
            raw = size * _RATIO
            with contextlib.suppress(OSError, ValueError, TypeError):
                raw = int(read_manifest(layout, part).get("raw_bytes", raw))
            found[part] = Weight(size, raw)
    return found


def mergeable(
    sizes: dict[PartName, Weight],
    listing: Listing,
    max_disk: int | None = None,
    *,
    skip: Collection[PartName] = (),
) -> list[PartName]:
    """Parts to put together next: eight of a size and a day; of any day where parts are many."""
    live = [part for part in listing.live_parts if part in sizes]
    many = len(live) >= MANY_PARTS
    limit = share(PART_LIMIT, 8, max_disk)
    below = 0
    for above in TIERS if many else TIERS[:1]:
        tier = [part for part in live if below <= sizes[part].size < above and part not in skip]
        if not many:
            tier = [part for part in tier if sizes[part].raw < SMALL_RAW]
        below = above
        days: dict[int, list[PartName]] = {}
        for part in tier:
            days.setdefault(part.from_s // _DAY_S, []).append(part)
        groups = [days[day] for day in sorted(days)]
        if many:
            groups.append(sorted(tier, key=lambda part: part.from_s))
        for group in groups:
            for first in range(len(group) - FAN_IN + 1):
                chosen = group[first : first + FAN_IN]
                if (
                    sum(sizes[part].size for part in chosen) <= limit
                    and sum(sizes[part].raw for part in chosen) <= RAW_LIMIT
                ):
                    return chosen
    return []


def merge(layout: Layout, group: Sequence[PartName], steps: Steps) -> PartName:
    """Write the part that replaces these parts.

    Raises:
        PartError: If the part does not hold what was written to it.
        duckdb.Error: If a part cannot be read, or the new one not written.
        OSError: If a part cannot be read, or the new one not written.
    """
    listing = scan(layout)
    if gone := [part.dirname for part in group if part not in listing.live_parts]:
        raise PartError(f"{gone[0]} does not count any more")
    covers = {part.dirname for part in group}
    for part in group:
        covers |= read_covers(layout, part)
    paths = [layout.part(part) / DATA for part in group]
    paths += [layout.part(part) / OPEN for part in group if part in listing.open_parts]
    with workspace(layout) as (con, _):
        one_at_a_time(con)
        rows = source(con, paths, ", filename=true, file_row_number=true")
        con.execute(f"create temp view row as {rows}")
        doubled = _doubled(con)
        where = "anti join doubled using (filename, file_row_number)" if doubled else ""
        con.execute(f"create temp view record as select {RECORD_COLUMNS} from row {where}")
        large = _expose_items(con, layout, group)
        steps("chosen")
        after = max(part.act_ms for part in group)
        name, _sizes = write_part(
            con, layout, covers, steps=steps, after_ms=after, ordered=False, large=large
        )
    return name


def _doubled(con: duckdb.DuckDBPyConnection) -> bool:
    """Find rows that another one of the group stands for; there are none unless locks failed."""
    count = con.execute(f"select count(*) - count(distinct hash({IDENTITY})) from row").fetchone()
    if count is None or not count[0]:
        return False
    con.execute(
        "create temp table doubled as select filename, file_row_number from row qualify "
        f"row_number() over (partition by {IDENTITY} order by rev desc, "
        "(end_ns is not null) desc, seq desc, filename) > 1"
    )
    return True


def _expose_items(
    con: duckdb.DuckDBPyConnection, layout: Layout, group: Sequence[PartName]
) -> list[str]:
    """Make the view `item` of all but large items, and give the queries of those.

    Which part's copy of an item goes is found without the values. A join or a filter collects
    rows until there are enough of them, so large ones must meet neither.
    """
    paths = [layout.part(part) / ITEMS for part in group]
    con.execute(
        "create temp table spare as select hash, "
        "unnest(list(filename order by filename)[2:]) as filename "
        f"from read_parquet({listed(paths)}, filename=true) group by hash having count(*) > 1"
    )
    groups = con.execute(
        "select file_name, row_group_num_rows, total_uncompressed_size from "
        f"parquet_metadata({listed(paths)}) where path_in_schema = 'value' "
        "order by file_name, row_group_id"
    ).fetchall()
    ends: Counter[str] = Counter()
    large: list[tuple[str, int, int]] = []
    for file, rows, size in groups:
        if size > rows * _LARGE:
            large.append((file, ends[file], ends[file] + rows))
        ends[file] += rows
    if not large:
        con.execute(
            f"create temp view item as select hash, value from "
            f"read_parquet({listed(paths)}, filename=true) anti join spare using (hash, filename)"
        )
        return []
    small = " union all ".join(
        f"select hash, value, filename from read_parquet({quoted(file)}, filename=true, "
        f"file_row_number=true) where {_outside(file, large)}"
        for file in sorted(ends)
    )
    con.execute(
        f"create temp view item as select hash, value from ({small}) "
        "anti join spare using (hash, filename)"
    )
    return [query for each in large if (query := _wanted(con, *each))]


def _outside(file: str, large: Sequence[tuple[str, int, int]]) -> str:
    """The condition for rows of a file that are in no row group of large values."""
    ranges = [(first, end) for name, first, end in large if name == file]
    inside = " or ".join(f"file_row_number between {first} and {end - 1}" for first, end in ranges)
    return f"not ({inside})" if inside else "true"


def _wanted(con: duckdb.DuckDBPyConnection, file: str, first: int, end: int) -> str:
    """A query of the rows of a row group that are not spare; empty where there are none."""
    source = f"read_parquet({quoted(file)}, filename=true, file_row_number=true)"
    rows = con.execute(
        f"select file_row_number from {source} anti join spare using (hash, filename) "
        f"where file_row_number between {first} and {end - 1} order by 1"
    ).fetchall()
    if not rows:
        return ""
    if len(rows) == end - first:
        where = f"file_row_number between {first} and {end - 1}"
    else:
        where = f"file_row_number in ({', '.join(str(row) for (row,) in rows)})"
    return f"select hash, value from {source} where {where}"
