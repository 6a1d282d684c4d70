"""Agents: a model with instructions, tools, handoffs and guardrails."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, cast, get_origin

from openai.types.responses import ResponsePromptParam
from typing_extensions import TypedDict

from runtime.agent_output import AgentOutputSchemaBase
from runtime.agent_tool import AgentToolStreamEvent, agent_tool
from runtime.arguments import check_guardrails
from runtime.awaitable import MaybeAwaitable, settle
from runtime.exceptions import UserError, shown
from runtime.guardrail import InputGuardrail, OutputGuardrail
from runtime.handoffs import Handoff, is_agent
from runtime.lifecycle import AgentHooks, AgentHooksBase, RunHooks
from runtime.memory.session import Session
from runtime.model_settings import ModelSettings
from runtime.models.default_models import (
    get_default_model_settings,
    gpt_5_reasoning_settings_required,
    is_gpt_5_default,
)
from runtime.models.interface import Model
from runtime.prompts import DynamicPromptFunction, Prompt, resolve_prompt
from runtime.result import RunResult
from runtime.run_config import RunConfig
from runtime.run_context import RunContextWrapper, TContext
from runtime.tool import FunctionTool, FunctionToolResult, Tool

__all__ = [
    "Agent",
    "AgentBase",
    "AgentToolStreamEvent",
    "StopAtTools",
    "ToolsToFinalOutputFunction",
    "ToolsToFinalOutputResult",
]


@dataclass
class ToolsToFinalOutputResult:
    """Whether the run ends after the tools of a turn, and with what."""

    is_final_output: bool
    final_output: Any | None = None


ToolsToFinalOutputFunction: TypeAlias = Callable[
    [RunContextWrapper[TContext], list[FunctionToolResult]],
    MaybeAwaitable[ToolsToFinalOutputResult],
]


class StopAtTools(TypedDict):
    """Ends the run after any of these tools, with its output as the final output."""

    stop_at_tool_names: list[str]


@dataclass
class AgentBase(Generic[TContext]):
    """What every kind of agent has."""

    name: str
    handoff_description: str | None = None
    """Tells other agents when to hand off to this one."""

    tools: list[Tool] = field(default_factory=list)

    async def get_all_tools(self, run_context: RunContextWrapper[TContext]) -> list[Tool]:
        """Return the tools the model may use now; each is asked whether it is enabled."""
        return [tool for tool in self.tools if await _is_enabled(tool, run_context, self)]


Instructions: TypeAlias = (
    str | Callable[[RunContextWrapper[TContext], "Agent[TContext]"], MaybeAwaitable[str]] | None
)


@dataclass
class Agent(AgentBase[TContext]):
    """A model with instructions, tools, handoffs and guardrails.

    Agents hold no state of a run: any number of runs may share one.
    """

    instructions: Instructions[TContext] = None
    """The system prompt, or a function of context and agent that returns it."""

    prompt: Prompt | DynamicPromptFunction | None = None
    """A prompt kept on OpenAI's platform, for the Responses API."""

    handoffs: list[Agent[Any] | Handoff[TContext, Any]] = field(default_factory=list)
    """Agents that may take over."""

    model: str | Model | None = None
    """A model or its name; None is the default model."""

    model_settings: ModelSettings = field(default_factory=get_default_model_settings)
    input_guardrails: list[InputGuardrail[TContext]] = field(default_factory=list)
    """Checks on the input, if this is the first agent of the run."""

    output_guardrails: list[OutputGuardrail[TContext]] = field(default_factory=list)
    """Checks on the final output, if this is the last agent of the run."""

    output_type: type[Any] | AgentOutputSchemaBase | None = None
    """The type of the final output; None is text."""

    hooks: AgentHooks[TContext] | None = None
    tool_use_behavior: (
        Literal["run_llm_again", "stop_on_first_tool"]
        | StopAtTools
        | ToolsToFinalOutputFunction[TContext]
    ) = "run_llm_again"
    """What follows the tools of a turn: another model call, or the end of the run."""

    reset_tool_choice: bool = True
    """Whether a forced `tool_choice` holds only until the agent has used a tool."""

    def __post_init__(self) -> None:
        self._check()
        # Settings that suit the default model need not suit the one that was named.
        if (
            self.model is not None
            and is_gpt_5_default()
            and not (isinstance(self.model, str) and gpt_5_reasoning_settings_required(self.model))
            and self.model_settings == get_default_model_settings()
        ):
            self.model_settings = ModelSettings()

    def clone(self, **kwargs: Any) -> Agent[TContext]:
        """Return a copy with some properties replaced.

        Lists that are not replaced are shared with the copy.
        """
        return dataclasses.replace(self, **kwargs)

    def as_tool(  # noqa: PLR0913
        self,
        tool_name: str | None,
        tool_description: str | None,
        custom_output_extractor: Callable[[RunResult], Awaitable[str]] | None = None,
        is_enabled: bool
        | Callable[[RunContextWrapper[Any], AgentBase[Any]], MaybeAwaitable[bool]] = True,
        run_config: RunConfig | None = None,
        max_turns: int | None = None,
        hooks: RunHooks[TContext] | None = None,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        session: Session | None = None,
        on_stream: Callable[[AgentToolStreamEvent], MaybeAwaitable[None]] | None = None,
    ) -> FunctionTool:
        """Return a tool that runs this agent and answers with its output.

        Unlike a handoff, this agent sees only the input the model writes, and the conversation
        stays with the caller.

        Args:
            tool_name: The name of the tool; None makes one of the agent's name.
            tool_description: What it does and when to use it.
            custom_output_extractor: Makes the answer out of the result; the default is the final
                output as text.
            is_enabled: Whether the model sees the tool, or a function that tells.
            run_config: Settings of the inner run; None takes those of the outer one.
            max_turns: How often the inner run may call the model.
            hooks: Hooks of the inner run.
            previous_response_id: Continues a response that the provider keeps.
            conversation_id: Continues a conversation that the provider keeps.
            session: Gives the inner run its history.
            on_stream: Called with every event of the inner run, which then streams.
        """
        return agent_tool(
            self,
            name=tool_name,
            description=tool_description,
            extract=custom_output_extractor,
            is_enabled=is_enabled,
            on_stream=on_stream,
            options={
                "run_config": run_config,
                "hooks": hooks,
                "previous_response_id": previous_response_id,
                "conversation_id": conversation_id,
                "session": session,
                **({"max_turns": max_turns} if max_turns is not None else {}),
            },
        )

    async def get_system_prompt(self, run_context: RunContextWrapper[TContext]) -> str | None:
        """Return the instructions, asking their function if they have one.

        Raises:
            UserError: If they are neither text nor a function of two arguments.
        """
        if self.instructions is None or isinstance(self.instructions, str):
            return self.instructions
        count = len(inspect.signature(self.instructions).parameters)
        if count != 2:
            raise UserError(
                f"The instructions function of agent {self.name!r} takes {count} arguments. It "
                "must take two, the context and the agent; change it, or pass text."
            )
        return await settle(self.instructions(run_context, self))

    async def get_prompt(
        self, run_context: RunContextWrapper[TContext]
    ) -> ResponsePromptParam | None:
        """Return the prompt in the form the Responses API takes."""
        return await resolve_prompt(self.prompt, run_context, self)

    def _check(self) -> None:
        """Refuse at once what would otherwise fail in the middle of a run."""
        if not isinstance(self.name, str):
            raise _wrong("name", self.name, "a string", "Agent(name='...')")
        instructions: object = self.instructions
        if not (instructions is None or isinstance(instructions, str) or callable(instructions)):
            raise _wrong("instructions", instructions, "text or a function", "one of these")
        self._check_lists()
        if not _is_output_type(self.output_type):
            hint = "the type itself, as in output_type=Answer"
            raise _wrong("output_type", self.output_type, "a type or an AgentOutputSchema", hint)
        if self.model is not None and not isinstance(self.model, str | Model):
            raise _wrong("model", self.model, "the name of a model or a Model", "one of these")
        if not isinstance(self.model_settings, ModelSettings):
            hint = "model_settings=ModelSettings(...)"
            raise _wrong("model_settings", self.model_settings, "a ModelSettings", hint)
        if self.hooks is not None and not isinstance(self.hooks, AgentHooksBase):
            hint = "one, or give RunHooks to the run, as Runner.run(..., hooks=...)"
            raise _wrong("hooks", self.hooks, "an instance of a subclass of AgentHooks", hint)

    def _check_lists(self) -> None:
        for name in ("tools", "handoffs", "input_guardrails", "output_guardrails"):
            value = getattr(self, name)
            if not isinstance(value, list):
                raise _wrong(name, value, "a list", f"{name}=[...]")
        for tool in self.tools:
            if not isinstance(tool, FunctionTool):
                hint = "functions decorated with @function_tool, and agents as agent.as_tool(...)"
                raise _wrong("an entry of tools", tool, "a FunctionTool", hint)
        for way in self.handoffs:
            if not (isinstance(way, Handoff) or is_agent(way)):
                hint = "the Agent itself, not its name or class, or handoff(agent)"
                raise _wrong("an entry of handoffs", way, "an Agent or a Handoff", hint)
        check_guardrails(f"Agent {self.name!r}", self.input_guardrails, self.output_guardrails)


def _wrong(name: str, value: object, wanted: str, hint: str) -> UserError:
    return UserError(f"Agent got {shown(value)} as {name}. It must be {wanted}; pass {hint}.")


def _is_output_type(value: object) -> bool:
    return (
        value is None
        or isinstance(value, type | AgentOutputSchemaBase)
        or get_origin(value) is not None
        # Special forms such as NewType, which are types to type checkers only.
        or type(value).__module__ in ("typing", "typing_extensions")
    )


async def _is_enabled(
    tool: Tool, run_context: RunContextWrapper[Any], agent: AgentBase[Any]
) -> bool:
    enabled = cast(Any, getattr(tool, "is_enabled", True))
    return bool(await settle(enabled(run_context, agent)) if callable(enabled) else enabled)
