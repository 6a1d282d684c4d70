"""The loop over real clients: both APIs of OpenAI and the scripted model come to the same."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from runtime import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from runtime.testing import (
    ScriptedModel,
    error,
    handoff_to,
    hang,
    openai_stub,
    refusal,
    structured,
    text,
    tool_call,
    tool_calls,
)
from runtime.thread_loop import run_in_thread_loop
from tracer.testing import Capture

APIS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


class Weather(BaseModel):
    city: str
    degrees: int


@function_tool
def double(n: int) -> int:
    """Double."""
    return 2 * n


@function_tool
def failing(n: int) -> int:
    """Fail."""
    raise ValueError(f"no {n}")


def several(n: int) -> list[tuple[str, dict[str, int]]]:
    """Calls of both tools."""
    return [("double", {"n": n}), ("failing", {"n": n})]


SCRIPTS = {
    "answer": [text("hello")],
    "tools": [tool_calls(several(1)), tool_calls(several(2)), text("done")],
    "handoff": [tool_call("double", {"n": 1}), handoff_to("B"), text("I am B")],
    "several handoffs": [handoff_to("B") + handoff_to("A"), text("I am B")],
    "text and call": [text("wait") + tool_call("double", {"n": 1}), text("done")],
    "refusal": [refusal("never")],
    "unknown tool": [tool_call("other")],
    "bad arguments": [tool_call("double", "{"), text("sorry")],
    "max turns": [tool_call("double", {"n": n}) for n in range(4)],
    "typed": [structured(Weather(city="Oslo", degrees=1))],
    "badly typed": [text("no JSON")],
}


def team(model: Model, name: str) -> Agent[Any]:
    """An agent with tools, that can hand off to another."""
    output = Weather if "typed" in name else None
    b = Agent("B", model=model)
    a = Agent("A", instructions="Help.", tools=[double, failing], model=model, output_type=output)
    a.handoffs = [b, a]
    return a


async def drained(agent: Agent[Any], **options: Any) -> Any:
    """Read a streamed run to its end."""
    result = Runner.run_streamed(agent, "go", **options)
    async for _ in result.stream_events():
        pass
    return result


def ended(verb: str, client: AsyncOpenAI | None, agent: Agent[Any]) -> Any:
    """Run with a verb; close the client in the loop that used it."""

    async def closing(run: Any) -> Any:
        try:
            return await run
        finally:
            if client is not None:
                await client.close()

    if verb == "run":
        return asyncio.run(closing(Runner.run(agent, "go", max_turns=3)))
    if verb == "run_streamed":
        return asyncio.run(closing(drained(agent, max_turns=3)))
    try:
        return Runner.run_sync(agent, "go", max_turns=3)
    finally:
        if client is not None:
            run_in_thread_loop(client.close())


def account(verb: str, client: AsyncOpenAI | None, agent: Agent[Any]) -> dict[str, Any]:
    """What a run comes to: everything that must not depend on verb or model."""
    with Capture() as capture:
        failure: Any = None
        result: Any = None
        try:
            result = ended(verb, client, agent)
        except Exception as caught:  # noqa: BLE001 - whatever it is, all must agree on it
            failure = caught
        details = failure.run_data if failure is not None else result
        tree = capture.tree().replace("response gpt-test", "call")
        return {
            "error": type(failure).__name__,
            "output": result.final_output if result is not None else None,
            "agent": details.last_agent.name,
            "items": [item.type for item in details.new_items],
            "answers": [
                item.raw_item["output"]
                for item in details.new_items
                if item.type == "tool_call_output_item"
            ],
            "requests": details.context_wrapper.usage.requests,
            "spans": tree.replace("generation gpt-test", "call").replace(
                "generation scripted", "call"
            ),
        }


@pytest.mark.parametrize("verb", ["run", "run_sync", "run_streamed"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_models_agree(name, api, verb):
    """A script comes to the same over the wire as with the scripted model."""
    expected = account("run", None, team(ScriptedModel(SCRIPTS[name]), name))

    with openai_stub(SCRIPTS[name]) as stub:
        client = stub.client()
        found = account(verb, client, team(APIS[api]("gpt-test", client), name))

    assert found == expected


@pytest.mark.parametrize("verb", ["run", "run_sync", "run_streamed"])
@pytest.mark.parametrize("api", APIS)
def test_server_error(api, verb):
    """An error of the server comes out as the client's own, with the run's data and trace."""
    with openai_stub([error(400, "no such model")]) as stub, Capture() as capture:
        client = stub.client()
        with pytest.raises(openai.BadRequestError) as caught:
            ended(verb, client, Agent("A", model=APIS[api]("gpt-test", client)))

    assert caught.value.run_data.new_items == []
    assert caught.value.trace_id == capture.traces[0].trace_id
    assert not capture.open_spans


@pytest.mark.parametrize("api", APIS)
def test_leaving_a_silent_server(api):
    """A run over a server that never answers can be left; nothing of it stays."""

    async def main(stub: Any) -> Any:
        async with stub.client() as client:
            agent = Agent("A", model=APIS[api]("gpt-test", client))
            result = Runner.run_streamed(agent, "go")
            async for _ in result.stream_events():
                break
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(Runner.run(agent, "go"), 0.05)
        return result

    with openai_stub([hang(), hang()]) as stub, Capture() as capture:
        result = asyncio.run(main(stub))

    assert result.is_complete
    assert not capture.open_spans
