"""The footprint: how many bytes of the disk a store takes, and which of them could go at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporters.duckdb.layout import Layout, scan

_BLOCK = 512  # what `st_blocks` counts in, whatever the file system's blocks are


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of the store's folder.

    Attributes:
        total: All of it: segments, parts, quarantine, backups, what is being made.
        replaced: Segments and parts that a part covers, and that only a time of grace keeps.
        waiting: Segments that are in no part yet.
    """

    total: int
    replaced: int
    waiting: int = 0

    @property
    def kept(self) -> int:
        """What is left when the grace is over."""
        return self.total - self.replaced


def footprint(layout: Layout) -> Footprint:
    """What the store takes now; files that vanish meanwhile count for nothing."""
    listing = scan(layout)
    replaced = 0
    for name in listing.covered:
        if "/" not in name:
            folder = layout.parts if name.startswith("p-") else layout.hot
            replaced += size_of(folder / name)
    waiting = sum(size_of(layout.segment(name)) for name in listing.live_segments)
    return Footprint(size_of(layout.root), replaced, waiting)


def size_of(path: Path | str) -> int:
    """Bytes that a file or folder takes; a file of one byte takes a block."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    if not _is_folder(found):
        return _bytes(found)
    return sum(size_of(entry) for entry in _entries(path))


def _entries(path: Path | str) -> Iterator[str]:
    try:
        with os.scandir(path) as found:
            yield from [entry.path for entry in found]
    except OSError:
        return


def _is_folder(found: os.stat_result) -> bool:
    return found.st_mode & 0o170000 == 0o040000


def _bytes(found: os.stat_result) -> int:
    return max(found.st_size, getattr(found, "st_blocks", 0) * _BLOCK)
