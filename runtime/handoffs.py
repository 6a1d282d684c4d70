"""Handoffs: an agent gives the conversation to another one."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast, overload

from pydantic import TypeAdapter
from typing_extensions import TypeVar

from runtime.awaitable import MaybeAwaitable, settle
from runtime.exceptions import UserError, shown
from runtime.items import RunItem, TResponseInputItem
from runtime.json_input import parse_json
from runtime.run_context import RunContextWrapper, TContext
from runtime.strict_schema import ensure_strict_json_schema

if TYPE_CHECKING:
    from runtime.agent import Agent, AgentBase

THandoffInput = TypeVar("THandoffInput", default=Any)
TAgent = TypeVar("TAgent", bound="AgentBase[Any]", default="Agent[Any]")

OnHandoffWithInput: TypeAlias = Callable[[RunContextWrapper[Any], THandoffInput], Any]
OnHandoffWithoutInput: TypeAlias = Callable[[RunContextWrapper[Any]], Any]


@dataclass(frozen=True)
class HandoffInputData:
    """The conversation at the moment of a handoff, in its three parts."""

    input_history: str | tuple[TResponseInputItem, ...]
    """What the run was given."""

    pre_handoff_items: tuple[RunItem, ...]
    """What the run produced before the turn of the handoff."""

    new_items: tuple[RunItem, ...]
    """What that turn produced, the call and the answer of the handoff included."""

    run_context: RunContextWrapper[Any] | None = None

    def clone(self, **kwargs: Any) -> HandoffInputData:
        """Return a copy with some parts replaced, as in `data.clone(new_items=())`."""
        return replace(self, **kwargs)


HandoffInputFilter: TypeAlias = Callable[[HandoffInputData], MaybeAwaitable[HandoffInputData]]
"""Decides what the next agent sees of the conversation."""


@dataclass
class Handoff(Generic[TContext, TAgent]):
    """A handoff as the model sees it (a tool) and as the runner carries it out."""

    tool_name: str
    tool_description: str
    input_json_schema: dict[str, Any]
    """The schema of the tool's arguments."""

    on_invoke_handoff: Callable[[RunContextWrapper[Any], str], Awaitable[TAgent]]
    """Gets the context and the model's arguments as JSON; returns the agent that takes over."""

    agent_name: str
    input_filter: HandoffInputFilter | None = None
    """Decides what the next agent sees; without one it sees the whole conversation."""

    strict_json_schema: bool = True
    is_enabled: bool | Callable[[RunContextWrapper[Any], AgentBase[Any]], MaybeAwaitable[bool]] = (
        True
    )
    """Whether the model sees the handoff; a function is asked before every model call."""

    def get_transfer_message(self, agent: AgentBase[Any]) -> str:
        """Return what the model reads as the answer to its handoff call."""
        return json.dumps({"assistant": agent.name})

    @classmethod
    def default_tool_name(cls, agent: AgentBase[Any]) -> str:
        """Return `transfer_to_<agent>`, in characters that tool names may have."""
        return re.sub(r"[^a-zA-Z0-9_]", "_", f"transfer_to_{agent.name}").lower()

    @classmethod
    def default_tool_description(cls, agent: AgentBase[Any]) -> str:
        """Return the description of the tool, the agent's `handoff_description` included."""
        return (
            f"Handoff to the {agent.name} agent to handle the request. "
            f"{agent.handoff_description or ''}"
        )


@overload
def handoff(
    agent: Agent[TContext],
    *,
    tool_name_override: str | None = None,
    tool_description_override: str | None = None,
    input_filter: HandoffInputFilter | None = None,
    is_enabled: bool | Callable[[RunContextWrapper[Any], Agent[Any]], MaybeAwaitable[bool]] = True,
) -> Handoff[TContext, Agent[TContext]]: ...


@overload
def handoff(
    agent: Agent[TContext],
    *,
    on_handoff: OnHandoffWithInput[THandoffInput],
    input_type: type[THandoffInput],
    tool_name_override: str | None = None,
    tool_description_override: str | None = None,
    input_filter: HandoffInputFilter | None = None,
    is_enabled: bool | Callable[[RunContextWrapper[Any], Agent[Any]], MaybeAwaitable[bool]] = True,
) -> Handoff[TContext, Agent[TContext]]: ...


@overload
def handoff(
    agent: Agent[TContext],
    *,
    on_handoff: OnHandoffWithoutInput,
    tool_name_override: str | None = None,
    tool_description_override: str | None = None,
    input_filter: HandoffInputFilter | None = None,
    is_enabled: bool | Callable[[RunContextWrapper[Any], Agent[Any]], MaybeAwaitable[bool]] = True,
) -> Handoff[TContext, Agent[TContext]]: ...


def handoff(  # noqa: PLR0913
    agent: Agent[TContext],
    tool_name_override: str | None = None,
    tool_description_override: str | None = None,
    on_handoff: OnHandoffWithInput[THandoffInput] | OnHandoffWithoutInput | None = None,
    input_type: type[THandoffInput] | None = None,
    input_filter: HandoffInputFilter | None = None,
    is_enabled: bool | Callable[[RunContextWrapper[Any], Agent[Any]], MaybeAwaitable[bool]] = True,
) -> Handoff[TContext, Agent[TContext]]:
    """Return a handoff to `agent`.

    Args:
        agent: Who takes over.
        tool_name_override: The tool's name, instead of `transfer_to_<agent>`.
        tool_description_override: The tool's description, instead of the default one.
        on_handoff: Called, and awaited if async, when the handoff takes place.
        input_type: What the model must send along; `on_handoff` gets it as second argument.
        input_filter: Decides what the next agent sees of the conversation.
        is_enabled: Whether the model sees the handoff, or a function that tells.

    Raises:
        UserError: If `agent` is none, or `on_handoff` and `input_type` do not fit together.
    """
    _check_target(agent)
    _check_callback(on_handoff, input_type)
    adapter = TypeAdapter(input_type) if input_type is not None else None
    tool_name = tool_name_override or Handoff.default_tool_name(agent)

    async def invoke(context: RunContextWrapper[Any], input_json: str) -> Agent[TContext]:
        if adapter is not None:
            data = parse_json(input_json or "", adapter, what=f"arguments of handoff {tool_name!r}")
            await settle(cast(OnHandoffWithInput[Any], on_handoff)(context, data))
        elif on_handoff is not None:
            await settle(cast(OnHandoffWithoutInput, on_handoff)(context))
        return agent

    return Handoff(
        tool_name=tool_name,
        tool_description=tool_description_override or Handoff.default_tool_description(agent),
        input_json_schema=ensure_strict_json_schema(adapter.json_schema() if adapter else {}),
        on_invoke_handoff=invoke,
        agent_name=agent.name,
        input_filter=input_filter,
        is_enabled=cast(Any, is_enabled),
    )


def is_agent(value: object) -> bool:
    """Tell an agent by what it can do; agents are made of handoffs, so their class comes later."""
    return hasattr(value, "get_system_prompt") and not isinstance(value, type)


def _check_target(agent: object) -> None:
    if not is_agent(agent):
        raise UserError(
            f"A handoff got {shown(agent)} as the agent that takes over. Only an Agent can; pass "
            "the agent itself, not its name or class."
        )


def _check_callback(on_handoff: Any, input_type: Any) -> None:
    if on_handoff is None:
        if input_type is not None:
            raise UserError(
                f"handoff() got input_type={input_type!r} without on_handoff. Only on_handoff "
                "receives what the model sends along; pass on_handoff=, or leave input_type out."
            )
        return
    if not callable(on_handoff):
        raise UserError(
            f"handoff() got on_handoff={on_handoff!r}, which cannot be called. Pass a function "
            "that takes the context (and the input, if input_type is given)."
        )
    wanted = 1 if input_type is None else 2
    found = len(inspect.signature(on_handoff).parameters)
    if found != wanted:
        raise UserError(
            f"on_handoff takes {found} arguments. It must take "
            + ("two, context and input, " if wanted == 2 else "one, the context, ")
            + f"because input_type is {'given' if wanted == 2 else 'not given'}. Change the "
            "function, or give or drop input_type."
        )
