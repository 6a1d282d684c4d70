"""What of a run is recorded, and what is not."""

from __future__ import annotations

import asyncio
import json

import pytest
from openai.types.responses import Response

from runtime import (
    Agent,
    GuardrailFunctionOutput,
    ModelSettings,
    RunConfig,
    Runner,
    custom_span,
    function_tool,
    input_guardrail,
    instrument,
    trace,
)
from runtime.items import ModelResponse
from runtime.models.interface import Model
from runtime.testing import ScriptedModel, TokenCounts, raises, text, tool_call
from runtime.usage import Usage


@function_tool
def echo(word: str) -> str:
    """Say it again."""
    return f"{word} {word}"


def data(span):
    """The span's data."""
    return json.loads(span.data)


def everything(capture):
    """All that was recorded, as one text."""
    return "\n".join(repr(record) for record in [*capture.traces, *capture.spans])


def test_model_call_is_whole(run, capture):
    """A model call is recorded with all it was given and all it answered."""
    usage = TokenCounts(input_tokens=7, output_tokens=5, cached_tokens=3, reasoning_tokens=2)
    model = ScriptedModel([text("hello", usage=usage)])
    agent = Agent(
        "A",
        instructions="Be kind.",
        tools=[echo],
        handoffs=[Agent("B")],
        model=model,
        model_settings=ModelSettings(
            temperature=0.5, extra_headers={"Authorization": "k"}, extra_query={"key": "hidden"}
        ),
    )

    result = run(agent, "hi there")

    (span,) = capture.of_type("generation")
    assert span.model == "scripted"
    assert (span.usage.input_tokens, span.usage.cached_tokens) == (7, 3)
    assert (span.usage.output_tokens, span.usage.reasoning_tokens) == (5, 2)
    whole = everything(capture)
    sent = ("Be kind.", "hi there", "Say it again.", "transfer_to_b", '"strict":true')
    for part in (*sent, "hello"):
        assert part in whole
    assert '"temperature":0.5' in whole
    assert result.last_response_id in whole
    assert "Authorization" not in whole
    assert "hidden" not in whole


def test_exit_is_veiled(run, capture):
    """Without content also what is no Exception is recorded by its type only."""

    async def leave(ctx, agent):
        raise SystemExit("secret reason")

    with pytest.raises(SystemExit):
        run(
            Agent("A", instructions=leave, model=ScriptedModel([])),
            "hi",
            run_config=RunConfig(trace_include_sensitive_data=False),
        )

    assert "secret" not in everything(capture)
    assert b'"message":"SystemExit"' in (capture.traces[0].error or b"")


def test_odd_response(capture, recwarn):
    """A response with parts that its class does not know is recorded without a word."""
    odd = Response.construct(id="r", model="m", output=[{"type": "message", "content": 5}])
    with trace("t"), instrument.model_call(instrument.Recording(), ScriptedModel([]), {}):
        instrument.record_response(odd)

    assert json.loads(b"[" + b",".join(capture.of_type("generation")[0].output) + b"]") == [
        {"type": "message", "content": 5}
    ]
    assert not recwarn.list


def test_silent_span(run, capture):
    """A run inside a span that is not recorded leaves nothing on the trace around it."""
    agent = Agent("A", model=ScriptedModel(["secret answer"]))

    with trace("t"), custom_span("quiet", disabled=True):
        run(agent, "secret question")

    assert capture.tree() == "trace t"
    assert "secret" not in everything(capture)


def test_trace_in_run(capture):
    """A trace that a tool opens has the question and answer of the run in it."""
    inner = Agent("inner", model=ScriptedModel(["inner answer"]))

    @function_tool
    async def look_up() -> str:
        """Look it up."""
        with trace("looking up"):
            return str((await Runner.run(inner, "inner question")).final_output)

    model = ScriptedModel([tool_call("look_up", {}), "answer"])
    asyncio.run(Runner.run(Agent("A", tools=[look_up], model=model), "question"))

    kept = {each.name: (each.input, each.output) for each in capture.traces}
    assert kept == {
        "looking up": (b'"inner question"', b'"inner answer"'),
        "Agent workflow": (b'"question"', b'"answer"'),
    }


def test_first_token(capture):
    """A streamed call has the time of its first output; one that is not streamed has none."""

    async def main():
        model = ScriptedModel([text("x"), text("x")])
        await Runner.run(Agent("A", model=model), "go")
        async for _ in Runner.run_streamed(Agent("A", model=model), "go").stream_events():
            pass

    asyncio.run(main())

    whole, streamed = capture.of_type("generation")
    assert "first_token_at" not in data(whole)
    assert whole.first_token_ns is None
    assert data(streamed)["first_token_at"]
    assert streamed.start_ns // 1000 <= streamed.first_token_ns // 1000 <= streamed.end_ns // 1000


def test_no_first_token(capture):
    """A stream that fails before it brings any output has no first token."""

    async def main():
        agent = Agent("A", model=ScriptedModel([raises(ConnectionError("gone"))]))
        with pytest.raises(ConnectionError):
            async for _ in Runner.run_streamed(agent, "go").stream_events():
                pass

    asyncio.run(main())

    assert [span.first_token_ns for span in capture.of_type("generation")] == [None]


def test_content_off(run, capture):
    """Without content only structure, names, usage and types of errors are recorded."""

    @function_tool
    def broken(word: str) -> str:
        """Break."""
        raise ValueError(f"secret {word}")

    @input_guardrail
    def check(ctx, agent, input):
        """Look."""
        return GuardrailFunctionOutput("secret info", False)

    model = ScriptedModel(
        [
            tool_call("echo", {"word": "secret"}),
            tool_call("broken", {"word": "secret"}),
            raises(LookupError("secret place")),
        ]
    )
    agent = Agent(
        "A",
        instructions="secret",
        tools=[echo, broken],
        input_guardrails=[check],
        model=model,
        model_settings=ModelSettings(temperature=0.5, metadata={"who": "secret"}),
    )

    with pytest.raises(LookupError):
        run(agent, "secret", run_config=RunConfig(trace_include_sensitive_data=False))

    whole = everything(capture)
    assert "secret" not in whole
    assert "LookupError" in whole
    assert "ValueError" in whole
    assert "scripted" in whole
    assert '"temperature":0.5' in whole
    assert not model.calls[0].tracing.include_data()


class Knowing(Model):
    """A model that reports what it really sends and gets."""

    span_type = "response"
    model = "knowing"

    async def get_response(self, *args, **kwargs):
        instrument.record_request(
            {
                "model": "knowing-2",
                "instructions": "really sent",
                "input": [{"role": "user", "content": "really"}],
                "temperature": 0.25,
                "extra_headers": {"Authorization": "key"},
            }
        )
        response = Response.model_validate(
            {
                "id": "resp_1",
                "created_at": 0,
                "model": "knowing-2-dated",
                "object": "response",
                "parallel_tool_calls": False,
                "tool_choice": "auto",
                "tools": [],
                "output": [
                    {
                        "id": "m",
                        "type": "message",
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": "hey", "annotations": []}],
                    }
                ],
            }
        )
        instrument.record_response(response)
        return ModelResponse(output=response.output, usage=Usage(requests=1), response_id="resp_1")

    async def stream_response(self, *args, **kwargs):
        raise NotImplementedError
        yield


@pytest.mark.parametrize("content", [True, False])
def test_model_reports(capture, content):
    """What a model reports of its request and response is what is recorded, if it may be."""
    config = RunConfig(trace_include_sensitive_data=content)
    Runner.run_sync(Agent("A", instructions="given", model=Knowing()), "go", run_config=config)

    (span,) = capture.of_type("response")
    whole = repr(span)
    assert span.model == "knowing-2-dated"
    assert "resp_1" in whole
    assert '"temperature":0.25' in whole
    assert ("really sent" in whole) is content
    assert ("hey" in whole) is content
    assert "given" not in whole
    assert "Authorization" not in whole


def test_record_outside():
    """Reporting outside any model call does nothing."""
    instrument.record_request({"model": "x"})


def test_agent_span(run, capture):
    """An agent's span names its tools, handoffs and output type."""
    run(
        Agent(
            "A",
            tools=[echo],
            handoffs=[Agent("B")],
            output_type=list[int],
            model=ScriptedModel([text('{"response": [1]}')]),
        ),
        "go",
    )

    (span,) = capture.of_type("agent")
    assert data(span)["tool_names"] == ["echo"]
    assert data(span)["handoffs"] == ["B"]
    assert data(span)["output_type"] == "list[int]"


def test_usage_on_steps(run, capture):
    """Turns have the usage of their call, the task that of all."""
    model = ScriptedModel(
        [
            tool_call("echo", {"word": "a"}, usage=TokenCounts(input_tokens=1, output_tokens=2)),
            text("x", usage=TokenCounts(input_tokens=3, output_tokens=4)),
        ]
    )

    run(Agent("A", tools=[echo], model=model), "go")

    turns = [data(span)["usage"]["input_tokens"] for span in capture.of_type("turn")]
    assert turns == [1, 3]
    assert data(capture.of_type("task")[0])["usage"]["output_tokens"] == 6


def test_call_id(run, capture):
    """A function's span has the id of the call it answers."""
    model = ScriptedModel([tool_call("echo", {"word": "a"}, call_id="call_7"), text("x")])

    run(Agent("A", tools=[echo], model=model), "go")

    assert capture.named("echo").attributes["call_id"] == "call_7"
