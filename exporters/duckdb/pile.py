"""What a recorder does at its exit: start somebody who looks after the store, where there is need.

With a viewer open, or after a command, there is none; this is for programs that record day after
day and are never looked at, and for the one who opens `traces.duckdb` with a tool of their own
before any command of ours has made it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from exporters.duckdb.layout import Layout

_BYTES = 64 * 1024 * 1024
_FILES = 40
_LATELY_SECONDS = 30.0


def has_piled_up(layout: Layout) -> bool:
    """Whether segments are many or large, and the last compaction is not just over."""
    with contextlib.suppress(OSError):
        if time.time() - layout.lock.stat().st_mtime < _LATELY_SECONDS:
            return False
        files = [entry.stat().st_size for entry in os.scandir(layout.hot) if entry.is_file()]
        return len(files) > _FILES or sum(files) > _BYTES
    return False


def start_helper(layout: Layout) -> bool:
    """Start a process of its own that compacts or makes the catalog; says whether it did."""
    if not sys.executable or not layout.exists:
        return False
    if has_piled_up(layout):
        module = "exporters.duckdb.compaction"
    elif not os.path.lexists(layout.catalog):
        module = "exporters.duckdb.catalog"
    else:
        return False
    # -P: the folder that the program runs in must not bring modules of the same names.
    command = [sys.executable, "-P", "-m", module, "--store", str(layout.catalog)]
    try:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    started.returncode = 0  # on its own from here: nobody waits for it
    return True
