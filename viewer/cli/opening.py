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
from viewer.cli.usage import CommandError


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
def opened(args: argparse.Namespace, *, new: bool = False) -> Iterator[TraceStore]:
    """The store, for as long as the block lasts.

    Args:
        args: What the command was given.
        new: Whether a store that the command names may be one that is still to come.

    Raises:
        CommandError: If the command names a store where there is none.
    """
    path = store_path(args)
    if args.store and not new:
        _require(path)
    try:
        with contextlib.closing(exporters.open_store(path)) as store:
            yield store
    finally:
        # What has piled up is compacted by whoever comes by.
        start_helper(Layout.of(path), ours=False)


def _require(path: Path) -> None:
    """Refuse a path with nothing there: of a slip in a name one must not hear that all is well."""
    layout = Layout.of(path)
    if _is_free(layout.root) and _is_free(layout.catalog):
        raise CommandError(
            f"No store is at {str(layout.catalog)!r}. --store takes the path of a store's file, as "
            f"flightlog version and flightlog doctor name it. Look for a slip in the path, or "
            f"leave --store out."
        )


def _is_free(path: Path) -> bool:
    """Whether nothing is there; what may not be looked at may be there."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
