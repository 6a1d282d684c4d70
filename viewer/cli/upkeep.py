"""Compaction beside a viewer: it is there for hours, and it is what wants to read quickly."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from exporters.duckdb.layout import Layout
from exporters.duckdb.upkeep.compaction import due
from exporters.duckdb.upkeep.retention import Limits, configured
from exporters.store import StoreError
from tracer.config import usable_settings

_FIRST = 2.0
"""Seconds before the first look: the page is to be there first."""
_EVERY = 30.0
_HELPER = "exporters.duckdb.upkeep.compaction"


@contextlib.contextmanager
def compacting(store: Path) -> Iterator[None]:
    """Compact the store whenever it is worth it, for as long as the block lasts.

    The limits of the settings are kept to where it is the store of the settings. Another one, such
    as an export that somebody sent, is only looked at and loses nothing.
    """
    over = threading.Event()
    threading.Thread(target=_watch, args=(store, over), name="upkeep", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(store: Path, over: threading.Event) -> None:
    pause = _FIRST
    limits = configured() if is_ours(store) else Limits()
    while not over.wait(pause):
        pause = _EVERY
        with contextlib.suppress(StoreError, OSError):  # reading tells of it where it matters
            if due(store, limits):
                _compact(store)


def is_ours(store: Path) -> bool:
    """Whether a store is the one that the settings name."""
    return Layout.of(store) == Layout.of(usable_settings().store)


def _compact(store: Path) -> None:
    """Once, in a process of its own: it takes memory, and it may outlive the viewer."""
    command = [sys.executable, "-P", "-m", _HELPER, "--store", str(store)]
    subprocess.run(
        command if is_ours(store) else [*command, "--no-limits"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
