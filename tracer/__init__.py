"""Traces and spans: what a program did, when, and how it ended.

    from tracer import custom_span, trace

    with trace("answer ticket", group_id="chat-42"):
        with custom_span("look up customer") as span:
            span.set(customer="u_42")

Importing starts no thread and opens no file. The first trace loads the exporters that the
settings name, by default the local store.
"""

from tracer.create import (
    agent_span,
    custom_span,
    function_span,
    generation_span,
    get_current_span,
    get_current_trace,
    guardrail_span,
    handoff_span,
    mcp_tools_span,
    response_span,
    speech_group_span,
    speech_span,
    task_span,
    trace,
    transcription_span,
    turn_span,
)
from tracer.errors import ConfigError, MissingExtra
from tracer.processor_interface import TracingExporter, TracingProcessor
from tracer.processors import BatchTraceProcessor
from tracer.provider import DefaultTraceProvider, TraceProvider
from tracer.setup import get_trace_provider, set_trace_provider
from tracer.span_data import (
    AgentSpanData,
    CustomSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    MCPListToolsSpanData,
    ResponseSpanData,
    SpanData,
    SpeechGroupSpanData,
    SpeechSpanData,
    TaskSpanData,
    TranscriptionSpanData,
    TurnSpanData,
)
from tracer.spans import Span, SpanError
from tracer.traces import Trace, TracingConfig
from tracer.util import gen_group_id, gen_span_id, gen_trace_id
from tracer.version import __version__

__all__ = [
    "AgentSpanData",
    "BatchTraceProcessor",
    "ConfigError",
    "CustomSpanData",
    "DefaultTraceProvider",
    "FunctionSpanData",
    "GenerationSpanData",
    "GuardrailSpanData",
    "HandoffSpanData",
    "MCPListToolsSpanData",
    "MissingExtra",
    "ResponseSpanData",
    "Span",
    "SpanData",
    "SpanError",
    "SpeechGroupSpanData",
    "SpeechSpanData",
    "TaskSpanData",
    "Trace",
    "TraceProvider",
    "TracingConfig",
    "TracingExporter",
    "TracingProcessor",
    "TranscriptionSpanData",
    "TurnSpanData",
    "__version__",
    "add_trace_processor",
    "agent_span",
    "custom_span",
    "flush_traces",
    "function_span",
    "gen_group_id",
    "gen_span_id",
    "gen_trace_id",
    "generation_span",
    "get_current_span",
    "get_current_trace",
    "get_trace_provider",
    "guardrail_span",
    "handoff_span",
    "mcp_tools_span",
    "response_span",
    "set_trace_processors",
    "set_trace_provider",
    "set_tracing_disabled",
    "speech_group_span",
    "speech_span",
    "task_span",
    "trace",
    "transcription_span",
    "turn_span",
]


def add_trace_processor(span_processor: TracingProcessor) -> None:
    """Tell this processor of every trace and span, besides those there are."""
    get_trace_provider().register_processor(span_processor)


def set_trace_processors(processors: list[TracingProcessor]) -> None:
    """Tell these processors and no others; an empty list records nothing."""
    get_trace_provider().set_processors(processors)


def set_tracing_disabled(disabled: bool) -> None:
    """Record nothing from now on, or record again."""
    get_trace_provider().set_disabled(disabled)


def flush_traces() -> None:
    """Wait until every processor has delivered what it holds.

    The local store does not need it: what ended is on file. It is for exporters that batch.
    """
    get_trace_provider().force_flush()
