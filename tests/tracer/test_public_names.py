import importlib
import inspect
import subprocess

import pytest

import tracer

NAMES = """
AgentSpanData BatchTraceProcessor ConfigError CustomSpanData DefaultTraceProvider FunctionSpanData
GenerationSpanData GuardrailSpanData HandoffSpanData MCPListToolsSpanData MissingExtra
ResponseSpanData Span SpanData SpanError SpeechGroupSpanData SpeechSpanData TaskSpanData Trace
TraceProvider TracingConfig TracingExporter TracingProcessor TranscriptionSpanData TurnSpanData
__version__ add_trace_processor agent_span custom_span flush_traces function_span gen_group_id
gen_span_id gen_trace_id generation_span get_current_span get_current_trace get_trace_provider
guardrail_span handoff_span mcp_tools_span response_span set_trace_processors set_trace_provider
set_tracing_disabled speech_group_span speech_span task_span trace transcription_span turn_span
"""


def test_all():
    """These names and no others are promised; changing the list is a decision."""
    assert sorted(tracer.__all__) == sorted(NAMES.split())
    assert all(hasattr(tracer, name) for name in tracer.__all__)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("create", "trace custom_span get_current_span"),
        ("processor_interface", "TracingProcessor TracingExporter"),
        ("processors", "BatchTraceProcessor"),
        ("provider", "TraceProvider DefaultTraceProvider"),
        ("scope", "Scope"),
        ("setup", "get_trace_provider set_trace_provider"),
        ("span_data", "SpanData ResponseSpanData"),
        ("spans", "Span SpanError"),
        ("traces", "Trace"),
        ("util", "time_iso gen_trace_id gen_span_id gen_group_id"),
        ("logger", "logger"),
    ],
)
def test_modules(module: str, names: str):
    """The modules that people import by exist, with the names they import."""
    found = importlib.import_module(f"tracer.{module}")

    assert all(hasattr(found, name) for name in names.split())


LAST = ["span_id", "parent", "disabled"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("trace", ["workflow_name", "trace_id", "group_id", "metadata", "disabled", "tracing"]),
        ("agent_span", ["name", "handoffs", "tools", "output_type", *LAST]),
        ("custom_span", ["name", "data", *LAST]),
        ("function_span", ["name", "input", "output", *LAST]),
        ("generation_span", ["input", "output", "model", "model_config", "usage", *LAST]),
        ("response_span", ["response", *LAST]),
        ("guardrail_span", ["name", "triggered", *LAST]),
        ("handoff_span", ["from_agent", "to_agent", *LAST]),
        ("mcp_tools_span", ["server", "result", *LAST]),
        ("speech_group_span", ["input", *LAST]),
        (
            "speech_span",
            [
                "model",
                "input",
                "output",
                "output_format",
                "model_config",
                "first_content_at",
                *LAST,
            ],
        ),
        (
            "transcription_span",
            ["model", "input", "input_format", "output", "model_config", *LAST],
        ),
        ("task_span", ["name", *LAST]),
        ("turn_span", ["turn", "agent_name", *LAST]),
        ("set_tracing_disabled", ["disabled"]),
        ("add_trace_processor", ["span_processor"]),
        ("set_trace_processors", ["processors"]),
        ("set_trace_provider", ["provider"]),
    ],
)
def test_parameters(name: str, parameters: list[str]):
    """The functions take the parameters that users know, in their order."""
    assert list(inspect.signature(getattr(tracer, name)).parameters) == parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("AgentSpanData", ["name", "handoffs", "tools", "output_type"]),
        ("CustomSpanData", ["name", "data"]),
        ("FunctionSpanData", ["name", "input", "output", "mcp_data"]),
        ("GenerationSpanData", ["input", "output", "model", "model_config", "usage"]),
        ("GuardrailSpanData", ["name", "triggered"]),
        ("HandoffSpanData", ["from_agent", "to_agent"]),
        ("SpeechGroupSpanData", ["input"]),
        (
            "SpeechSpanData",
            ["input", "output", "output_format", "model", "model_config", "first_content_at"],
        ),
        ("MCPListToolsSpanData", ["server", "result"]),
        ("TranscriptionSpanData", ["input", "input_format", "output", "model", "model_config"]),
    ],
)
def test_span_data(name: str, parameters: list[str]):
    """So do the classes of span data; ours may take more after those."""
    found = list(inspect.signature(getattr(tracer, name)).parameters)

    assert found[: len(parameters)] == parameters


def test_processor():
    """A processor has the six methods that users know; two of them must be written."""
    assert tracer.TracingProcessor.__abstractmethods__ == {"on_span_start", "on_span_end"}
    for name in ("on_trace_start", "on_trace_end", "shutdown", "force_flush"):
        assert callable(getattr(tracer.TracingProcessor, name))


def test_version(python):
    """The version is said once and can be asked for."""
    done: subprocess.CompletedProcess[str] = python("import tracer; print(tracer.__version__)")

    assert done.stdout.strip() == tracer.__version__
