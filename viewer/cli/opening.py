"""The store that a command is about."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

import exporters
from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pile import start_helper
from exporters.store import TraceStore
from tracer import plugins
from tracer.config import Settings, settings


def checked_settings() -> Settings:
    """The settings, once it is sure that they can be followed.

    A wrong name in `FLIGHTLOG_EXPORTERS` means that programs record nothing; whoever then looks
    for their traces is told so here.

    Raises:
        ConfigError: If a setting cannot be followed.
    """
    found = settings()
    if found.exporters != ("duckdb",):  # looking names up takes a while, and this one is ours
        for name in found.exporters:
            plugins.find(name)
    return found


def store_path(args: argparse.Namespace) -> Path:
    """Where the store is: as the command says, else as the settings do."""
    found = checked_settings()
    return Path(args.store).expanduser() if args.store else found.store


@contextlib.contextmanager
def opened(args: argparse.Namespace) -> Iterator[TraceStore]:
    """The store, for as long as the block lasts."""
    path = store_path(args)
    try:
        with contextlib.closing(exporters.open_store(path)) as store:
            yield store
    finally:
        # What has piled up is compacted by whoever comes by.
        start_helper(Layout.of(path), ours=False)
