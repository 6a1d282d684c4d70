"""A program meets a model in trouble: it is told clearly, and the record is whole up to there."""

import asyncio

import pytest

from exporters import open_store
from exporters.duckdb import recorder
from exporters.store import SpanDetail, TraceQuery, TraceRow
from runtime import Agent, OpenAIProvider, RunConfig, Runner, UserError, function_tool
from runtime.exceptions import ModelBehaviorError
from runtime.testing import Reply, garbage, hang, openai_stub, text, tool_call
from tracer import set_trace_processors


@function_tool
def note(text: str) -> str:
    """Take a note."""
    return f"noted {text}"


def failing_run(*script: Reply) -> ModelBehaviorError:
    """Run an agent on a model in trouble; gives the error that the program gets."""
    set_trace_processors([recorder()])
    with openai_stub(list(script)) as stub:

        async def run() -> None:
            async with stub.client() as client:
                provider = OpenAIProvider(openai_client=client)
                config = RunConfig(model_provider=provider, model_timeout=3.0)
                agent = Agent(name="Clerk", instructions="Take notes.", tools=[note])
                await Runner.run(agent, "Note tea.", run_config=config)

        with pytest.raises(ModelBehaviorError) as caught:
            asyncio.run(run())
    return caught.value


def recorded() -> tuple[TraceRow, list[SpanDetail]]:
    """The one trace of the store, and its spans with their payloads."""
    store = open_store()
    (trace,) = store.search(TraceQuery()).traces
    spans = [store.span(trace.trace_id, span.span_id) for span in store.spans(trace.trace_id)]
    return trace, spans


@pytest.mark.parametrize("trouble", [garbage(), garbage("{}"), hang()], ids=["html", "{}", "hang"])
def test_model_in_trouble(trouble: Reply) -> None:
    """Rubbish and silence end the run with one clear error; what was done before is recorded."""
    error = failing_run(tool_call("note", {"text": "tea"}), trouble)

    trace, spans = recorded()
    calls = [span for span in spans if span.row.type == "response"]
    tools = [span for span in spans if span.row.type == "function"]
    assert any(name in str(error) for name in ("Clerk", "gpt-4.1"))
    assert trace.status == "error"
    assert trace.first_cause is not None
    assert trace.first_cause.type == "response"
    assert [span.output for span in tools] == ["noted tea"]
    assert [span.row.status for span in calls] == ["ok", "error"]
    assert "function_call_output" in str(calls[1].input)
    assert calls[1].data["instructions"] == "Take notes."


def test_unknown_tool_called() -> None:
    """A model that calls a tool nobody offered ends the run with the tool's name in the error."""
    error = failing_run(tool_call("fly", {}), text("never asked for"))

    assert "'fly'" in str(error)
    assert recorded()[0].status == "error"


def test_tool_without_a_schema() -> None:
    """Type hints that give no schema are refused where the tool is made: what, why, what now."""

    class Socket:
        """A type that JSON has no schema for."""

    with pytest.raises(UserError) as caught:

        @function_tool
        def send(socket: Socket) -> str:
            """Send."""
            return ""

    for part in ("send", "socket", "Socket"):
        assert part in str(caught.value)
