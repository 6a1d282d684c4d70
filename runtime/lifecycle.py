"""Hooks: what the runner calls at each step of a run.

Subclass and override what you need. A hook runs inside the run: it is awaited, may change the
context object, and what it raises ends the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from typing_extensions import TypeVar

from runtime.items import ModelResponse, TResponseInputItem
from runtime.run_context import RunContextWrapper, TContext

if TYPE_CHECKING:
    from runtime.agent import Agent, AgentBase
    from runtime.tool import Tool

TAgent = TypeVar("TAgent", bound="AgentBase[Any]", default="Agent[Any]")


class RunHooksBase(Generic[TContext, TAgent]):
    """Hooks for a whole run, whichever agent is at work."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """Called right before a model call."""

    async def on_llm_end(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        response: ModelResponse,
    ) -> None:
        """Called right after a model call that returned."""

    async def on_agent_start(self, context: RunContextWrapper[TContext], agent: TAgent) -> None:
        """Called when an agent begins to work: the first one, and each that takes over."""

    async def on_agent_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, output: Any
    ) -> None:
        """Called when an agent made the final output."""

    async def on_handoff(
        self, context: RunContextWrapper[TContext], from_agent: TAgent, to_agent: TAgent
    ) -> None:
        """Called when one agent takes over from another."""

    async def on_tool_start(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool
    ) -> None:
        """Called right before a tool runs, with the `ToolContext` of its call."""

    async def on_tool_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool, result: object
    ) -> None:
        """Called right after a tool ran, with what it returned."""


class AgentHooksBase(Generic[TContext, TAgent]):
    """Hooks for one agent; set them as `Agent.hooks`."""

    async def on_start(self, context: RunContextWrapper[TContext], agent: TAgent) -> None:
        """Called each time this agent begins to work."""

    async def on_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, output: Any
    ) -> None:
        """Called when this agent made the final output."""

    async def on_handoff(
        self, context: RunContextWrapper[TContext], agent: TAgent, source: TAgent
    ) -> None:
        """Called when this agent takes over from `source`."""

    async def on_tool_start(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool
    ) -> None:
        """Called right before a tool of this agent runs."""

    async def on_tool_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool, result: object
    ) -> None:
        """Called right after a tool of this agent ran."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """Called right before a model call of this agent."""

    async def on_llm_end(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        response: ModelResponse,
    ) -> None:
        """Called right after a model call of this agent that returned."""


RunHooks: TypeAlias = RunHooksBase[TContext, "Agent[Any]"]
AgentHooks: TypeAlias = AgentHooksBase[TContext, "Agent[Any]"]
