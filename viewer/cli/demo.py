"""`flightlog demo`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import exporters
from exporters.duckdb.layout import Layout, create
from tracer.config import settings
from viewer.cli import sql
from viewer.cli.opening import store_path
from viewer.cli.usage import UsageError

EXAMPLE = "flightlog demo --view"
_SUMMARY = (
    "SELECT name, status, round(duration_ms) AS ms, span_count, input_tokens, output_tokens, "
    "cost_usd FROM traces ORDER BY started_at DESC LIMIT 8"
)
_STUB = "a scripted model (no key, no network):"
_VIEW: dict[str, Any] = {"host": "127.0.0.1", "port": None, "no_browser": False, "allow_host": []}
# They bring agents, the model client and a web server: something is to be said before that.
_FLYING, _VIEWING = "viewer.cli.flying", "viewer.cli.view"


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `demo` takes."""
    parser.add_argument(
        "--live", action="store_true", help="ask the real API; needs OPENAI_API_KEY"
    )
    parser.add_argument("--view", action="store_true", help="open the viewer afterwards")


def run(args: argparse.Namespace) -> int:
    """Record the demo's runs, sum them up, and say where they are."""
    path = store_path(args)
    _check(path, live=args.live)
    print(
        "Recording eight runs of demo agents on",
        "the real API:" if args.live else _STUB,
        flush=True,
    )
    with contextlib.closing(exporters.open_store(path)) as store:
        import_module(_FLYING).fly_to(store, path, only=bool(args.store), live=args.live)
        print(f'\n$ flightlog sql "{_SUMMARY}"', flush=True)
        sql.show(store.sql(_SUMMARY), "table")
    _say_where(path, given=args.store)
    if args.view:
        code: int = import_module(_VIEWING).run(argparse.Namespace(**vars(args), **_VIEW))
        return code
    return 0


def _check(path: Path, *, live: bool) -> None:
    """Refuse at once what would fail in the middle."""
    found = settings()
    if found.disabled:
        raise UsageError(
            "Recording is disabled by FLIGHTLOG_DISABLED or OPENAI_AGENTS_DISABLE_TRACING, so the "
            "demo would have nothing to show. Unset the variable, then run it again."
        )
    if live and not found.openai_api_key:
        raise UsageError(
            "--live asks OpenAI's API, but OPENAI_API_KEY is not set. The real API needs a key. "
            "Set it, or leave --live out."
        )
    create(Layout.of(path))


def _say_where(path: Path, *, given: str | None) -> None:
    option = f" --store {given}" if given else ""
    command = "flightlog" if shutil.which("flightlog") else str(Path(sys.argv[0]))
    print(f"\nThe record is in {path} (views) and {path}.d (data). Look at it:\n")
    print(f"  {command} view{option}")
    print(f"  {command} show last{option}")
    print(f'  {command} sql{option} "SELECT type, count(*) FROM spans GROUP BY 1"')
