"""The context of one tool call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai.types.responses import ResponseFunctionToolCall

from runtime.run_context import RunContextWrapper, TContext

if TYPE_CHECKING:
    from runtime.agent import AgentBase


@dataclass(eq=False, kw_only=True)
class ToolContext(RunContextWrapper[TContext]):
    """The run's context with the name, id and raw arguments of the call being made.

    `context` and `usage` are the run's own objects, not copies.
    """

    tool_name: str
    tool_call_id: str
    tool_arguments: str
    tool_call: ResponseFunctionToolCall | None = None
    agent: AgentBase[Any] | None = None
    run_config: Any = None
    """The `RunConfig` of the run; agents used as tools take it over."""

    @classmethod
    def from_agent_context(
        cls,
        context: RunContextWrapper[TContext],
        tool_call_id: str,
        tool_call: ResponseFunctionToolCall | None = None,
        agent: AgentBase[Any] | None = None,
        run_config: Any = None,
    ) -> ToolContext[TContext]:
        """Return the context for `tool_call`, sharing the run's context object and usage."""
        return cls(
            context.context,
            context.usage,
            tool_name=tool_call.name if tool_call is not None else "",
            tool_call_id=tool_call_id,
            tool_arguments=tool_call.arguments if tool_call is not None else "",
            tool_call=tool_call,
            agent=agent,
            run_config=run_config,
        )
