"""Loading segments: good lines become rows of a table, bad ones are kept aside and counted.

Nothing here holds more than a batch. Large items go into Parquet files of a few each, because
DuckDB holds a vector of rows at a time, and a value may have 16 MiB.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import orjson

from exporters.duckdb.layout import Layout, SegmentName
from exporters.duckdb.parts import listed, quoted
from exporters.duckdb.schema import ITEM, LINE_LIMIT, RECORD
from exporters.duckdb.upkeep.sieve import item_of, sift

_SMALLEST = 1024 * 1024  # DuckDB takes buffers of twice the longest line that it is told of
_COLUMNS = ", ".join(f"'{field.name}': '{field.type}'" for field in (*RECORD, *ITEM))


@dataclass(slots=True)
class Sieved:
    """What the sieve made of segments.

    Attributes:
        clean: Files with the good lines of each.
        large: Files with lines of large items.
        bad: How many lines of which segment could not be read.
        longest: Bytes of the longest good line.
    """

    clean: dict[SegmentName, Path] = field(default_factory=dict)
    large: dict[Path, SegmentName] = field(default_factory=dict)
    bad: Counter[SegmentName] = field(default_factory=Counter)
    longest: int = 0


@dataclass(slots=True)
class Loaded:
    """What came of loading.

    Attributes:
        bad: How many lines of which segment could not be read.
        large: Parquet files of large items.
    """

    bad: Counter[SegmentName]
    large: list[Path] = field(default_factory=list)


def sieve(layout: Layout, names: Sequence[SegmentName], folder: Path) -> Sieved:
    """Take what is worth loading out of segments, into files in a folder.

    Raises:
        OSError: If a segment cannot be read, or what is bad cannot be kept aside.
    """
    found = Sieved()
    items: set[bytes] = set()
    for name in names:
        target = folder / name.filename
        aside = _aside(layout, name)
        aside.unlink(missing_ok=True)
        sifted = sift(layout.segment(name), target, aside, items)
        found.clean[name] = target
        found.large |= dict.fromkeys(sifted.large, name)
        found.longest = max(found.longest, sifted.longest)
        if sifted.bad:
            found.bad[name] = sifted.bad
    return found


def load(con: duckdb.DuckDBPyConnection, layout: Layout, sieved: Sieved) -> Loaded:
    """Make the table `line` of what was sieved, large items excepted; its files are used up.

    Raises:
        OSError: If what is bad cannot be kept aside.
        duckdb.Error: If it is too much for the memory.
    """
    con.execute(
        "create or replace temp table line as "
        "select * from record, (select hash, value from item) where false"
    )
    done = Loaded(sieved.bad)
    try:
        _read(con, list(sieved.clean.values()), sieved.longest)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        con.execute("delete from line")
        for name, path in sieved.clean.items():
            if strange := _read_carefully(con, layout, name, path):
                done.bad[name] += strange
    for source, name in sieved.large.items():
        target = source.with_suffix(".parquet")
        if strange := _convert(con, source, target):
            done.bad[name] += strange
        done.large.append(target)
        source.unlink()
    for path in sieved.clean.values():
        path.unlink()
    return done


def _aside(layout: Layout, name: SegmentName) -> Path:
    """Where bad lines of a segment are kept."""
    return layout.quarantine / f"{name.filename}.bad"


def _convert(con: duckdb.DuckDBPyConnection, source: Path, target: Path) -> int:
    """Make a Parquet file of the lines of large items; says how many are no JSON."""
    strange = 0
    con.execute("create or replace temp table large as select hash, value from item limit 0")
    with source.open("rb") as file:
        for line in file:
            name, value = item_of(line)
            try:
                con.execute("insert into large values (?, ?::json)", [name, value.decode()])
            except (ValueError, duckdb.ConversionException, duckdb.InvalidInputException):
                strange += 1
    con.execute(f"copy large to {quoted(target)} (format parquet)")
    con.execute("drop table large")
    return strange


def _read(con: duckdb.DuckDBPyConnection, paths: Collection[Path], longest: int) -> None:
    con.execute(
        f"insert into line select * from read_json({listed(paths)}, "
        f"format='newline_delimited', columns={{{_COLUMNS}}}, "
        f"maximum_object_size={max(longest + 1024, _SMALLEST)}) where k is not null"
    )


def _read_carefully(
    con: duckdb.DuckDBPyConnection, layout: Layout, name: SegmentName, path: Path
) -> int:
    """Read one segment of a batch that DuckDB refused; says how many more lines are bad."""
    with contextlib.suppress(duckdb.Error):
        _read(con, [path], LINE_LIMIT)
        return 0
    lines = [line + b"\n" for line in path.read_bytes().split(b"\n") if line]
    strange = [line for line in lines if not _parses(line)]
    path.write_bytes(b"".join(line for line in lines if _parses(line)))
    try:
        _read(con, [path], LINE_LIMIT)
    except duckdb.Error:
        strange = lines
    with _aside(layout, name).open("ab") as file:
        file.writelines(strange)
    return len(strange)


def _parses(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
