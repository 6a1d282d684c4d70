"""Settings that hold for a whole run, whichever agent is at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypedDict

from runtime import instrument
from runtime.awaitable import MaybeAwaitable
from runtime.guardrail import InputGuardrail, OutputGuardrail
from runtime.handoffs import HandoffInputFilter
from runtime.items import TResponseInputItem
from runtime.memory.session import SessionInputCallback
from runtime.model_settings import ModelSettings
from runtime.models.interface import Model, ModelProvider
from runtime.models.multi_provider import MultiProvider
from runtime.run_context import TContext

if TYPE_CHECKING:
    from runtime.agent import Agent

DEFAULT_MAX_TURNS = 10


@dataclass
class ModelInputData:
    """What is about to be sent to the model."""

    input: list[TResponseInputItem]
    instructions: str | None


@dataclass
class CallModelData(Generic[TContext]):
    """What a `call_model_input_filter` may look at."""

    model_data: ModelInputData
    agent: Agent[TContext]
    context: TContext | None


CallModelInputFilter: TypeAlias = Callable[[CallModelData[Any]], MaybeAwaitable[ModelInputData]]
"""Returns what to send instead. The run's own history keeps what was there."""


class TracingOptions(TypedDict, total=False):
    """How a run is recorded."""

    api_key: str
    """The key under which OpenAI's backend takes this run's trace, if it goes there."""

    include_task_and_turn_spans: bool
    """False leaves out the spans between trace, agents and model calls. Default: True."""


def _include_sensitive_data() -> bool:
    return instrument.usable_settings().include_sensitive_data


@dataclass
class RunConfig:
    """Settings that hold for a whole run; where an agent has its own, these win."""

    model: str | Model | None = None
    """The model for every agent, instead of their own."""

    model_provider: ModelProvider = field(default_factory=MultiProvider)
    """Finds the models that are given by name."""

    model_settings: ModelSettings | None = None
    """Each setting that is not None replaces the agent's."""

    handoff_input_filter: HandoffInputFilter | None = None
    """Decides what the next agent sees, for handoffs without a filter of their own."""

    input_guardrails: list[InputGuardrail[Any]] | None = None
    """Checks on the run's input, beside those of the first agent."""

    output_guardrails: list[OutputGuardrail[Any]] | None = None
    """Checks on the final output, beside those of the last agent."""

    tracing_disabled: bool = False
    """True records nothing of this run, not even inside a trace of yours."""

    trace_include_sensitive_data: bool = field(default_factory=_include_sensitive_data)
    """False keeps inputs, outputs, arguments, instructions and error texts out of the record."""

    workflow_name: str = "Agent workflow"
    """The name of the trace."""

    trace_id: str | None = None
    group_id: str | None = None
    """Ties traces together, for example all turns of one chat."""

    trace_metadata: dict[str, Any] | None = None
    session_input_callback: SessionInputCallback | None = None
    """Gets the session's items and the new ones, returns the input; by default these in a row."""

    call_model_input_filter: CallModelInputFilter | None = None
    """Has the last word on what is sent to the model."""

    tracing: TracingOptions | None = None
    model_timeout: float | None = None
    """Seconds that one model call may take before the run fails; None sets no limit of ours.

    Of a streamed call the whole stream counts, and so does the time its reader takes.
    """

    def recording(self) -> instrument.Recording:
        """Return what the tracer must know of these settings."""
        tracing: TracingOptions = self.tracing or {}
        return instrument.Recording(
            name=self.workflow_name,
            trace_id=self.trace_id,
            group_id=self.group_id,
            metadata=self.trace_metadata,
            disabled=self.tracing_disabled,
            content=self.trace_include_sensitive_data,
            steps=tracing.get("include_task_and_turn_spans", True),
            api_key=tracing.get("api_key"),
        )
