"""Runs the tools that the model called in one turn."""

from __future__ import annotations

import asyncio
from typing import Any

from runtime import instrument
from runtime.awaitable import settle
from runtime.decide import Finish, ToolRun, stops_at
from runtime.exceptions import AgentsException, UserError
from runtime.items import ItemHelpers, ToolCallOutputItem
from runtime.state import State
from runtime.together import together
from runtime.tool import FunctionToolResult, ToolOutcome, call_tool
from runtime.tool_context import ToolContext


async def run_tools(state: State, runs: list[ToolRun]) -> list[FunctionToolResult]:
    """Run tools at once and return their results in the order of the calls.

    Raises:
        UserError: If a tool raises, with what it raised as the cause. Errors of our own, such as
            `ToolTimeoutError`, come out as they are. The other tools are cancelled first.
    """
    return await together(_run(state, run) for run in runs)


async def final_output_of(state: State, results: list[FunctionToolResult]) -> Finish | None:
    """Tell whether the agent's `tool_use_behavior` ends the run after these tools.

    Raises:
        UserError: If the behavior is none of the four forms.
    """
    behavior: Any = state.agent.tool_use_behavior
    if isinstance(behavior, dict) or behavior in ("run_llm_again", "stop_on_first_tool"):
        return stops_at(behavior, results)
    if not callable(behavior):
        raise UserError(
            f"Agent {state.agent.name!r} has tool_use_behavior={behavior!r}. It must be "
            "'run_llm_again', 'stop_on_first_tool', a StopAtTools or a function; use one of these."
        )
    if not results:
        return None
    verdict = await settle(behavior(state.context, results))
    return Finish(verdict.final_output) if verdict.is_final_output else None


async def _run(state: State, run: ToolRun) -> FunctionToolResult:
    agent, call, tool = state.agent, run.call, run.tool
    context = ToolContext.from_agent_context(
        state.context, call.call_id, call, agent=agent, run_config=state.config
    )
    with instrument.function(state.recording, tool.name, call.call_id, call.arguments) as record:
        await state.hooks.tool_start(context, agent, tool)
        outcome = await _call(run, context, record)
        if outcome.error is not None:
            record.failed(outcome.error)
        record.returned(outcome.output)
        await state.hooks.tool_end(context, agent, tool, outcome.output)
    item = ToolCallOutputItem(
        agent=agent,
        raw_item=ItemHelpers.tool_call_output_item(call, outcome.output),
        output=outcome.output,
    )
    return FunctionToolResult(tool=tool, output=outcome.output, run_item=item)


async def _call(
    run: ToolRun, context: ToolContext[Any], record: instrument.FunctionRecord
) -> ToolOutcome:
    try:
        return await call_tool(run.tool, context, run.call.arguments)
    except AgentsException:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled the run: without this the run would end as if somebody had.
        raise _refusal(run, error) from error
    except Exception as error:
        record.failed(error)  # the tool's own error says more than what we make of it
        raise _refusal(run, error) from error


def _refusal(run: ToolRun, error: BaseException) -> UserError:
    return UserError(
        f"Tool {run.tool.name!r} raised {type(error).__name__}: {error}. A tool's exception ends "
        "the run unless the tool has a failure_error_function. Mend the tool, or give it one so "
        "that the model hears of the error and can go on."
    )
