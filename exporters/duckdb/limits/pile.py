"""When a store needs somebody who looks after it, and how that one is started.

A recorder asks at each sealing and at its exit. With a viewer open, or after a command, there is
no need; this is for programs that record day after day and are never looked at, which have to be
compacted and kept within their limits while they run, and for the one who opens `traces.duckdb`
with a tool of their own before any command of ours has made it.

With a limit of the disk everything is smaller: how large a segment may grow, how much may pile up,
and how much is compacted or merged at once, for all of that takes its place beside the parts.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import time

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import Layout, is_held
from exporters.duckdb.limits.purges import is_purge_due
from exporters.duckdb.limits.shedding import is_too_much, shed
from tracer.config import child_environ, usable_settings

_BYTES = 64 * 1024 * 1024
_FILES = 40
_LATELY_SECONDS = 30.0
_LATELY_LIMITED = 2.0  # where more would be too much within half a minute
_SMALLEST = 64 * 1024
_started: list[subprocess.Popen[bytes]] = []
_leaving = threading.Event()
_HELPER, _CATALOG = "exporters.duckdb.upkeep.compaction", "exporters.duckdb.views.catalog"


def share(usual: int, divisor: int, max_disk: int | None) -> int:
    """A size as it is without a limit of the disk, or less: that part of the limit.

    Args:
        usual: Bytes without a limit.
        divisor: Which part of the limit it may take at most.
        max_disk: The limit; None for none.
    """
    if max_disk is None:
        return usual
    return max(_SMALLEST, min(usual, max_disk // divisor))


def segment_limit(usual: int, max_disk: int | None) -> int:
    """How large a segment may grow before it is sealed.

    One of a long loop may grow to eight times that and what it has to carry, see `rotation`: a
    twelfth of a limit of the disk. While it is written nothing can be deleted of it.
    """
    return share(usual, 100, max_disk)


def has_piled_up(layout: Layout, max_disk: int | None = None) -> bool:
    """Whether segments are many or large, and the last compaction is not just over."""
    with contextlib.suppress(OSError):
        age = time.time() - layout.lock.stat().st_mtime
        if age < (_LATELY_SECONDS if max_disk is None else _LATELY_LIMITED):
            return False
        sizes = [size_of(entry.path) for entry in os.scandir(layout.hot) if entry.is_file()]
        return sum(sizes) > share(_BYTES, 20, max_disk) or (
            len(sizes) > _FILES and age >= _LATELY_SECONDS
        )
    return False


def start_helper(layout: Layout, *, ours: bool = True) -> bool:
    """Start a process of its own that compacts or makes the catalog; says whether it did.

    Cheap where there is no need. Only one of many who ask at once starts somebody.

    Args:
        layout: The store.
        ours: Whether the limits of the settings are meant for this store: the recorder's own.
            Else they are where it is the store of the settings: one that a user only looks into,
            such as somebody's export, is not cut down to them.
    """
    _reap()
    if not sys.executable or not layout.exists:
        return False
    words = needed(layout, ours=ours)
    if words is None:
        return False
    with contextlib.suppress(OSError):
        os.utime(layout.lock)  # the next one who asks sees that somebody is at it
    return _start(words)


def needed(layout: Layout, *, ours: bool) -> list[str] | None:
    """The module that has something to do, with its arguments; None where nothing has."""
    chosen = usable_settings()
    limited = ours or Layout.of(chosen.store) == layout
    max_disk = chosen.max_disk if limited else None
    shed_some = ours and relieve(layout, max_disk)
    store = ["--store", str(layout.catalog)]
    due = shed_some or has_piled_up(layout, max_disk) or is_purge_due(layout)
    if due and not is_held(layout.lock):
        return [_HELPER, *store] if limited else [_HELPER, *store, "--no-limits"]
    # Who compacts makes the catalog when all else is done: nobody has to wait for that.
    if not os.path.lexists(layout.catalog):
        return [_CATALOG, *store]
    return None


def relieve(layout: Layout, max_disk: int | None) -> bool:
    """Where the limit is near, do not wait for anybody: delete the oldest segments.

    A recorder does it itself, in the thread that records where its daemon falls behind: with so
    much to do, a limit can be kept in no other way. It takes some milliseconds. Says whether any
    trace goes: somebody has to delete what parts and other segments have of it, see `shedding`.
    """
    if max_disk is None:
        return False
    with contextlib.suppress(OSError):
        if is_too_much(size_of(layout.root), max_disk):
            return bool(shed(layout, max_disk, steps=lambda _: None))
    return False


def _start(words: list[str]) -> bool:
    # -P: the folder that the program runs in must not bring modules of the same names.
    command = [sys.executable, "-P", "-m", *words]
    if any(process.args == command for process in _started):
        return False  # on a machine with much to do it takes longer than many a sealing
    try:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environ(),
        )
    except OSError:
        return False
    _started.append(started)
    if _leaving.is_set():  # at the exit of this process nobody will ask after it
        _let_go()
    return True


def _reap() -> None:
    """Ask after those that were started: one that is done stays a zombie until then."""
    _started[:] = [process for process in _started if process.poll() is None]


def _let_go() -> None:
    """At the end of this process those that were started are on their own; nobody waits."""
    _leaving.set()
    for process in _started:
        process.returncode = 0


atexit.register(_let_go)
