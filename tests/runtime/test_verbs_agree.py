"""The three verbs are one loop: whatever the model does, they come to the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import Agent, Runner, RunResult, function_tool
from runtime.testing import (
    Answer,
    Reply,
    ScriptedModel,
    raises,
    reasoning,
    refusal,
    text,
    tool_call,
)
from tracer.testing import Capture


@function_tool
async def double(n: int) -> int:
    """Double."""
    return 2 * n


@function_tool
def threaded(n: int) -> str:
    """Answer from a thread."""
    return f"thread {n}"


@function_tool
def failing(n: int) -> str:
    """Fail, and tell."""
    raise ValueError(f"failed {n}")


@function_tool(failure_error_function=None)
def fatal(n: int) -> str:
    """Fail, and end the run."""
    raise KeyError(n)


numbers = st.integers(0, 9)
calls = st.builds(
    lambda name, n: tool_call(name, {"n": n}, call_id=f"call_{name}_{n}"),
    st.sampled_from(["double", "threaded", "failing"]),
    numbers,
)
rare_calls = st.sampled_from(
    [
        tool_call("fatal", {"n": 1}, call_id="call_fatal"),
        tool_call("double", "{", call_id="call_bad"),
        tool_call("unknown", call_id="call_unknown"),
    ]
)
handoffs = st.sampled_from(["A", "B", "C"]).map(
    lambda name: tool_call(f"transfer_to_{name.lower()}", call_id=f"call_to_{name}")
)
thoughts = st.sampled_from(["hm", "so"]).map(reasoning)
words = st.sampled_from(["yes", "no", ""]).map(text)
refusals = st.just(refusal("never"))
errors = st.sampled_from([raises(ConnectionError("offline")), Answer(parts=())])


def several(parts: list[Answer]) -> Answer:
    """Several things said in one turn."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


steps = st.one_of(
    st.lists(st.one_of(calls, thoughts), min_size=1, max_size=4).map(several),
    st.lists(st.one_of(calls, handoffs, thoughts), min_size=1, max_size=4).map(several),
    rare_calls,
)
ends = st.one_of(words, words, refusals, errors)
scripts = st.builds(lambda body, end: [*body, end], st.lists(steps, max_size=5), ends)


def team(script: list[Reply]) -> Agent[Any]:
    """Three agents that can all reach each other, sharing the script."""
    model = ScriptedModel(script)
    tools = [double, threaded, failing, fatal]
    agents = [Agent(name, tools=tools, model=model) for name in "ABC"]
    for agent in agents:
        agent.handoffs = list(agents)
    return agents[0]


def shape(item: dict[str, Any]) -> dict[str, Any]:
    """An item without the ids that differ from run to run."""
    return {key: value for key, value in item.items() if key != "id"}


def account(ended: Any, failure: BaseException | None, capture: Capture) -> dict[str, Any]:
    """Everything two runs must agree on."""
    details = getattr(failure, "run_data", None) if failure is not None else ended
    return {
        "error": (type(failure).__name__, str(failure).partition("response 'resp")[0]),
        "items": [shape(dict(item.to_input_item())) for item in details.new_items],
        "output": ended.final_output if ended is not None else None,
        "agent": details.last_agent.name,
        "requests": details.context_wrapper.usage.requests,
        "spans": capture.tree(),
        "open": set(capture.open_spans),
        "errors": sorted(
            (span.name, json.loads(span.error)["message"].partition("response 'resp")[0])
            for span in capture.spans
            if span.error
        ),
    }


def outcome(verb: Any, script: list[Reply]) -> dict[str, Any]:
    """What a run with `verb` comes to."""
    with Capture() as capture:
        try:
            ended = verb(team(script), "go", max_turns=4)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the verbs must agree on it
            return account(None, failure, capture)
        return account(ended, None, capture)


def streamed(agent: Agent[Any], *args: Any, **options: Any) -> Any:
    """Read a streamed run to its end; its events must be its items."""

    async def main() -> Any:
        result = Runner.run_streamed(agent, *args, **options)
        seen = [
            event.item
            async for event in result.stream_events()
            if event.type == "run_item_stream_event"
        ]
        assert seen == result.new_items
        return result

    return asyncio.run(main())


def awaited(agent: Agent[Any], *args: Any, **options: Any) -> RunResult:
    """Run to the end."""
    return asyncio.run(Runner.run(agent, *args, **options))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=scripts)
def test_verbs_agree(script):
    """Any script ends in the same items, output, error, usage and spans for all three verbs."""
    expected = outcome(awaited, script)

    assert expected["open"] == set()
    assert outcome(Runner.run_sync, script) == expected
    assert outcome(streamed, script) == expected


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=scripts)
def test_calls_answered(script):
    """In what a run leaves, each call of a finished turn has one answer, after it."""
    try:
        result = awaited(team(script), "go", max_turns=4)
    except Exception:  # noqa: BLE001 - only runs that end well are looked at
        return

    items = result.to_input_list()
    called = [item["call_id"] for item in items if item.get("type") == "function_call"]
    answered = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert sorted(called) == sorted(answered)
