"""One model call: everything it gets, gathered from agent, run and conversation."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai.types.responses import ResponsePromptParam

from runtime.agent_output import AgentOutputSchema, AgentOutputSchemaBase
from runtime.awaitable import settle
from runtime.conversation import without_orphans
from runtime.exceptions import UserError
from runtime.handoffs import Handoff, handoff
from runtime.items import TResponseInputItem
from runtime.model_settings import ModelSettings
from runtime.models.interface import Model
from runtime.run_config import CallModelData, ModelInputData, RunConfig
from runtime.run_context import RunContextWrapper
from runtime.state import State
from runtime.tool import Tool

if TYPE_CHECKING:
    from runtime.agent import Agent


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a model is asked."""

    model: Model
    instructions: str | None
    input: list[TResponseInputItem]
    settings: ModelSettings
    tools: list[Tool]
    output_schema: AgentOutputSchemaBase | None
    handoffs: list[Handoff[Any, Any]]
    prompt: ResponsePromptParam | None


async def prepare(state: State) -> Request:
    """Gather the next request of a run; functions of the user are asked anew for each.

    Raises:
        UserError: If two tools have the same name, or a filter returns the wrong thing.
    """
    agent = state.agent
    tools = await agent.get_all_tools(state.context)
    handoffs = await enabled_handoffs(agent, state.context)
    _refuse_duplicates(agent.name, [*(t.name for t in tools), *(h.tool_name for h in handoffs)])
    instructions = await agent.get_system_prompt(state.context)
    sent = ModelInputData(input=without_orphans(state.model_input()), instructions=instructions)
    if state.config.call_model_input_filter is not None:
        sent = await _filtered(state, sent)
    return Request(
        model=_model(agent, state.config),
        instructions=sent.instructions,
        input=sent.input,
        settings=_settings(state),
        tools=tools,
        output_schema=output_schema(agent),
        handoffs=handoffs,
        prompt=await agent.get_prompt(state.context),
    )


def output_schema(agent: Agent[Any]) -> AgentOutputSchemaBase | None:
    """Return the schema of an agent's final output; None for plain text."""
    output_type = agent.output_type
    if output_type is None or output_type is str:
        return None
    if isinstance(output_type, AgentOutputSchemaBase):
        return output_type
    return AgentOutputSchema(output_type)


async def enabled_handoffs(
    agent: Agent[Any], context: RunContextWrapper[Any]
) -> list[Handoff[Any, Any]]:
    """Return those handoffs of an agent that the model may see now."""
    ways = [way if isinstance(way, Handoff) else handoff(way) for way in agent.handoffs]
    return [
        way
        for way in ways
        if (
            await settle(way.is_enabled(context, agent))
            if callable(way.is_enabled)
            else way.is_enabled
        )
    ]


def _model(agent: Agent[Any], config: RunConfig) -> Model:
    chosen = config.model if config.model is not None else agent.model
    return chosen if isinstance(chosen, Model) else config.model_provider.get_model(chosen)


def _settings(state: State) -> ModelSettings:
    settings = state.agent.model_settings.resolve(state.config.model_settings)
    if state.agent.reset_tool_choice and state.has_used_tools():
        # A forced tool would be called for ever.
        return dataclasses.replace(settings, tool_choice=None)
    return settings


async def _filtered(state: State, sent: ModelInputData) -> ModelInputData:
    call_filter = state.config.call_model_input_filter
    assert call_filter is not None
    # A copy all the way down: what the filter changes must not change the run's own history.
    copied = ModelInputData(input=copy.deepcopy(sent.input), instructions=sent.instructions)
    data = CallModelData(model_data=copied, agent=state.agent, context=state.context.context)
    result = await settle(call_filter(data))
    if not isinstance(result, ModelInputData):
        raise UserError(
            f"call_model_input_filter returned a {type(result).__name__!r}. It must return the "
            "ModelInputData to send; return data.model_data, changed or as it is."
        )
    return result


def _refuse_duplicates(agent_name: str, names: list[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UserError(
            f"Agent {agent_name!r} has more than one tool or handoff called {twice[0]!r}. Names "
            "must differ within one agent, or the model could not tell them apart. Give one "
            "another name, with name_override= or tool_name_override=."
        )
