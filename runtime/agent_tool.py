"""An agent as a tool: a run within a run."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypedDict

from openai.types.responses import ResponseFunctionToolCall

from runtime.arguments import RunOptions, check_options
from runtime.awaitable import MaybeAwaitable, settle
from runtime.items import ItemHelpers
from runtime.result import RunResult, RunResultStreaming
from runtime.run import Runner
from runtime.stream_events import StreamEvent
from runtime.tool import FunctionTool, function_tool
from runtime.tool_context import ToolContext
from runtime.usage import Usage

if TYPE_CHECKING:
    from runtime.agent import Agent


class AgentToolStreamEvent(TypedDict):
    """An event of an inner run, with who made it and which call it belongs to."""

    event: StreamEvent
    agent: Agent[Any]
    tool_call: ResponseFunctionToolCall | None


def agent_tool(  # noqa: PLR0913
    agent: Agent[Any],
    *,
    name: str | None,
    description: str | None,
    extract: Callable[[RunResult], Awaitable[str]] | None,
    is_enabled: Any,
    on_stream: Callable[[AgentToolStreamEvent], MaybeAwaitable[None]] | None,
    options: RunOptions,
) -> FunctionTool:
    """Return a tool that runs `agent`; `Agent.as_tool` describes the arguments.

    What the inner run consumes counts for the outer run too, also if it fails.

    Raises:
        UserError: If an option is wrong; in a run the model would be told instead of you.
    """
    check_options(options)

    async def run_agent(context: ToolContext[Any], input: str) -> Any:
        inner: RunOptions = {**options}
        inner["run_config"] = options.get("run_config") or context.run_config
        try:
            if on_stream is None:
                result = await Runner.run(agent, input, context=context.context, **inner)
            else:
                streaming = Runner.run_streamed(agent, input, context=context.context, **inner)
                result = await _watch(streaming, context, on_stream)
        except Exception as error:
            _count(context.usage, getattr(error, "run_data", None))
            raise
        _count(context.usage, result)
        if extract is not None:
            return await extract(result)
        if isinstance(result.final_output, str):
            return result.final_output
        return ItemHelpers.text_message_outputs(result.new_items) or result.final_output

    tool: FunctionTool = function_tool(
        name_override=name or re.sub(r"[^a-zA-Z0-9_]", "_", agent.name).lower(),
        description_override=description or "",
        is_enabled=is_enabled,
    )(run_agent)
    return tool


async def _watch(
    result: RunResultStreaming,
    context: ToolContext[Any],
    on_stream: Callable[[AgentToolStreamEvent], MaybeAwaitable[None]],
) -> Any:
    events = result.stream_events()
    try:
        async for event in events:
            seen = AgentToolStreamEvent(
                event=event, agent=result.current_agent, tool_call=context.tool_call
            )
            await settle(on_stream(seen))
    finally:
        await events.aclose()  # type: ignore[attr-defined]
    return result


def _count(usage: Usage, run: Any) -> None:
    if run is not None:
        usage.add(run.context_wrapper.usage)
