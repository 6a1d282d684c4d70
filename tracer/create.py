"""Factories: `trace()` and one function for each type of span.

Nothing starts before `with` or `start()`. A span belongs to the current trace and nests in the
current span, unless `parent` names another; with `disabled=True` it is not recorded, and neither
is what nests in it. Ids are drawn unless given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.setup import get_trace_provider
from tracer.span_data import (
    AgentSpanData,
    CustomSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    MCPListToolsSpanData,
    ResponseSpanData,
    SpeechGroupSpanData,
    SpeechSpanData,
    TaskSpanData,
    TranscriptionSpanData,
    TurnSpanData,
)
from tracer.spans import Span
from tracer.traces import Trace, TracingConfig

# The parameters of this module are the public API that users know.
# ruff: noqa: PLR0913

Parent = Trace | Span[Any] | None


def trace(
    workflow_name: str,
    trace_id: str | None = None,
    group_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    disabled: bool = False,
    tracing: TracingConfig | None = None,
) -> Trace:
    """Record everything done inside the `with` block as one trace.

    Spans opened in the block, also those in tasks started from it, belong to it. A trace that
    starts inside another one is a trace of its own; the outer one goes on after it.

    Args:
        workflow_name: What the user would call this work, such as `"answer ticket"`.
        trace_id: `trace_` and 32 hex digits.
        group_id: Ties traces together, for example all turns of one chat.
        metadata: What else to know of this trace.
        disabled: Do not record.
        tracing: Settings of this trace for exporters and the runtime.
    """
    return get_trace_provider().create_trace(
        workflow_name, trace_id, group_id, metadata, disabled, tracing
    )


def get_current_trace() -> Trace | None:
    """The trace that is current in this context."""
    return get_trace_provider().get_current_trace()


def get_current_span() -> Span[Any] | None:
    """The span that is current in this context."""
    return get_trace_provider().get_current_span()


def agent_span(
    name: str,
    handoffs: list[str] | None = None,
    tools: list[str] | None = None,
    output_type: str | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[AgentSpanData]:
    """A span for one agent at work; `handoffs` and `tools` are names."""
    data = AgentSpanData(name, handoffs, tools, output_type)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def task_span(
    name: str, span_id: str | None = None, parent: Parent = None, disabled: bool = False
) -> Span[TaskSpanData]:
    """A span for one call of the runner."""
    return get_trace_provider().create_span(TaskSpanData(name), span_id, parent, disabled)


def turn_span(
    turn: int,
    agent_name: str,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[TurnSpanData]:
    """A span for one turn of the loop; turns count from 1."""
    data = TurnSpanData(turn, agent_name)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def function_span(
    name: str,
    input: str | None = None,
    output: str | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[FunctionSpanData]:
    """A span for one call of a tool; `input` is the JSON text of its arguments."""
    data = FunctionSpanData(name, input, output)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def generation_span(
    input: Sequence[Mapping[str, Any]] | None = None,
    output: Sequence[Mapping[str, Any]] | None = None,
    model: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    usage: dict[str, Any] | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[GenerationSpanData]:
    """A span for one call of a model; `usage` has `input_tokens` and `output_tokens`."""
    data = GenerationSpanData(input, output, model, model_config, usage)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def response_span(
    response: Any = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[ResponseSpanData]:
    """A span for one call of the Responses API; `response` is the `Response` object."""
    data = ResponseSpanData(response)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def handoff_span(
    from_agent: str | None = None,
    to_agent: str | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[HandoffSpanData]:
    """A span for control passing between agents, by their names."""
    data = HandoffSpanData(from_agent, to_agent)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def custom_span(
    name: str,
    data: dict[str, Any] | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[CustomSpanData]:
    """A span for whatever the program wants to see on the timeline."""
    custom = CustomSpanData(name, {} if data is None else data)
    return get_trace_provider().create_span(custom, span_id, parent, disabled)


def guardrail_span(
    name: str,
    triggered: bool = False,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[GuardrailSpanData]:
    """A span for one guardrail's check."""
    data = GuardrailSpanData(name, triggered)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def transcription_span(
    model: str | None = None,
    input: str | None = None,
    input_format: str | None = "pcm",
    output: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[TranscriptionSpanData]:
    """A span for speech turned into text; `input` is base64 audio."""
    data = TranscriptionSpanData(input, input_format, output, model, model_config)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def speech_span(
    model: str | None = None,
    input: str | None = None,
    output: str | None = None,
    output_format: str | None = "pcm",
    model_config: Mapping[str, Any] | None = None,
    first_content_at: str | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[SpeechSpanData]:
    """A span for text turned into speech; `output` is base64 audio."""
    data = SpeechSpanData(input, output, output_format, model, model_config, first_content_at)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def speech_group_span(
    input: str | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[SpeechGroupSpanData]:
    """A span around pieces of speech that belong together."""
    data = SpeechGroupSpanData(input)
    return get_trace_provider().create_span(data, span_id, parent, disabled)


def mcp_tools_span(
    server: str | None = None,
    result: list[str] | None = None,
    span_id: str | None = None,
    parent: Parent = None,
    disabled: bool = False,
) -> Span[MCPListToolsSpanData]:
    """A span for a server being asked for its tools; `result` is their names."""
    data = MCPListToolsSpanData(server, result)
    return get_trace_provider().create_span(data, span_id, parent, disabled)
