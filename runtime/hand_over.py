"""Carries out a handoff: another agent takes over the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime import instrument
from runtime.awaitable import settle
from runtime.decide import HandoffRun
from runtime.exceptions import UserError
from runtime.handoffs import Handoff, HandoffInputData
from runtime.items import HandoffOutputItem, ItemHelpers, RunItem, ToolCallOutputItem
from runtime.state import State

if TYPE_CHECKING:
    from runtime.agent import Agent

NOT_THIS_ONE = "Only one handoff can take place in a turn; this one was not carried out."


async def hand_over(state: State, runs: list[HandoffRun]) -> tuple[Agent[Any], list[RunItem]]:
    """Carry out the first handoff; return who takes over, and the answers to all the calls.

    Raises:
        UserError: If the handoff leads to something else than an agent.
    """
    source, (first, *others) = state.agent, runs
    with instrument.handoff(state.recording, source.name) as record:
        target: Agent[Any] = await first.handoff.on_invoke_handoff(
            state.context, first.call.arguments
        )
        if not hasattr(target, "get_system_prompt"):
            raise UserError(
                f"The handoff {first.handoff.tool_name!r} led to a {type(target).__name__!r}. "
                "on_invoke_handoff must return the agent that takes over; return an Agent."
            )
        record.went_to(target.name)
        if others:
            record.one_of([run.handoff.agent_name for run in runs])
        await state.hooks.handoff(source, target)
    answers: list[RunItem] = [_not_this_one(source, run) for run in others]
    message = first.handoff.get_transfer_message(target)
    answers.append(
        HandoffOutputItem(
            agent=source,
            raw_item=ItemHelpers.tool_call_output_item(first.call, message),
            source_agent=source,
            target_agent=target,
        )
    )
    return target, answers


async def filter_history(
    state: State, handoff: Handoff[Any, Any], before: list[RunItem], during: list[RunItem]
) -> None:
    """Let the handoff's filter, or else the run's, change what the next agent sees.

    Raises:
        UserError: If the provider keeps the history, or the filter returns the wrong thing.
    """
    input_filter = handoff.input_filter or state.config.handoff_input_filter
    if input_filter is None:
        return
    if state.chain.kept_by_provider:
        raise UserError(
            f"The handoff {handoff.tool_name!r} has an input filter, but the provider keeps this "
            "conversation (conversation_id or previous_response_id). What it keeps cannot be "
            "filtered. Leave out the filter, or let the run keep the history."
        )
    data = HandoffInputData(
        input_history=state.input if isinstance(state.input, str) else tuple(state.input),
        pre_handoff_items=tuple(before),
        new_items=tuple(during),
        run_context=state.context,
    )
    filtered = await settle(input_filter(data))
    if not isinstance(filtered, HandoffInputData):
        raise UserError(
            f"The input filter of handoff {handoff.tool_name!r} returned a "
            f"{type(filtered).__name__!r}. It must return HandoffInputData; return data.clone(…)."
        )
    history = filtered.input_history
    state.rewrite(
        history if isinstance(history, str) else list(history),
        [*filtered.pre_handoff_items, *filtered.new_items],
    )


def _not_this_one(source: Agent[Any], run: HandoffRun) -> ToolCallOutputItem:
    # Every call must be answered, or the next model call is refused.
    return ToolCallOutputItem(
        agent=source,
        raw_item=ItemHelpers.tool_call_output_item(run.call, NOT_THIS_ONE),
        output=NOT_THIS_ONE,
    )
