"""What the tests of the runtime share: a record of spans, and the three verbs as one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime import Agent, Runner, RunResult, RunResultStreaming
from tracer.testing import Capture

VERBS = ("run", "run_sync", "run_streamed")


async def finish(result: RunResultStreaming) -> RunResultStreaming:
    """Read a streamed run to its end."""
    async for _ in result.stream_events():
        pass
    return result


async def leaving_nothing(work: Any) -> Any:
    """Await `work`, and see to it that no task outlives it."""
    try:
        return await work
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"


def run_with(verb: str, agent: Agent[Any], *args: Any, **options: Any) -> Any:
    """Run an agent to its end with one of the three verbs."""
    if verb == "run_sync":
        return Runner.run_sync(agent, *args, **options)
    if verb == "run":
        return asyncio.run(leaving_nothing(Runner.run(agent, *args, **options)))

    async def streamed() -> RunResultStreaming:
        return await finish(Runner.run_streamed(agent, *args, **options))

    return asyncio.run(leaving_nothing(streamed()))


@pytest.fixture(params=VERBS)
def run(request: pytest.FixtureRequest) -> Callable[..., RunResult]:
    """One of the three verbs: runs an agent to its end and returns the result."""
    return lambda agent, *args, **options: run_with(request.param, agent, *args, **options)


@pytest.fixture(autouse=True)
def collects_between_tests() -> Iterator[None]:
    """Garbage is collected between tests, where no event loop runs.

    An `openai` client that an earlier test left behind closes itself, once it is collected, in a
    new task of whatever loop is running then. A test that looks for tasks left behind by its own
    work would find those.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def capture() -> Iterator[Capture]:
    """A record of every span of the test."""
    with Capture() as capture:
        yield capture
        assert not capture.open_spans, "spans were left open"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keeps runs of tests that do not look at spans out of any store."""
    with Capture():
        yield
