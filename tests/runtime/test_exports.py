"""What `from runtime import …` offers; a change of this list is a decision."""

from __future__ import annotations

import importlib
import inspect

import pytest

import runtime
from runtime import Agent, RunConfig, Runner

MODULES = (
    "agent agent_output exceptions function_schema guardrail handoffs items lifecycle logger "
    "memory memory.session memory.sqlite_session model_settings models models.interface "
    "models.openai_responses models.openai_chatcompletions models.openai_provider "
    "models.multi_provider models.default_models models.chatcmpl_converter models.fake_id "
    "prompts result run run_context stream_events strict_schema tool tool_context usage version "
    "extensions.handoff_filters extensions.handoff_prompt"
)
NAMES = """
Agent AgentBase AgentHooks AgentOutputSchema AgentOutputSchemaBase AgentSpanData
AgentToolStreamEvent AgentUpdatedStreamEvent AgentsException AsyncOpenAI CallModelData
CallModelInputFilter CustomSpanData DynamicPromptFunction FunctionSpanData FunctionTool
FunctionToolResult GenerateDynamicPromptData GenerationSpanData GuardrailFunctionOutput
GuardrailSpanData Handoff HandoffCallItem HandoffInputData HandoffInputFilter HandoffOutputItem
HandoffSpanData InputGuardrail InputGuardrailResult InputGuardrailTripwireTriggered ItemHelpers
MCPApprovalRequestItem MCPApprovalResponseItem MCPListToolsItem MCPListToolsSpanData
MaxTurnsExceeded MessageOutputItem Model ModelBehaviorError ModelInputData ModelProvider
ModelResponse ModelSettings ModelTracing MultiProvider OpenAIChatCompletionsModel OpenAIProvider
OpenAIResponsesModel OutputGuardrail OutputGuardrailResult OutputGuardrailTripwireTriggered Prompt
RawResponsesStreamEvent ReasoningItem RequestUsage ResponseSpanData RunConfig RunContextWrapper
RunErrorDetails RunHooks RunItem RunItemStreamEvent RunResult RunResultStreaming Runner
SQLiteSession Session SessionABC Span SpanData SpanError SpeechGroupSpanData SpeechSpanData
StopAtTools StreamEvent TContext TResponseInputItem TaskSpanData Tool ToolCallItem
ToolCallOutputItem ToolContext ToolOutputFileContent ToolOutputImage ToolOutputText ToolTimeoutError
ToolsToFinalOutputFunction ToolsToFinalOutputResult Trace TracingProcessor TranscriptionSpanData
TurnSpanData Usage UserError __version__ add_trace_processor agent_span custom_span
default_tool_error_function enable_verbose_stdout_logging flush_traces function_span function_tool
gen_span_id gen_trace_id generation_span get_current_span get_current_trace guardrail_span handoff
handoff_span input_guardrail mcp_tools_span output_guardrail response_span set_default_openai_api
set_default_openai_client set_default_openai_key set_trace_processors set_trace_provider
set_tracing_disabled speech_group_span speech_span task_span trace transcription_span turn_span
"""


def test_names():
    """The names are these, each of them exists, and each is listed once."""
    assert sorted(runtime.__all__) == NAMES.split()
    assert len(set(runtime.__all__)) == len(runtime.__all__)
    assert all(hasattr(runtime, name) for name in runtime.__all__)


@pytest.mark.parametrize("module", MODULES.split())
def test_modules(module):
    """Modules that people import by path are there."""
    assert importlib.import_module(f"runtime.{module}")


@pytest.mark.parametrize("verb", ["run", "run_sync", "run_streamed"])
def test_verb_parameters(verb):
    """The verbs have the documented parameters, with the documented defaults."""
    parameters = inspect.signature(getattr(Runner, verb)).parameters

    assert [name for name in parameters if name != "auto_previous_response_id"] == [
        "starting_agent",
        "input",
        "context",
        "max_turns",
        "hooks",
        "run_config",
        "previous_response_id",
        "conversation_id",
        "session",
    ]
    assert parameters["max_turns"].default == 10


def test_fields():
    """Agent and RunConfig have the documented fields."""
    agent = set(inspect.signature(Agent).parameters)
    config = set(inspect.signature(RunConfig).parameters)

    assert agent >= {
        *("name", "handoff_description", "tools", "instructions", "prompt", "handoffs"),
        *("model", "model_settings", "input_guardrails", "output_guardrails", "output_type"),
        *("hooks", "tool_use_behavior", "reset_tool_choice"),
    }
    assert config >= {
        *("model", "model_provider", "model_settings", "handoff_input_filter"),
        *("input_guardrails", "output_guardrails", "tracing_disabled"),
        *("trace_include_sensitive_data", "workflow_name", "trace_id", "group_id"),
        *("trace_metadata", "session_input_callback", "call_model_input_filter", "tracing"),
    }
