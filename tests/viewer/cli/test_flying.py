"""The runs of the demo as one sees them come."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from exporters.memory import MemoryStore
from tracer import custom_span, trace
from tracer.config import child_environ
from tracer.provider import DefaultTraceProvider
from tracer.setup import set_trace_provider
from viewer.cli import flying
from viewer.cli.terminal import Terminal
from viewer.demo.flights import Flight


async def nothing(_config: object) -> None:
    """A run that does nothing."""


class Client:
    """A client that asks nobody."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Two runs, of which the second ends as `openai` ends without a network."""
    store = MemoryStore()

    async def fly(
        _client: object, begun: Callable[[Flight], None]
    ) -> AsyncIterator[tuple[Flight, str]]:
        first = Flight(name="First", fly=nothing)
        begun(first)
        with trace("First") as one, custom_span("step"):
            pass
        yield first, one.trace_id
        begun(Flight(name="Second", fly=nothing))
        raise openai.OpenAIError("no network")

    provider = DefaultTraceProvider()
    provider.set_processors([store])
    set_trace_provider(provider)
    monkeypatch.setattr(flying, "fly", fly)
    return store


async def fly(store: MemoryStore) -> None:
    """The runs, until one fails."""
    with pytest.raises(openai.OpenAIError):
        await flying._flights(store, cast(Any, Client()))


def test_what_is_flying(
    flights: MemoryStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal a run is named while it goes on; how it ended takes the place of that."""
    monkeypatch.setattr(flying, "terminal", lambda: Terminal(80, colour=False))

    asyncio.run(fly(flights))

    first, second = capsys.readouterr().out.split("\n")
    assert first.startswith("  … First\r\x1b[K  ✔ First")
    assert second == "  … Second\r\x1b[K"


def test_into_a_file(
    flights: MemoryStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere there is a line for each run, and nothing that only a terminal understands."""
    monkeypatch.setattr(flying, "terminal", lambda: Terminal(None, colour=False))

    asyncio.run(fly(flights))

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("  ✔ First")
    assert "\x1b" not in line


def test_said_first(tmp_path: Path) -> None:
    """What takes long to load is not loaded before the demo has said what it does."""
    heavy = ("openai", "fastapi", "runtime", "viewer.demo.flights")
    script = f"import sys, viewer.cli.demo; print([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=child_environ(FLIGHTLOG_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == "[]\n", done.stderr
