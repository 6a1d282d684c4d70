"""`flightlog demo`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
from pathlib import Path
from typing import Any

import openai

import exporters
from exporters.duckdb import recorder
from exporters.duckdb.layout import Layout, create
from exporters.store import TraceRow, TraceStore
from runtime.testing import openai_stub
from tracer import add_trace_processor, set_trace_processors
from tracer.config import settings
from viewer.cli import sql, view
from viewer.cli.opening import store_path
from viewer.cli.terminal import Terminal, cut, one_line, pad, terminal
from viewer.cli.usage import CommandError, UsageError
from viewer.cli.wording import MARKS, duration, plural
from viewer.demo.flights import fly
from viewer.demo.script import reply

EXAMPLE = "flightlog demo --view"
_SUMMARY = (
    "SELECT name, status, round(duration_ms) AS ms, span_count, input_tokens, output_tokens "
    "FROM traces ORDER BY started_at DESC LIMIT 8"
)
_NAME, _STATUS, _WORDS = 16, 10, 72


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
    _record_to(path, replace=bool(args.store))
    with contextlib.closing(exporters.open_store(path)) as store:
        print("Recording eight runs of demo agents on", "the real API:" if args.live else _STUB)
        _fly(store, live=args.live)
        print(f'\n$ flightlog sql "{_SUMMARY}"', flush=True)
        sql.show(store.sql(_SUMMARY), "table")
    _say_where(path, given=args.store)
    if args.view:
        return view.run(argparse.Namespace(**vars(args), **_VIEW))
    return 0


_STUB = "a scripted model (no key, no network):"
_VIEW: dict[str, Any] = {"host": "127.0.0.1", "port": None, "no_browser": False, "allow_host": []}


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


def _record_to(path: Path, *, replace: bool) -> None:
    """Have the store of this command recorded to, whatever else the settings name."""
    if replace:
        set_trace_processors([recorder(path)])
    elif "duckdb" not in settings().exporters:
        add_trace_processor(recorder(path))


def _fly(store: TraceStore, *, live: bool) -> None:
    try:
        if live:
            asyncio.run(_flights(store, openai.AsyncOpenAI()))
        else:
            with openai_stub(reply) as stub:
                asyncio.run(_flights(store, stub.client()))
    except openai.OpenAIError as error:
        raise CommandError(
            f"The API did not answer: {one_line(str(error))}. The runs before are recorded. "
            f"Check OPENAI_API_KEY and the network, or leave --live out."
        ) from error


async def _flights(store: TraceStore, client: openai.AsyncOpenAI) -> None:
    target = terminal()
    async with client:
        async for _, trace_id in fly(client):
            print(_line(store.get(trace_id), target), flush=True)


def _line(row: TraceRow, target: Terminal) -> str:
    """A run in a line: how it ended, how long it took, and what it said."""
    mark = MARKS[row.status]
    said = row.output if row.first_cause is None else row.first_cause.message
    facts = f"{pad(duration(row.duration_ms), 8, right=True)}  {plural(row.span_count, 'span'):>8}"
    start = f"  {mark.glyph} {pad(row.name, _NAME)} {pad(row.status, _STATUS)}{facts}  "
    return target.paint(target.cut(start + cut(one_line(said or ""), _WORDS)), mark.colour)


def _say_where(path: Path, *, given: str | None) -> None:
    option = f" --store {given}" if given else ""
    command = "flightlog" if shutil.which("flightlog") else str(Path(sys.argv[0]))
    print(f"\nThe record is in {path} (views) and {path}.d (data). Look at it:\n")
    print(f"  {command} view{option}")
    print(f"  {command} show last{option}")
    print(f'  {command} sql{option} "SELECT type, count(*) FROM spans GROUP BY 1"')
