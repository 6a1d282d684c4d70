"""`flightlog version`."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version as version_of

from tracer.version import __version__
from viewer.cli.opening import store_path
from viewer.cli.terminal import visible

EXAMPLE = "flightlog version"


def add_arguments(_: argparse.ArgumentParser, /) -> None:
    """It takes none of its own."""


def run(args: argparse.Namespace) -> int:
    """Print what a report of a fault needs."""
    print(f"flightlog {__version__}")
    print(f"python    {platform.python_version()}")
    print(f"duckdb    {version_of('duckdb')}")
    print(f"store     {visible(str(store_path(args)))}")
    return 0
