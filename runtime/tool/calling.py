"""Calls a tool: its errors, its time-out, and its thread if it is not async.

Nothing here traces. `call_tool` tells what happened, and who runs the turn records it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runtime.awaitable import settle
from runtime.exceptions import ToolTimeoutError
from runtime.run_context import RunContextWrapper
from runtime.tool.definition import FunctionTool, ToolErrorFunction
from runtime.tool.schema import FuncSchema
from runtime.tool_context import ToolContext


@dataclass(frozen=True)
class ToolOutcome:
    """What a call gave: its output, and the error the output stands for, if there was one."""

    output: Any
    error: Exception | None = None
    """Set when the tool failed and `output` is what the model is told of it."""


async def call_tool(
    tool: FunctionTool, context: ToolContext[Any], arguments_json: str
) -> ToolOutcome:
    """Call `tool` within its time-out.

    Raises:
        ToolTimeoutError: If the call was late and the tool asked to raise.
        Exception: What the tool itself lets out.
    """
    try:
        async with asyncio.timeout(tool.timeout_seconds) as limit:
            return await _invoke(tool, context, arguments_json)
    except TimeoutError:
        if not limit.expired():
            raise  # the tool's own
    late = ToolTimeoutError(tool.name, tool.timeout_seconds or 0.0)
    if tool.timeout_behavior == "raise_exception":
        raise late
    told = tool.timeout_error_function or default_tool_timeout_function
    return ToolOutcome(await settle(told(context, late)), late)


def default_tool_error_function(ctx: RunContextWrapper[Any], error: Exception) -> str:
    """Tell the model that a tool failed, and how."""
    return f"An error occurred while running the tool. Please try again. Error: {error}"


def default_tool_timeout_function(ctx: RunContextWrapper[Any], error: Exception) -> str:
    """Tell the model that a tool was late."""
    if not isinstance(error, ToolTimeoutError):
        return default_tool_error_function(ctx, error)
    return f"Tool {error.tool_name!r} timed out after {error.timeout:g} seconds."


class FailureHandling:
    """An `on_invoke_tool` that turns errors into output by a function of the user.

    As a plain callable it returns only the output; `call` also returns the error.
    """

    def __init__(
        self,
        invoke: Callable[[ToolContext[Any], str], Any],
        failure_error_function: ToolErrorFunction | None,
    ) -> None:
        self._invoke = invoke
        self._told = failure_error_function

    async def __call__(self, context: ToolContext[Any], arguments_json: str) -> Any:
        """Return the output."""
        return (await self.call(context, arguments_json)).output

    async def call(self, context: ToolContext[Any], arguments_json: str) -> ToolOutcome:
        """Return the output and, if it stands for an error, the error."""
        try:
            return ToolOutcome(await self._invoke(context, arguments_json))
        except Exception as error:
            if self._told is None:
                raise
            return ToolOutcome(await settle(self._told(context, error)), error)


class FunctionCalling:
    """Calls a Python function with the arguments a model sent.

    A function that is not async runs in a thread, so that it never blocks the event loop; it
    sees the context variables of the run. A thread cannot be stopped: a late function goes on,
    its result is not used.
    """

    def __init__(self, func: Callable[..., Any], schema: FuncSchema) -> None:
        self._func = func
        self._schema = schema
        self._is_async = _is_async(func)

    async def __call__(self, context: ToolContext[Any], arguments_json: str) -> Any:
        """Return what the function returns."""
        positional, named = self._schema.to_call_args(self._schema.parse(arguments_json))
        if self._schema.takes_context:
            positional.insert(0, context)
        if self._is_async:
            return await self._func(*positional, **named)
        return await settle(await asyncio.to_thread(_in_thread, self._func, positional, named))


def _in_thread(func: Callable[..., Any], positional: list[Any], named: dict[str, Any]) -> Any:
    try:
        return func(*positional, **named)
    except StopIteration as error:
        # No future can carry a StopIteration; whoever awaits it would wait for ever.
        raise RuntimeError(f"The tool raised StopIteration({error.value!r}).") from error


async def _invoke(
    tool: FunctionTool, context: ToolContext[Any], arguments_json: str
) -> ToolOutcome:
    if isinstance(tool.on_invoke_tool, FailureHandling):
        return await tool.on_invoke_tool.call(context, arguments_json)
    return ToolOutcome(await tool.on_invoke_tool(context, arguments_json))


def _is_async(func: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(
        getattr(func, "__call__", None)  # noqa: B004  (an object whose call is async)
    )
