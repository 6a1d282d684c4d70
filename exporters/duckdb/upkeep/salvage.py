"""Salvage: what a damaged part still holds becomes a new part, and the damaged one goes.

Where everything that the part replaced is still there, nothing needs saving: the part is put into
quarantine and made again from its sources. Else each of its files is read row group by row group,
and in a damaged one column by column; what can be read is written anew, and the rows that cannot
are counted as lost. Rows without a column that cannot be read stay, and what they lack is counted
once for each trace. Spans whose content was in a damaged file stay, show that their content is
gone, and it is counted. Plain SQL sees the new part at once, because the damaged one, which would
fail it, goes at once.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb

from exporters.duckdb.layout import (
    COVERS,
    DATA,
    ITEMS,
    MANIFEST,
    OPEN,
    TRACES,
    Layout,
    PartName,
    is_there,
    parse_part,
    parse_segment,
    read_covers,
    scan,
)
from exporters.duckdb.parts import (
    RECORD_COLUMNS,
    Steps,
    create_tables,
    damaged_files,
    quoted,
    read_manifest,
    renew_summaries,
    workspace,
    write_part,
)
from exporters.duckdb.recording.lines import loss_line
from exporters.duckdb.schema import ITEM, RECORD
from exporters.duckdb.upkeep.collect import write_covers
from exporters.duckdb.upkeep.packing import insert_row, source
from exporters.duckdb.upkeep.quarantine import (
    DAMAGED,
    is_replaceable,
    move_aside,
    quarantine_part,
    rows_of,
)
from exporters.duckdb.upkeep.readable import (
    COUNTS,
    KEYS,
    Piece,
    expected,
    is_whole,
    pieces,
    shares,
)
from exporters.duckdb.upkeep.unfound import NO_CONTENT, unfound

_NEEDED = (DATA, OPEN, ITEMS)
_MAGIC = b"PAR1"


@dataclass(slots=True)
class Mended:
    """What was found damaged and what became of it.

    Attributes:
        salvaged: New parts that hold what could be read.
        quarantined: Names of what was moved away.
        restored: Parts whose covers or summaries were written again.
        lost: Rows that are gone.
        problems: What could not be dealt with, one sentence each.
        unreadable: Parts that are left as they are, for want of permission.
    """

    salvaged: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    lost: int = 0
    problems: list[str] = field(default_factory=list)
    unreadable: set[PartName] = field(default_factory=set)


class _Saved(NamedTuple):
    """What was saved of a part: how many of its rows, and which columns some of those lack."""

    part: PartName
    rows: int
    of: int
    lacking: tuple[str, ...]

    def told(self) -> str:
        """It in a sentence."""
        without = f", some without {', '.join(self.lacking)}" if self.lacking else ""
        return f"{self.rows} of {self.of} rows were saved{without}; they are in {self.part.dirname}"


def mend(layout: Layout, done: Mended, steps: Steps) -> None:
    """Deal with what is damaged as far as names, sizes and ends of files tell, which costs little.

    Raises:
        OSError: If the store cannot be written.
        duckdb.Error: If a part cannot be written.
    """
    _clear_strangers(layout, done)
    listing = scan(layout)
    for part in set(listing.parts) - set(listing.live_parts):
        # Replaced, and a crash came before it was moved: plain SQL would fail on it.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            why = _flaw(layout, part)
            if why is not None and not why.startswith(TRACES):
                move_aside(layout, layout.part(part), f"{why}; it was replaced before")
                done.quarantined.append(part.dirname)
    for part in listing.live_parts:
        try:
            why = _flaw(layout, part)
        except PermissionError as error:
            done.unreadable.add(part)
            done.problems.append(_forbidden(error))
            continue
        if why is not None:
            if why.startswith(TRACES) and _renewed(layout, part):
                done.restored.append(part.dirname)
                steps("restored")
                continue
            rescue(layout, part, why, done, steps)
        elif _restore_covers(layout, part):
            done.restored.append(part.dirname)


def examine(layout: Layout, parts: Iterable[PartName], done: Mended, steps: Steps) -> bool:
    """Read parts that something failed on, and deal with those that are damaged.

    A part that is as it was written is not damaged, whatever failed.

    Returns:
        Whether any was.

    Raises:
        OSError: If the store cannot be written.
        duckdb.Error: If a part cannot be written.
    """
    found = False
    for part in parts:
        if not layout.part(part).exists():
            continue
        bad = [name for name in damaged_files(layout, part) if name != MANIFEST]
        unreadable = [name for name in (bad or _NEEDED) if not _reads(layout, part, name)]
        if unreadable and (bad or not _is_summed(layout, part)):
            rescue(layout, part, f"{', '.join(unreadable)} cannot be read", done, steps)
            found = True
    return found


def rescue(layout: Layout, part: PartName, why: str, done: Mended, steps: Steps) -> None:
    """Replace a damaged part by what can be read of it, or by what it was made of.

    Raises:
        OSError: If the store cannot be written.
        duckdb.Error: If the new part cannot be written.
    """
    if not is_replaceable(layout, part):
        new = _rewrite(layout, part, done, steps)
        if new is not None:
            done.salvaged.append(new.part.dirname)
            steps("salvaged")
            if move_aside(layout, layout.part(part), why, cost=new.told()):
                done.quarantined.append(part.dirname)
            steps("quarantined")
            return
    done.lost += quarantine_part(layout, part, why)
    done.quarantined.append(part.dirname)
    steps("quarantined")


def _clear_strangers(layout: Layout, done: Mended) -> None:
    """Take away what is named like a segment or part and is a folder, or is none."""
    for folder, wanted, known in (
        (layout.hot, stat.S_ISREG, parse_segment),
        (layout.parts, stat.S_ISDIR, parse_part),
    ):
        for entry in list(os.scandir(folder)):
            with contextlib.suppress(FileNotFoundError):
                if known(entry.name) is not None and not wanted(entry.stat().st_mode):
                    kind = "file" if folder == layout.parts else "folder"
                    if move_aside(layout, Path(entry.path), f"it is no {folder.name} {kind}"):
                        done.quarantined.append(entry.name)


def _renewed(layout: Layout, part: PartName) -> bool:
    """Make the summaries again, which are nothing but a digest; False where that fails."""
    try:
        renew_summaries(layout, part)
    except (duckdb.Error, OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _flaw(layout: Layout, part: PartName) -> str | None:
    """What is wrong with a part at a glance: a missing file, or one that has no end.

    Raises:
        PermissionError: If it may not be read.
    """
    folder = layout.part(part)
    os.listdir(folder)
    for name in _expected(layout, part):
        try:
            with (folder / name).open("rb") as file:
                file.seek(0, os.SEEK_END)
                size = file.tell()
                file.seek(max(0, size - len(_MAGIC)))
                ends = file.read() == _MAGIC
        except (FileNotFoundError, IsADirectoryError):
            return f"{name} is missing"
        if not ends:
            return f"{name} is not whole"
    return None


def _expected(layout: Layout, part: PartName) -> tuple[str, ...]:
    """Files that a part has to have: a part of schema 1 has no summaries."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if TRACES in read_manifest(layout, part)["blake2b"]:
            return (*_NEEDED, TRACES)
    return _NEEDED


def _restore_covers(layout: Layout, part: PartName) -> bool:
    """Write the file of covers again where it is not what the manifest says of what is there."""
    try:
        said = set(map(str, read_manifest(layout, part)["covers"]))
        text = (layout.part(part) / COVERS).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
        said = set(read_covers(layout, part))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    there = {name for name in said if is_there(layout, name)}
    lines = text.splitlines()
    if there <= set(lines) <= said and (text.endswith("\n") or not text) and _has(layout, part):
        return False
    return write_covers(layout, part, there)


def _has(layout: Layout, part: PartName) -> bool:
    return (layout.part(part) / COVERS).exists()


def _is_summed(layout: Layout, part: PartName) -> bool:
    """Whether there are checksums to tell damage from trouble with reading."""
    with contextlib.suppress(OSError, ValueError):
        return "blake2b" in read_manifest(layout, part)
    return False


def _reads(layout: Layout, part: PartName, name: str) -> bool:
    with workspace(layout) as (con, _):
        return is_whole(con, layout.part(part) / name)


def _rewrite(layout: Layout, part: PartName, done: Mended, steps: Steps) -> _Saved | None:
    """Commit what a part still holds as a new one that covers it; None where that is no row."""
    folder = layout.part(part)
    files = [DATA, OPEN] if part in scan(layout).open_parts else [DATA]
    with workspace(layout) as (con, _):
        create_tables(con)
        con.execute("alter table record rename to more")
        rows = [f"select {RECORD_COLUMNS} from more"]
        lacking: Counter[tuple[str, str | None]] = Counter()
        for name in files:
            for piece in pieces(con, folder / name, KEYS):
                found = source(con, [folder / name], ", filename=true, file_row_number=true")
                rows.append(f"select {_columns(piece)} from ({found}) where {piece.where}")
                lacking += _lacking(con, piece, found)
        con.execute(f"create temp view record as {' union all '.join(rows)}")
        kept = con.execute("select trace_id, count(*) from record group by 1").fetchall()
        count = sum(each for _, each in kept)
        if not count:
            return None
        should = rows_of(layout, part, open_too=OPEN in files)
        lost = max(0, should - count)
        told: dict[tuple[str, str | None], int] = {}
        if lost:
            left = Counter(expected(layout, part) if OPEN in files else {})
            left.subtract({trace: each for trace, each in kept if trace is not None})
            told = {(DAMAGED, trace): each for trace, each in shares(lost, left).items()}
        told |= {(f"{DAMAGED}: column {name}", trace): n for (name, trace), n in lacking.items()}
        con.execute("drop table item")
        con.execute(f"create temp view item as {_readable(con, folder / ITEMS)}")
        if not is_whole(con, folder / ITEMS):
            told |= {(NO_CONTENT, trace): each for trace, each in unfound(con).items()}
        for number, ((reason, trace), each) in enumerate(told.items(), 1):
            fields = loss_line("duckdb", reason, each, trace, part.act_ms * 1_000_000).fields
            insert_row(con, "more", fields | {"owner": f"quarantine-0-{part.rand}", "seq": number})
        covers = {part.dirname, *read_covers(layout, part)}
        new, _sizes = write_part(con, layout, covers, steps=steps, after_ms=part.act_ms, delay_ms=0)
    done.lost += lost
    return _Saved(new, count, count + lost, tuple(sorted({name for name, _ in lacking})))


def _columns(piece: Piece) -> str:
    """The columns of a record, null where they cannot be read."""
    return ", ".join(
        f'null::{field.type} as "{field.name}"' if field.name in piece.unread else f'"{field.name}"'
        for field in RECORD
    )


def _lacking(
    con: duckdb.DuckDBPyConnection, piece: Piece, found: str
) -> Counter[tuple[str, str | None]]:
    """How many rows of each trace may have had a value in each column that cannot be read."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for column in sorted(piece.bad):
        kinds = "('loss', 'delivery')" if column in COUNTS else "('span', 'trace')"
        for trace, count in con.execute(
            f"select trace_id, count(*) from ({found}) "
            f"where ({piece.where}) and k in {kinds} group by 1"
        ).fetchall():
            counted[column, trace] += count
    return counted


def _readable(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """A query of the items that can be read."""
    names = frozenset(field.name for field in ITEM)
    where = " or ".join(piece.where for piece in pieces(con, path, names))
    if not where:
        return "select " + ", ".join(f"null::{f.type} as {f.name}" for f in ITEM) + " where false"
    return (
        f"select hash, value from read_parquet({quoted(path)}, file_row_number=true) where {where}"
    )


def _forbidden(error: OSError) -> str:
    return (
        f"{str(error.filename)!r} cannot be read ({error.strerror}). What is in it is left out. "
        f"Give yourself permission to read it."
    )
