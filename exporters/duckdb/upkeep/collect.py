"""Collection: deleting what parts have replaced, in bursts and after a time of grace.

Someone who reads the store with plain SQL may have listed a file before it was replaced and open
it a little later. So a replaced file stays for a while; a segment is then emptied, which no reader
minds, and deleted the next time; and all that happens once in ten minutes rather than all the
time. Covers are shortened last, so a crash at any point only leaves work for the next time.

The caller holds the store's lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from exporters.duckdb.layout import (
    COVERS,
    Layout,
    Listing,
    PartName,
    is_locked,
    is_there,
    read_covers,
    scan,
    sync_folder,
)
from exporters.duckdb.parts import Steps, nothing

GRACE_S = 120.0
EVERY_S = 600.0
STALE_S = 600.0


@dataclass(slots=True)
class Collected:
    """How much was emptied and deleted."""

    emptied: int = 0
    segments: int = 0
    parts: int = 0
    strays: int = 0


def is_collection_due(layout: Layout) -> bool:
    """Whether the last collection is long enough ago."""
    try:
        return time.time() - layout.gc.stat().st_mtime >= EVERY_S
    except OSError:
        return True


def collect(
    layout: Layout, *, grace_s: float = GRACE_S, stale_s: float = STALE_S, steps: Steps = nothing
) -> Collected:
    """Delete what parts replaced longer than `grace_s` ago, and drafts that nobody finished.

    Raises:
        OSError: If the store cannot be changed.
    """
    done = Collected()
    listing = scan(layout)
    replaced = _replaced(layout, listing, time.time() - grace_s)
    sync_folder(layout.parts)  # whoever committed a part may have died before this
    _collect_segments(layout, listing, replaced, done, steps)
    _collect_parts(layout, listing, replaced, done, steps)
    _collect_strays(layout, listing, stale_s, done)
    steps("strays")
    for part in scan(layout).live_parts:
        _shorten_covers(layout, part)
    steps("shortened")
    layout.gc.touch()
    return done


def _replaced(layout: Layout, listing: Listing, before_s: float) -> frozenset[str]:
    """What a part covers that has been active since before a moment."""
    names: set[str] = set()
    for part in listing.parts:
        if part.act_ms <= before_s * 1000:
            names |= read_covers(layout, part)
    return frozenset(names)


def _collect_segments(
    layout: Layout, listing: Listing, replaced: frozenset[str], done: Collected, steps: Steps
) -> None:
    for name in listing.segments:
        path = layout.segment(name)
        if name.filename not in replaced or is_locked(path):
            continue
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size:
                os.truncate(path, 0)
                done.emptied += 1
                steps("emptied")
            else:
                path.unlink()
                done.segments += 1
                steps("unlinked")


def _collect_parts(
    layout: Layout, listing: Listing, replaced: frozenset[str], done: Collected, steps: Steps
) -> None:
    for part in listing.parts:
        if part.dirname not in replaced:
            continue
        grave = layout.tmp / f"dead-{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(layout.part(part), grave)  # all of it vanishes at once
            done.parts += 1
            steps("buried")
        shutil.rmtree(grave, ignore_errors=True)


def _collect_strays(layout: Layout, listing: Listing, stale_s: float, done: Collected) -> None:
    """Drafts of the dead, and empty segments that nobody holds."""
    for folder, wanted in ((layout.tmp, ""), (layout.hot, ".ndjson.tmp")):
        for entry in list(os.scandir(folder)):
            if entry.name.endswith(wanted) and _is_stale(Path(entry.path), stale_s):
                _remove(Path(entry.path))
                done.strays += 1
    for name in listing.live_segments:
        path = layout.segment(name)
        with contextlib.suppress(FileNotFoundError):
            if _is_stale(path, stale_s) and not is_locked(path) and not path.stat().st_size:
                path.unlink()
                done.strays += 1


def _is_stale(path: Path, stale_s: float) -> bool:
    try:
        return time.time() - path.lstat().st_mtime >= stale_s
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _shorten_covers(layout: Layout, part: PartName) -> None:
    """Keep the names of what is still there; nothing that is gone comes back."""
    left = sorted(name for name in read_covers(layout, part) if is_there(layout, name))
    write_covers(layout, part, left)


def write_covers(layout: Layout, part: PartName, names: Collection[str]) -> bool:
    """Make a part's file of covers say this, whole at once; says whether it said else before.

    Raises:
        OSError: If it cannot be written.
    """
    text = "".join(f"{name}\n" for name in sorted(names)).encode()
    target = layout.part(part) / COVERS
    with contextlib.suppress(OSError):
        if target.read_bytes() == text:
            return False
    draft = layout.tmp / f"covers-{secrets.token_hex(8)}"
    draft.write_bytes(text)
    with contextlib.suppress(OSError):  # nearly always it is a file, which this leaves alone
        target.rmdir()
    os.replace(draft, target)
    return True
