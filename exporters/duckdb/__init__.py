"""The local store: append-only segments, immutable Parquet parts, and a catalog of views.

`recorder()` is the way in for recording; importing it loads neither DuckDB nor Arrow.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pile import segment_limit
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.recorder import Recorder
from exporters.duckdb.recording.rotation import SEGMENT_LIMIT
from tracer.config import usable_settings

__all__ = ["Recorder", "recorder"]

_recorders: dict[Path, Recorder] = {}


def recorder(path: str | os.PathLike[str] | None = None) -> Recorder:
    """The process's recorder to a store, by default the one that the settings name.

    One recorder serves every tracer of the process, so this may be called for each:

        agents.add_trace_processor(exporters.duckdb.recorder())

    Nothing is opened before the first trace. A store that cannot be written is one line in the
    log, and recording goes on in a fallback store that the line names. A variable that cannot be
    followed is one line too, and is taken as unset.
    """
    chosen = usable_settings()
    store = Layout.of(path if path is not None else chosen.store)
    known = _recorders.get(store.catalog)
    if known is not None:
        return known
    fallback = None if chosen.state is None else fallback_store(chosen.state, store.catalog)
    limit = segment_limit(SEGMENT_LIMIT, chosen.max_disk)
    made = Recorder(
        Journal(store.catalog, fallback=fallback, sync=chosen.sync, segment_limit=limit)
    )
    return _recorders.setdefault(store.catalog, made)


def fallback_store(state: Path, store: Path) -> Path:
    """The store where recording goes on, in a folder of state, when `store` cannot be written."""
    digest = hashlib.blake2b(os.fsencode(store), digest_size=4).hexdigest()
    return state / "fallback" / f"{store.stem}-{digest}.duckdb"
