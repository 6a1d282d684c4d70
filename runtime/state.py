"""What a run is at any moment: the one thing that the loop moves on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.conversation import Chain
from runtime.exceptions import MaxTurnsExceeded, RunErrorDetails
from runtime.guardrail import InputGuardrailResult, OutputGuardrailResult
from runtime.hooks import Hooks
from runtime.instrument import Recording
from runtime.items import ItemHelpers, ModelResponse, RunItem, TResponseInputItem
from runtime.memory.session import Session
from runtime.run_config import RunConfig
from runtime.run_context import RunContextWrapper

if TYPE_CHECKING:
    from runtime.agent import Agent


@dataclass
class State:
    """A run: what it was given, where it stands and what it has produced.

    It belongs to one call of `drive`. Others may read it, and may set `stop_after_turn`.
    """

    agent: Agent[Any]
    """The agent at work."""

    input: str | list[TResponseInputItem]
    """What the run begins with; a session's history and a handoff's filter may change it."""

    context: RunContextWrapper[Any]
    config: RunConfig
    recording: Recording
    hooks: Hooks
    max_turns: int
    session: Session | None
    chain: Chain
    streamed: bool

    turn: int = 0
    items: list[RunItem] = field(default_factory=list)
    """What the run has produced."""

    history: list[TResponseInputItem] = field(default_factory=list)
    """What the model sees: the input, then the items, each made ready once."""

    unsent: list[TResponseInputItem] = field(default_factory=list)
    """What the provider does not know yet, where it keeps the conversation."""

    unsaved: list[TResponseInputItem] = field(default_factory=list)
    """What the session does not know yet."""

    responses: list[ModelResponse] = field(default_factory=list)
    input_guardrail_results: list[InputGuardrailResult] = field(default_factory=list)
    output_guardrail_results: list[OutputGuardrailResult] = field(default_factory=list)
    output: Any = None
    finished: bool = False
    """Whether `output` is the final output."""

    stop_after_turn: bool = False
    # The agents themselves: the id of one that is gone could be another's.
    _used_tools: list[Agent[Any]] = field(default_factory=list)

    def begin_turn(self) -> None:
        """Count a new turn.

        Raises:
            MaxTurnsExceeded: If no turn is left.
        """
        if self.turn >= self.max_turns:
            raise MaxTurnsExceeded(
                f"The run stopped after {self.max_turns} turns without a final output. max_turns "
                "limits how often the model is called. Raise max_turns, or look at the trace to "
                "see where the run goes round in circles."
            )
        self.turn += 1

    def model_input(self) -> list[TResponseInputItem]:
        """Return, as a list of its own, what the next model call must be sent."""
        return list(self.unsent if self.chain.kept_by_provider else self.history)

    def rewrite(self, given: str | list[TResponseInputItem], items: list[RunItem]) -> None:
        """Let the run look as if it had begun with `given` and produced `items`."""
        self.input = given
        self.items = items
        self.history = ItemHelpers.input_to_new_input_list(given)
        self.history.extend(item.to_input_item() for item in items)

    def add_tool_use(self) -> None:
        """Note that the agent at work has called a tool."""
        if not self.has_used_tools():
            self._used_tools.append(self.agent)

    def has_used_tools(self) -> bool:
        """Tell whether the agent at work has called a tool in this run."""
        return any(agent is self.agent for agent in self._used_tools)

    def error_details(self) -> RunErrorDetails:
        """Return what an exception carries out of the run."""
        return RunErrorDetails(
            input=self.input,
            new_items=list(self.items),
            raw_responses=list(self.responses),
            last_agent=self.agent,
            context_wrapper=self.context,
            input_guardrail_results=list(self.input_guardrail_results),
            output_guardrail_results=list(self.output_guardrail_results),
        )
