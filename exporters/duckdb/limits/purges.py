"""Purges: which traces are to be deleted, remembered until the last of their rows is gone.

A purge is a file in the store's folder `purges`, made whole before anything is deleted, and
removed when all of it is done. Whoever compacts carries out what is there, so that a deletion
which was cut short, by a crash or by a program that still writes, is finished the next time. Files
are never changed, so nobody needs a lock to ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from exporters.duckdb.layout import Layout, sync_file, sync_folder

_AGAIN_SECONDS = 60.0
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to be deleted.

    Attributes:
        traces: Ids of traces, every row of which goes.
        before_ns: Losses and deliveries that were counted before this go too.
        leftovers: Also what lies in quarantine and backups.
        path: The file that says so; None where it is not written yet.
    """

    traces: frozenset[str]
    before_ns: int = 0
    leftovers: bool = False
    path: Path | None = None


def submit(layout: Layout, purge: Purge) -> Purge:
    """Remember a purge; it survives a crash and a loss of power when this returns.

    Raises:
        OSError: If the store cannot be written.
    """
    folder = _folder(layout)
    folder.mkdir(exist_ok=True)
    said = {
        "traces": sorted(purge.traces),
        "before_ns": purge.before_ns,
        "leftovers": purge.leftovers,
    }
    draft = layout.tmp / f"purge-{secrets.token_hex(8)}"
    draft.write_text(json.dumps(said), encoding="ascii")
    sync_file(draft)
    path = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
    os.replace(draft, path)
    sync_folder(folder)
    return Purge(purge.traces, purge.before_ns, purge.leftovers, path)


def open_purges(layout: Layout) -> list[Purge]:
    """Purges that are not done, oldest first. A file that says nothing is put aside.

    Raises:
        OSError: If there are purges and they cannot be read.
    """
    found = []
    for path in _files(layout):
        try:
            said = json.loads(path.read_bytes())
            traces = frozenset(str(trace_id) for trace_id in said["traces"])
            found.append(Purge(traces, int(said["before_ns"]), bool(said["leftovers"]), path))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            path.rename(path.with_suffix(".damaged"))
    return found


def settle(purges: Collection[Purge], left: Collection[str]) -> None:
    """Forget the purges of which nothing is left to do; look at the others again later.

    Raises:
        OSError: If the store cannot be written.
    """
    for purge in purges:
        if purge.path is None:
            continue
        if purge.traces.isdisjoint(left):
            purge.path.unlink(missing_ok=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.utime(purge.path)


def is_purge_due(layout: Layout) -> bool:
    """Whether a purge waits that nobody has looked at for a while."""
    try:
        return any(time.time() - path.stat().st_mtime >= _AGAIN_SECONDS for path in _files(layout))
    except OSError:
        return False


def _folder(layout: Layout) -> Path:
    return layout.root / "purges"


def _files(layout: Layout) -> list[Path]:
    try:
        names = sorted(os.listdir(_folder(layout)))
    except FileNotFoundError:
        return []
    return [_folder(layout) / name for name in names if name.endswith(_SUFFIX)]
