"""Whether the files of a store are as they were written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporters.duckdb.doctor.facts import Damage
from exporters.duckdb.layout import (
    COVERS,
    DATA,
    ITEMS,
    MANIFEST,
    OPEN,
    SCHEMA_PART,
    Layout,
    Listing,
    PartName,
    is_locked,
    parse_part,
    parse_segment,
)
from exporters.duckdb.parts import damaged_files, read_manifest
from exporters.duckdb.recording.lines import check_line

_SMALL = 256 * 1024 * 1024  # parts of so many bytes in all are read whole
_LINES = 128 * 1024 * 1024  # segments are read up to so many bytes in all, the newest first
_MAGIC = b"PAR1"
_COUNTED = {DATA: "rows", OPEN: "open", ITEMS: "items"}
_LEAST = 12  # two magics and the length of the footer


def unread(layout: Layout, listing: Listing, *, thorough: bool) -> int:
    """How many bytes of parts `damage` does not read: none unless there are very many."""
    size = sum(_size(layout.part(part)) for part in listing.live_parts)
    return 0 if thorough or size <= _SMALL else size


def damage(layout: Layout, listing: Listing, *, thorough: bool) -> tuple[Damage, ...]:
    """Files and folders that are not as they were written."""
    found = list(_misplaced(layout))
    whole = not unread(layout, listing, thorough=thorough)
    for name in (DATA, OPEN, ITEMS):
        path = layout.parts / SCHEMA_PART / name
        if why := _parquet_damage(path) if _mode(path) else "":
            found.append(Damage(path=path, why=f"{why}; it holds no traces: delete its folder"))
    for part in listing.live_parts:
        if not stat.S_ISDIR(_mode(layout.part(part))):
            continue
        known = list(_part_damage(layout, part))
        if whole and not known:
            folder = layout.part(part)
            known = [
                Damage(
                    path=folder / name, why="its checksum differs", rows=_rows(layout, part, name)
                )
                for name in _differing(layout, part)
            ]
        found += known
    return tuple(found)


def bad_lines(layout: Layout, listing: Listing) -> tuple[int, int]:
    """How many lines of segments cannot be read, and how many segments have such."""
    lines = segments = read = 0
    for name in reversed(listing.live_segments):
        path = layout.segment(name)
        size = _size_of_file(path)
        if read + size > _LINES:
            break
        read += size
        try:
            data = path.read_bytes()
        except OSError:  # a folder, or denied: told of as such
            continue
        rest = data.rpartition(b"\n")[2]
        bad = sum(1 for line in data.split(b"\n")[:-1] if line and not check_line(line))
        # What is unfinished is still being written, or was when the process died: not damage.
        if rest and not is_locked(path) and not rest.startswith(b"{"):
            bad += 1
        lines += bad
        segments += bool(bad)
    return lines, segments


def _misplaced(layout: Layout) -> Iterator[Damage]:
    """What has the name of a segment or part and is something else."""
    for folder, parsed, wanted in (
        (layout.hot, parse_segment, stat.S_ISREG),
        (layout.parts, parse_part, stat.S_ISDIR),
    ):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            mode = _mode(folder / name)
            if parsed(name) is not None and mode and not wanted(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "no folder"
                what = "a segment is a file" if folder == layout.hot else "a part is a folder"
                yield Damage(path=folder / name, why=f"it is {kind}, and {what}")


def _part_damage(layout: Layout, part: PartName) -> Iterator[Damage]:
    """What can be told without reading much."""
    folder = layout.part(part)
    manifest: dict[str, Any] = {}
    try:
        manifest = read_manifest(layout, part)
    except FileNotFoundError:
        yield Damage(path=folder / MANIFEST, why="it is missing")
    except (OSError, ValueError):
        yield Damage(path=folder / MANIFEST, why="it cannot be read")
    sums = manifest.get("blake2b")
    for name in sums if isinstance(sums, dict) else (DATA, OPEN, ITEMS):
        why = _parquet_damage(folder / name)
        if why:
            yield Damage(path=folder / name, why=why)
    covers = folder / COVERS
    try:
        text = covers.read_bytes().decode()
    except FileNotFoundError:
        yield Damage(path=covers, why="it is missing")
    except (OSError, ValueError):
        yield Damage(path=covers, why="it cannot be read")
    else:
        if not all(_is_source(line) for line in text.splitlines()):
            yield Damage(path=covers, why="it holds what is no name of a segment or part")


def _parquet_damage(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(len(_MAGIC))
            if size < _LEAST:
                return f"it is cut short, at {size} bytes"
            file.seek(-8, os.SEEK_END)
            tail = file.read(8)
    except FileNotFoundError:
        return "it is missing"
    except PermissionError:
        return ""  # told of as denied
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if head != _MAGIC or tail[4:] != _MAGIC or int.from_bytes(tail[:4], "little") > size:
        return "it is no whole Parquet file"
    return ""


def _differing(layout: Layout, part: PartName) -> list[str]:
    try:
        return damaged_files(layout, part)
    except OSError:
        return []


def _rows(layout: Layout, part: PartName, name: str) -> int:
    """How many records a file of a part has, as its manifest says."""
    try:
        return int(read_manifest(layout, part)[_COUNTED[name]])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _is_source(line: str) -> bool:
    name, slash, rest = line.partition("/")
    if slash:
        return rest == "open" and parse_part(name) is not None
    return parse_part(line) is not None or parse_segment(line) is not None


def _size(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except OSError:
        return 0


def _size_of_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _mode(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0
