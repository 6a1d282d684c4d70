"""The runs of `flightlog demo`, told one by one as they are recorded."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import openai

from exporters.duckdb import recorder
from exporters.store import TraceRow, TraceStore
from exporters.wording import plural
from runtime.testing import openai_stub
from tracer import add_trace_processor, set_trace_processors
from tracer.config import settings
from viewer.cli.terminal import Terminal, cut, one_line, pad, terminal
from viewer.cli.usage import CommandError
from viewer.cli.wording import MARKS, duration
from viewer.demo.flights import Flight, fly
from viewer.demo.script import reply

_NAME, _STATUS, _WORDS = 16, 10, 72
_OVER = "\r\x1b[K"  # the line that says what is being done makes room for how that ended


def fly_to(store: TraceStore, path: Path, *, only: bool, live: bool) -> None:
    """Record the runs to the store at a path, and print a line for each.

    Args:
        store: Reads from there.
        path: Where the store is.
        only: Record there and nowhere else, whatever the settings name.
        live: Ask the real API.

    Raises:
        CommandError: If the API does not answer.
    """
    _record_to(path, only=only)
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


def _record_to(path: Path, *, only: bool) -> None:
    """Have the store of this command recorded to, whatever else the settings name."""
    if only:
        set_trace_processors([recorder(path)])
    elif "duckdb" not in settings().exporters:
        add_trace_processor(recorder(path))


async def _flights(store: TraceStore, client: openai.AsyncOpenAI) -> None:
    target = terminal()
    seen = target.width is not None

    def begun(flight: Flight) -> None:
        if seen:
            sys.stdout.write(target.paint(f"  … {flight.name}", "dim"))
            sys.stdout.flush()

    try:
        async with client:
            async for _, trace_id in fly(client, begun):
                print((_OVER if seen else "") + line(store.get(trace_id), target), flush=True)
    finally:
        if seen:  # whatever ended it midway is told in a line of its own
            sys.stdout.write(_OVER)
            sys.stdout.flush()


def line(row: TraceRow, target: Terminal) -> str:
    """A run in a line: how it ended, how long it took, and what it said."""
    mark = MARKS[row.status]
    said = row.output if row.first_cause is None else row.first_cause.message
    facts = f"{pad(duration(row.duration_ms), 8, right=True)}  {plural(row.span_count, 'span'):>8}"
    start = f"  {mark.glyph} {pad(row.name, _NAME)} {pad(row.status, _STATUS)}{facts}  "
    return target.paint(target.cut(start + cut(one_line(said or ""), _WORDS)), mark.colour)
