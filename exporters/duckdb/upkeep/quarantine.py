"""Quarantine: damaged files are put out of everybody's way, and what that costs is counted.

A part that cannot be read fails every question about the store, so it goes; nothing in it is
changed, and a note beside it says why. What it replaced counts again by itself where it is still
there. Rows that are nowhere else are a loss, which stands in a segment of its own before the part
is moved; its name is made of the part's, so that a crash in between does not count it twice.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

import orjson

from exporters.duckdb.layout import (
    Layout,
    PartName,
    SegmentName,
    list_parts,
    list_segments,
    parse_part,
    parse_segment,
    read_covers,
    sync_file,
    sync_folder,
)
from exporters.duckdb.parts import read_manifest
from exporters.duckdb.recording.lines import check_line, encode_line, loss_line, split_lines
from exporters.duckdb.upkeep.readable import expected, shares
from tracer.logger import logger

DAMAGED = "damaged part"
_ROW = re.compile(rb'"k":"(?:span|trace|loss|delivery)"')


def quarantine_part(layout: Layout, part: PartName, why: str) -> int:
    """Move a damaged part out of the way, with a note beside it.

    Args:
        layout: The store.
        part: The part.
        why: What is wrong with it, for people.

    Returns:
        How many rows are lost: those that no source which is still there has. 0 where somebody
        else has moved it before.

    Raises:
        OSError: If the store cannot be written.
    """
    folder = layout.part(part)
    if not os.path.lexists(folder):
        return 0
    left = _rows_left(layout, part)
    lost = max(0, rows_of(layout, part) - left)
    if lost:
        # Where some rows are elsewhere too, nobody knows which ones are not.
        missing = {} if left else expected(layout, part)
        _record_loss(layout, part, shares(lost, missing))
    cost = (
        f"None of it could be saved: {lost} rows are missing from the store"
        if lost
        else "No row was lost"
    )
    if not move_aside(layout, folder, why, cost=cost):
        return 0
    return lost


def move_aside(layout: Layout, path: Path, why: str, *, cost: str = "") -> bool:
    """Move a file or folder into quarantine and say so; False where it is gone already.

    Args:
        layout: The store.
        path: The file or folder.
        why: What is wrong with it, for people.
        cost: What was saved of it and what was not, as a sentence.

    Raises:
        OSError: If the store cannot be written.
    """
    layout.quarantine.mkdir(exist_ok=True)
    target = layout.quarantine / path.name
    if os.path.lexists(target):
        target = target.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError):
        sync_folder(path.parent)
    note = f"{why.partition(chr(10))[0][:200].rstrip('.')}.{f' {cost}.' if cost else ''}"
    with contextlib.suppress(OSError):
        target.with_name(f"{target.name}.txt").write_text(f"{note}\n", encoding="utf-8")
    logger.warning(
        "%r was moved to %r: %s What cannot be read must not keep the rest of the store from "
        "being read. It may be the only copy: restore it from a backup, or delete it if you do not "
        "need it.",
        str(path),
        str(target),
        note,
    )
    return True


def is_replaceable(layout: Layout, part: PartName) -> bool:
    """Whether everything that a part replaced is still there, so that it can be made again."""
    direct = read_covers(layout, part)
    if not direct:
        return False
    inner: set[str] = set()
    for name in direct:
        if (source := parse_part(name)) is not None and _is_there(layout, name):
            inner |= read_covers(layout, source)
    return all(_is_there(layout, name) or name in inner for name in direct)


def rows_of(layout: Layout, part: PartName, *, open_too: bool = True) -> int:
    """How many rows a part has, as far as anything still says; at least one."""
    return _counted(layout, part, open_too=open_too) or 1


def _rows_left(layout: Layout, part: PartName) -> int:
    """How many rows the sources have that count again without this part."""
    mine = read_covers(layout, part)
    hidden: set[str] = set()
    for other in list_parts(layout):
        if other != part:
            hidden |= read_covers(layout, other)
    left = 0
    for source in list_parts(layout):
        if source.dirname in mine - hidden:
            left += _counted(layout, source, open_too=f"{source.dirname}/open" not in hidden)
        elif f"{source.dirname}/open" in mine - hidden:
            left += _counted(layout, source) - _counted(layout, source, open_too=False)
    segments = [name for name in list_segments(layout) if name.filename in mine - hidden]
    return left + _rows_in(layout, segments)


def _counted(layout: Layout, part: PartName, *, open_too: bool = True) -> int:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = read_manifest(layout, part)
        return int(said["rows"]) + (int(said["open"]) if open_too else 0)
    return 0


def _rows_in(layout: Layout, segments: Collection[SegmentName]) -> int:
    """How many different rows segments have."""
    found: set[tuple[object, ...]] = set()
    for name in segments:
        with contextlib.suppress(OSError):
            for line in split_lines(layout.segment(name).read_bytes()):
                if _ROW.search(line, 0, 64) and check_line(line):
                    row = orjson.loads(line)
                    key = row.get("seq") if row["k"] in ("loss", "delivery") else None
                    found.add((row["k"], row.get("trace_id"), row.get("span_id"), key))
    return len(found)


def _record_loss(layout: Layout, part: PartName, lost: Mapping[str | None, int]) -> None:
    """A segment with a line for each trace, which nobody holds and the next compaction takes."""
    name = SegmentName(part.act_ms, "quarantine", 0, part.rand)
    draft = layout.hot / f"{name.filename}.{secrets.token_hex(4)}.tmp"
    with draft.open("wb") as file:
        for number, (trace_id, count) in enumerate(lost.items(), 1):
            line = loss_line("duckdb", DAMAGED, count, trace_id, part.act_ms * 1_000_000)
            line.fields.update(seq=number, owner=name.owner)
            file.write(encode_line(line)[0])
    sync_file(draft)
    os.replace(draft, layout.segment(name))
    sync_folder(layout.hot)


def _is_there(layout: Layout, name: str) -> bool:
    """Whether a source that a part covers still has what it had."""
    base = name.partition("/")[0]
    if parse_segment(base) is None:
        return (layout.parts / base).is_dir()
    try:
        return (layout.hot / base).stat().st_size > 0
    except OSError:
        return False
