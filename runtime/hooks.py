"""Calls the hooks of a run and of its agents: the run's first, then the agent's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.items import ModelResponse, TResponseInputItem
from runtime.lifecycle import AgentHooksBase, RunHooksBase
from runtime.run_context import RunContextWrapper

if TYPE_CHECKING:
    from runtime.agent import Agent
    from runtime.tool import Tool


@dataclass(frozen=True)
class Hooks:
    """The hooks of one run. What a hook raises ends the run."""

    context: RunContextWrapper[Any]
    run: RunHooksBase[Any, Any]

    async def agent_start(self, agent: Agent[Any]) -> None:
        """An agent begins to work."""
        await self.run.on_agent_start(self.context, agent)
        await _own(agent).on_start(self.context, agent)

    async def agent_end(self, agent: Agent[Any], output: Any) -> None:
        """An agent made the final output."""
        await self.run.on_agent_end(self.context, agent, output)
        await _own(agent).on_end(self.context, agent, output)

    async def handoff(self, source: Agent[Any], target: Agent[Any]) -> None:
        """`target` takes over from `source`; it is the target whose own hook is called."""
        await self.run.on_handoff(self.context, source, target)
        await _own(target).on_handoff(self.context, target, source)

    async def llm_start(
        self, agent: Agent[Any], instructions: str | None, items: list[TResponseInputItem]
    ) -> None:
        """A model is about to be called."""
        await self.run.on_llm_start(self.context, agent, instructions, items)
        await _own(agent).on_llm_start(self.context, agent, instructions, items)

    async def llm_end(self, agent: Agent[Any], response: ModelResponse) -> None:
        """A model answered."""
        await self.run.on_llm_end(self.context, agent, response)
        await _own(agent).on_llm_end(self.context, agent, response)

    async def tool_start(
        self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool
    ) -> None:
        """A tool is about to run; `context` is that of its call."""
        await self.run.on_tool_start(context, agent, tool)
        await _own(agent).on_tool_start(context, agent, tool)

    async def tool_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool, result: Any
    ) -> None:
        """A tool ran."""
        await self.run.on_tool_end(context, agent, tool, result)
        await _own(agent).on_tool_end(context, agent, tool, result)


_NONE: AgentHooksBase[Any, Any] = AgentHooksBase()


def _own(agent: Agent[Any]) -> AgentHooksBase[Any, Any]:
    return agent.hooks or _NONE
