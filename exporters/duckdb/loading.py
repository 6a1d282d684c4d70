"""Loading segments: good lines become rows of a table, bad ones are kept aside and counted.

DuckDB reads the segment's own file where every line of it is sound, which is nearly always.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb
import orjson

from exporters.duckdb.layout import Layout, SegmentName
from exporters.duckdb.lines import check_line, split_lines
from exporters.duckdb.parts import listed
from exporters.duckdb.schema import ITEM, LINE_LIMIT, RECORD


def load(
    con: duckdb.DuckDBPyConnection, layout: Layout, names: Sequence[SegmentName], folder: Path
) -> dict[SegmentName, int]:
    """Make the table `line`, and fill `item`; says how many lines of which segment are bad.

    Args:
        con: Where the tables `record` and `item` are.
        layout: The store.
        names: The segments to read.
        folder: Where drafts may be written.

    Raises:
        OSError: If a segment cannot be read, or what is bad cannot be kept aside.
    """
    con.execute(
        "create temp table line as select * from record, (select hash, value from item) where false"
    )
    good: dict[SegmentName, Path] = {}
    bad: dict[SegmentName, int] = {}
    for name in names:
        good[name], bad[name] = _salvage(layout, name, folder)
    try:
        _read(con, list(good.values()))
    except duckdb.Error:
        con.execute("delete from line")
        for name, path in good.items():
            bad[name] += _read_carefully(con, layout, name, path)
    con.execute(
        "insert into item select hash, any_value(value) from line where k = 'item' group by hash"
    )
    return {name: count for name, count in bad.items() if count}


def _read(con: duckdb.DuckDBPyConnection, paths: Collection[Path]) -> None:
    columns = ", ".join(f"'{field.name}': '{field.type}'" for field in (*RECORD, *ITEM))
    con.execute(
        f"insert into line select * from read_json({listed(paths)}, "
        f"format='newline_delimited', columns={{{columns}}}, "
        f"maximum_object_size={LINE_LIMIT + 65536}) where k is not null"
    )


def _salvage(
    layout: Layout, name: SegmentName, folder: Path, *, parse: bool = False
) -> tuple[Path, int]:
    """A file with the good lines of a segment, itself if all are; and how many are bad."""
    path = layout.segment(name)
    data = path.read_bytes()
    bad: list[bytes] = []
    good: list[bytes] = []
    for line in split_lines(data):
        sound = check_line(line) and (not parse or _parses(line))
        (good if sound else bad).append(line)
    if not bad and not parse:
        return path, 0
    (layout.quarantine / f"{name.filename}.bad").write_bytes(b"\n".join(bad) + b"\n")
    clean = folder / name.filename
    clean.write_bytes(b"".join(line + b"\n" for line in good))
    return clean, len(bad)


def _read_carefully(
    con: duckdb.DuckDBPyConnection, layout: Layout, name: SegmentName, path: Path
) -> int:
    """Read one segment of a batch that DuckDB refused; says how many more lines are bad."""
    with contextlib.suppress(duckdb.Error):
        _read(con, [path])
        return 0
    before = sum(1 for _ in split_lines(path.read_bytes()))
    folder = layout.tmp / f"careful-{name.filename}"
    folder.mkdir(exist_ok=True)
    clean, _ = _salvage(layout, name, folder, parse=True)
    after = sum(1 for _ in split_lines(clean.read_bytes()))
    try:
        _read(con, [clean])
        return before - after
    except duckdb.Error:
        (layout.quarantine / f"{name.filename}.bad").write_bytes(path.read_bytes())
        return before
    finally:
        clean.unlink(missing_ok=True)
        folder.rmdir()


def _parses(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
