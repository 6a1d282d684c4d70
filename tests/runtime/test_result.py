"""Results, and streamed runs while they go."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing

import pytest

from runtime import Agent, Runner, SQLiteSession, custom_span, function_tool, trace
from runtime.result import MAX_WAITING_EVENTS
from runtime.testing import ScriptedModel, handoff_to, hang, raises, text, tool_call


@function_tool
def look() -> str:
    """Look."""
    return "seen"


def label(event):
    """An event in one word."""
    if event.type == "raw_response_event":
        return event.data.type
    return event.name if event.type == "run_item_stream_event" else event.new_agent.name


def outline(events):
    """The events, pieces of a response as one."""
    labels = [label(event) for event in events]
    return [
        name
        for name in labels
        if not name.startswith("response.") or name in ("response.created", "response.completed")
    ]


async def left_behind():
    """Tasks still going once all that are ending had their chance."""
    for _ in range(20):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


async def read(result):
    """All events of a streamed run."""
    return [event async for event in result.stream_events()]


def test_event_order():
    """Pieces of a response come first, then its items, then what they led to."""

    async def main():
        model = ScriptedModel([tool_call("look"), handoff_to("B"), text("bye")])
        agent = Agent("A", tools=[look], handoffs=[Agent("B", model=model)], model=model)
        result = Runner.run_streamed(agent, "go")
        assert not result.is_complete
        events = await read(result)
        return result, events

    result, events = asyncio.run(main())

    assert outline(events) == [
        "A",
        "response.created",
        "response.completed",
        "tool_called",
        "tool_output",
        "response.created",
        "response.completed",
        "handoff_requested",
        "handoff_occured",
        "B",
        "response.created",
        "response.completed",
        "message_output_created",
    ]
    assert result.is_complete
    assert result.final_output == "bye"
    assert result.last_agent.name == "B"
    assert result.current_turn == 3
    assert [e.item for e in events if e.type == "run_item_stream_event"] == result.new_items


def test_deltas():
    """The text of the model arrives in pieces that make up the final output."""

    async def main():
        agent = Agent("A", model=ScriptedModel([text("a whole sentence of text")]))
        result = Runner.run_streamed(agent, "go")
        events = await read(result)
        return result, [
            e.data.delta
            for e in events
            if e.type == "raw_response_event" and e.data.type == "response.output_text.delta"
        ]

    result, pieces = asyncio.run(main())

    assert "".join(pieces) == result.final_output


def test_failure_after_events():
    """The error comes after all events before it, and again if read again."""

    async def main():
        model = ScriptedModel([tool_call("look"), raises(ConnectionError("offline"))])
        result = Runner.run_streamed(Agent("A", tools=[look], model=model), "go")
        seen = []

        async def note():
            async for event in result.stream_events():
                seen.append(label(event))

        with pytest.raises(ConnectionError, match="offline"):
            await note()
        with pytest.raises(ConnectionError, match="offline"):
            await read(result)
        return result, seen

    result, seen = asyncio.run(main())

    assert seen[-1] == "tool_output"
    assert result.is_complete
    assert result.final_output is None


def test_cancel_immediate(capture):
    """Cancelling stops the run at once; the stream ends without an error, and no task is left."""

    async def main():
        result = Runner.run_streamed(Agent("A", model=ScriptedModel([hang()])), "go")
        seen = []
        async for event in result.stream_events():
            seen.append(label(event))
            result.cancel()
        return result, seen, await left_behind()

    result, seen, left = asyncio.run(main())

    assert seen == ["A"]
    assert result.is_complete
    assert left == set()
    assert not capture.open_spans
    assert capture.traces[0].status == "cancelled"


def test_cancel_before_reading(capture):
    """A run can be cancelled before anyone reads it."""

    async def main():
        result = Runner.run_streamed(Agent("A", model=ScriptedModel([hang()])), "go")
        result.cancel()
        return await read(result), await left_behind()

    assert asyncio.run(main()) == ([], set())


def test_cancel_after_turn(capture):
    """The turn ends in peace, with tools and session; then the run stops without an output."""
    session = SQLiteSession("s")

    async def main():
        model = ScriptedModel([tool_call("look"), text("never")])
        agent = Agent("A", tools=[look], model=model)
        result = Runner.run_streamed(agent, "go", session=session)
        seen = []
        async for event in result.stream_events():
            seen.append(label(event))
            if event.type == "raw_response_event":
                result.cancel(mode="after_turn")
        return result, seen, model.replies_left, await session.get_items()

    result, seen, unasked, kept = asyncio.run(main())

    assert seen[-1] == "tool_output"
    assert unasked == 1
    assert result.final_output is None
    assert result.is_complete
    assert [item.get("type") for item in kept] == [None, "function_call", "function_call_output"]
    assert {span.status for span in capture.spans} == {"ok"}


@pytest.mark.parametrize("how", ["break", "raise", "aclose", "timeout"])
def test_leaving_early(capture, how):
    """Leaving the stream, however, ends the run, closes its spans and leaves no task."""

    async def fail(result):
        async for _ in result.stream_events():
            raise LookupError

    async def leave(result):
        if how == "break":
            async for _ in result.stream_events():
                break
        elif how == "raise":
            with pytest.raises(LookupError):
                await fail(result)
        elif how == "aclose":
            async with aclosing(result.stream_events()) as events:
                await anext(events)
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await read(result)

    async def main():
        result = Runner.run_streamed(Agent("A", model=ScriptedModel([hang()])), "go")
        await leave(result)
        gc.collect()
        return result, await left_behind()

    result, left = asyncio.run(main())

    assert left == set()
    assert result.is_complete
    assert not capture.open_spans


def test_closed_elsewhere(capture):
    """A stream closed by another task ends the run all the same."""

    async def main():
        result = Runner.run_streamed(Agent("A", model=ScriptedModel([hang()])), "go")
        events = result.stream_events()
        await anext(events)
        await asyncio.create_task(events.aclose())
        return await left_behind()

    assert asyncio.run(main()) == set()


def test_backpressure():
    """A reader who waits makes the run wait: it is never more than a buffer ahead."""

    async def main():
        model = ScriptedModel(lambda call: tool_call("look"))
        agent = Agent("A", tools=[look], model=model)
        result = Runner.run_streamed(agent, "go", max_turns=10_000)
        events = result.stream_events()
        await anext(events)
        for _ in range(20_000):
            await asyncio.sleep(0)
        asked = len(model.calls)
        await events.aclose()
        return asked

    assert 0 < asyncio.run(main()) < MAX_WAITING_EVENTS


def test_reader_sees_own_spans(capture):
    """Spans the reader opens between events nest in what is current where it reads."""

    async def main():
        with trace("mine"):
            result = Runner.run_streamed(Agent("A", model=ScriptedModel([text("x")])), "go")
            async for _ in result.stream_events():
                with custom_span("show"):
                    pass

    asyncio.run(main())

    shown = capture.of_type("custom")
    assert shown
    assert {span.parent_id for span in shown} == {None}
    assert {span.trace_id for span in capture.spans} == {capture.traces[0].trace_id}
    assert capture.named("A").parent_id == capture.of_type("task")[0].span_id


def test_final_output_as():
    """The final output can be checked to be of a type."""
    result = Runner.run_sync(Agent("A", model=ScriptedModel([text("x")])), "go")

    assert result.final_output_as(int) == "x"
    with pytest.raises(TypeError, match="output_type"):
        result.final_output_as(int, raise_if_incorrect_type=True)


def test_input_list_is_a_copy():
    """What to_input_list returns may be changed without changing the result."""
    result = Runner.run_sync(
        Agent("A", model=ScriptedModel([text("x")])), [{"role": "user", "content": "go"}]
    )

    result.to_input_list()[0]["content"] = "changed"

    assert result.to_input_list()[0]["content"] == "go"
    assert "1 new items" in str(result)
