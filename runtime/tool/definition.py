"""What a tool is."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from runtime.awaitable import MaybeAwaitable
from runtime.exceptions import UserError
from runtime.run_context import RunContextWrapper
from runtime.strict_schema import ensure_strict_json_schema
from runtime.tool_context import ToolContext

IsEnabled: TypeAlias = bool | Callable[[RunContextWrapper[Any], Any], MaybeAwaitable[bool]]
"""Whether the model sees a tool: a constant, or a function of the run's context and the agent.

The agent is `Any` here because agents are made of tools; naming it would close a circle.
"""

ToolErrorFunction: TypeAlias = Callable[[RunContextWrapper[Any], Exception], MaybeAwaitable[str]]
"""Turns the error of a tool into what the model is told."""

ToolTimeoutBehavior: TypeAlias = Literal["error_as_result", "raise_exception"]

TIMEOUT_BEHAVIORS = ("error_as_result", "raise_exception")


@dataclass
class FunctionTool:
    """A function the model may call. Most are made with `function_tool`.

    One tool may be called many times at once, from several runs.
    """

    name: str
    """What the model calls it."""

    description: str
    """What the model is told of it."""

    params_json_schema: dict[str, Any]
    """The JSON schema of its arguments."""

    on_invoke_tool: Callable[[ToolContext[Any], str], Awaitable[Any]]
    """Does the work: takes the context of the call and the arguments as JSON, returns the output
    for the model (text, a `ToolOutput…`, or anything `str` can write). What it raises ends the
    run."""

    strict_json_schema: bool = True
    """Whether the schema is strict, which binds the model to it."""

    is_enabled: IsEnabled = True
    """Whether the model sees the tool at all; a function is asked anew every turn."""

    timeout_seconds: float | None = None
    """How long a call may take; `None` for as long as it likes."""

    timeout_behavior: ToolTimeoutBehavior = "error_as_result"
    """Whether a call that is late ends the run or is told to the model."""

    timeout_error_function: ToolErrorFunction | None = None
    """What the model is told of a call that is late, if not our own words."""

    def __post_init__(self) -> None:
        if self.strict_json_schema:
            # A copy, because the schema may belong to a model class of the user.
            self.params_json_schema = ensure_strict_json_schema(
                copy.deepcopy(self.params_json_schema)
            )
        self._check_timeout()

    def _check_timeout(self) -> None:
        seconds = self.timeout_seconds
        if seconds is not None and not (
            isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
        ):
            raise UserError(
                f"Tool {self.name!r} has the timeout {seconds!r}. A timeout is a number of seconds"
                " above 0, or None for no limit. Correct it."
            )
        if self.timeout_behavior not in TIMEOUT_BEHAVIORS:
            raise UserError(
                f"Tool {self.name!r} has the timeout_behavior {self.timeout_behavior!r}, which is"
                f" unknown. Use one of {', '.join(map(repr, TIMEOUT_BEHAVIORS))}."
            )


Tool: TypeAlias = FunctionTool
"""Everything a model can be offered beside handoffs."""


@dataclass
class FunctionToolResult:
    """What a call of a tool came to."""

    tool: FunctionTool
    output: Any
    """What the tool returned."""
    run_item: Any
    """The `RunItem` that holds the output."""
