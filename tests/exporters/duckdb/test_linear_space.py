"""Space grows with what is new: a long loop is stored once, not once a turn."""

from __future__ import annotations

import argparse
import inspect
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.recorder import Recorder
from exporters.duckdb.upkeep.compaction import compact
from tracer import (
    DefaultTraceProvider,
    agent_span,
    function_span,
    generation_span,
    set_trace_provider,
    trace,
)

TURNS = 300
TOOLS = 8
DEFINITIONS = [{"type": "function", "name": f"tool_{n}", "strict": True} for n in range(TOOLS)]
INSTRUCTIONS = "Search until you know."


def texts(size: int) -> Iterator[str]:
    """Pieces of real text of about a size, no two alike."""
    corpus = inspect.getsource(argparse)
    chance = random.Random(1)
    number = 0
    while True:
        at = chance.randrange(len(corpus) - 2 * size)
        yield f"{(number := number + 1)} {corpus[at : at + chance.randrange(size, 2 * size)]}"


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Loop:
    """An agent's loop of model calls, each of which gets all that was said before.

    Attributes:
        distinct: Every distinct JSON value that there was to record.
        history: What the next model call gets.
    """

    def __init__(self, size: int) -> None:
        self.distinct: set[str] = {json.dumps(INSTRUCTIONS), *map(json.dumps, DEFINITIONS)}
        self.history: list[dict[str, Any]] = []
        self._texts = texts(size)
        self.say({"role": "user", "content": next(self._texts)})

    def say(self, item: dict[str, Any]) -> None:
        """One more item of the conversation."""
        self.history.append(item)
        self.distinct.add(json.dumps(item))

    def turn(self, number: int) -> None:
        """A model call, and the tools that it asks for."""
        calls: list[dict[str, Any]] = []
        for tool in range(TOOLS):
            arguments = json.dumps({"query": next(self._texts)[:200]})
            call_id = f"call_{number}_{tool}"
            calls.append({"type": "function_call", "call_id": call_id, "arguments": arguments})
        with generation_span(input=list(self.history), model="m") as span:
            span.span_data.instructions = INSTRUCTIONS
            span.span_data.tools = DEFINITIONS
            span.span_data.output = calls
            span.span_data.usage = {"input_tokens": 1000 * number, "output_tokens": 200}
        for call in calls:
            self.say(call)
        for call in calls:
            result = next(self._texts)
            with function_span("search", input=call["arguments"], output=result):
                self.distinct |= {json.dumps(call["arguments"]), json.dumps(result)}
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
            self.say(output)


@pytest.mark.parametrize("size", [200, 1000])
def test_linear_space(store: Path, size: int) -> None:
    """The later half of a loop takes hardly more than the first; parts no more than the content."""
    layout = Layout.of(store)
    recorder = Recorder(Journal(store, fallback=None))
    set_trace_provider(DefaultTraceProvider([recorder]))
    loop = Loop(size)
    with trace("loop"), agent_span("Researcher"):
        for number in range(TURNS):
            if number == TURNS // 2:
                first = size_of(layout.hot)
            loop.turn(number)
    recorder.shutdown()
    second = size_of(layout.hot) - first

    compact(store, grace_s=0.0)

    content = sum(map(len, loop.distinct))
    parts = size_of(layout.parts)
    print(f"{size=} {first=} {second=} {parts=} {content=}")
    assert len(loop.history) == 1 + TURNS * TOOLS * 2
    assert second <= 1.5 * first
    assert parts <= 1.5 * content


def test_slow_loop(store: Path) -> None:
    """A loop whose every turn takes longer than a segment may be old is not written again each."""
    written = []
    for pause in (0.0, 11.0):
        now = [1000.0]
        path = store.with_name(f"{pause}.duckdb")
        journal = Journal(path, fallback=None, clock=lambda now=now: now[0])  # type: ignore[misc]
        set_trace_provider(DefaultTraceProvider([Recorder(journal)]))
        loop = Loop(500)
        with trace("loop"):
            for number in range(80):
                loop.turn(number)
                now[0] += pause
                journal.tend()
        journal.close()
        written.append(size_of(journal.store.hot))

    assert written[1] <= 1.5 * written[0]
