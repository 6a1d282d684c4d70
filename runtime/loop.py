"""The loop: ask the model, run tools, hand off, finish. There is no other."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from runtime import instrument
from runtime.ask import Emit, ask_model
from runtime.conversation import with_history
from runtime.decide import Decision, decide
from runtime.guarding import guard_input, guard_output
from runtime.hand_over import filter_history, hand_over
from runtime.items import (
    HandoffCallItem,
    HandoffOutputItem,
    ItemHelpers,
    MCPApprovalRequestItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    ToolCallItem,
    ToolCallOutputItem,
)
from runtime.request import Request, output_schema, prepare
from runtime.state import State
from runtime.stream_events import AgentUpdatedStreamEvent, RunItemEventName, RunItemStreamEvent
from runtime.tool_turn import final_output_of, run_tools

_EVENT_NAMES: dict[type, RunItemEventName] = {
    MessageOutputItem: "message_output_created",
    HandoffCallItem: "handoff_requested",
    HandoffOutputItem: "handoff_occured",
    ToolCallItem: "tool_called",
    ToolCallOutputItem: "tool_output",
    ReasoningItem: "reasoning_item_created",
    MCPApprovalRequestItem: "mcp_approval_requested",
    MCPListToolsItem: "mcp_list_tools",
}


class Step(Enum):
    """How a turn ended."""

    AGAIN = auto()
    HANDED_OVER = auto()
    FINISHED = auto()


async def drive(state: State, emit: Emit) -> None:
    """Run a run to its end: on return `state` holds the final output, unless it was stopped.

    All verbs share this coroutine; they differ in what `emit` does with the events.
    """
    given = state.input
    callback = state.config.session_input_callback
    state.rewrite(await with_history(state.session, given, callback), [])
    state.unsent = ItemHelpers.input_to_new_input_list(given)
    state.unsaved = list(state.unsent)
    step = Step.AGAIN
    while step is not Step.FINISHED and not state.stop_after_turn:
        schema = output_schema(state.agent)
        output_type = schema.name() if schema is not None else "str"
        with instrument.agent(state.recording, state.agent.name, output_type) as record:
            step = await _work(state, emit, record)


async def _work(state: State, emit: Emit, record: instrument.AgentRecord) -> Step:
    """Take turns with the agent at work until the run ends or another agent takes over."""
    await emit(AgentUpdatedStreamEvent(state.agent))
    await state.hooks.agent_start(state.agent)
    step = Step.AGAIN
    while step is Step.AGAIN and not state.stop_after_turn:
        state.begin_turn()
        with instrument.turn(state.recording, state.turn, state.agent.name) as turn_record:
            request = await prepare(state)
            record.offers(
                [tool.name for tool in request.tools],
                [way.agent_name for way in request.handoffs],
            )
            step = await _take_turn(state, request, emit, turn_record)
        await _save_turn(state)
    return step


async def _take_turn(
    state: State, request: Request, emit: Emit, record: instrument.TurnRecord
) -> Step:
    asking = ask_model(state, request, emit)
    response = await (guard_input(state, asking) if state.turn == 1 else asking)
    record.used(response.usage)
    decision = decide(state.agent, response, request.tools, request.handoffs, request.output_schema)
    if decision.used_tools:
        state.add_tool_use()
    before = list(state.items)
    # From here the provider knows all it was sent, and its own answer.
    state.unsent = []
    await _produce(state, decision.items, emit)
    return await _act(state, decision, before, emit)


async def _act(state: State, decision: Decision, before: list[RunItem], emit: Emit) -> Step:
    """Do what the response asks for: tools, then a handoff, then the end."""
    results = await run_tools(state, decision.tool_runs)
    answers = [result.run_item for result in results]
    await _produce(state, answers, emit, answers_calls=True)
    if decision.handoff_runs:
        target, transfers = await hand_over(state, decision.handoff_runs)
        await _produce(state, transfers, emit, answers_calls=True)
        during = state.items[len(before) :]
        await filter_history(state, decision.handoff_runs[0].handoff, before, during)
        state.agent = target
        return Step.HANDED_OVER
    finish = decision.finish or await final_output_of(state, results)
    if finish is None:
        return Step.AGAIN
    await _finish(state, finish.output)
    return Step.FINISHED


async def _produce(
    state: State, items: Sequence[RunItem], emit: Emit, *, answers_calls: bool = False
) -> None:
    for item in items:
        state.items.append(item)
        sent = item.to_input_item()
        state.history.append(sent)
        state.unsaved.append(sent)
        if answers_calls:
            state.unsent.append(sent)
        await emit(RunItemStreamEvent(name=_EVENT_NAMES[type(item)], item=item))


async def _finish(state: State, output: Any) -> None:
    await state.hooks.agent_end(state.agent, output)
    await guard_output(state, output)
    state.output = output
    state.finished = True


async def _save_turn(state: State) -> None:
    """Give the session a whole turn; of a turn that failed nothing gets there."""
    if state.session is not None:
        await state.session.add_items(state.unsaved)
        state.unsaved = []
