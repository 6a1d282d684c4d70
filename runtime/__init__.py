"""Agents: models with tools, handoffs and guardrails, every run of them recorded.

    from runtime import Agent, Runner

    agent = Agent(name="Assistant", instructions="You are a helpful assistant")
    result = Runner.run_sync(agent, "Write a haiku about recursion in programming.")
    print(result.final_output)

What is in `__all__` is the promise; modules under it may change.
"""

from openai import AsyncOpenAI

from runtime.agent import (
    Agent,
    AgentBase,
    AgentToolStreamEvent,
    StopAtTools,
    ToolsToFinalOutputFunction,
    ToolsToFinalOutputResult,
)
from runtime.agent_output import (
    AgentOutputSchema,
    AgentOutputSchemaBase,
)
from runtime.exceptions import (
    AgentsException,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    OutputGuardrailTripwireTriggered,
    RunErrorDetails,
    ToolTimeoutError,
    UserError,
)
from runtime.guardrail import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
    input_guardrail,
    output_guardrail,
)
from runtime.handoffs import (
    Handoff,
    HandoffInputData,
    HandoffInputFilter,
    handoff,
)
from runtime.items import (
    HandoffCallItem,
    HandoffOutputItem,
    ItemHelpers,
    MCPApprovalRequestItem,
    MCPApprovalResponseItem,
    MCPListToolsItem,
    MessageOutputItem,
    ModelResponse,
    ReasoningItem,
    RunItem,
    ToolCallItem,
    ToolCallOutputItem,
    TResponseInputItem,
)
from runtime.lifecycle import (
    AgentHooks,
    RunHooks,
)
from runtime.logger import (
    enable_verbose_stdout_logging,
)
from runtime.memory import (
    Session,
    SessionABC,
    SQLiteSession,
)
from runtime.model_settings import (
    ModelSettings,
)
from runtime.models.interface import (
    Model,
    ModelProvider,
    ModelTracing,
)
from runtime.models.multi_provider import (
    MultiProvider,
)
from runtime.models.openai_chatcompletions import (
    OpenAIChatCompletionsModel,
)
from runtime.models.openai_provider import (
    OpenAIProvider,
)
from runtime.models.openai_responses import (
    OpenAIResponsesModel,
)
from runtime.openai_defaults import (
    set_default_openai_api,
    set_default_openai_client,
    set_default_openai_key,
)
from runtime.prompts import (
    DynamicPromptFunction,
    GenerateDynamicPromptData,
    Prompt,
)
from runtime.result import (
    RunResult,
    RunResultStreaming,
)
from runtime.run import (
    Runner,
)
from runtime.run_config import (
    CallModelData,
    CallModelInputFilter,
    ModelInputData,
    RunConfig,
)
from runtime.run_context import (
    RunContextWrapper,
    TContext,
)
from runtime.stream_events import (
    AgentUpdatedStreamEvent,
    RawResponsesStreamEvent,
    RunItemStreamEvent,
    StreamEvent,
)
from runtime.tool import (
    FunctionTool,
    FunctionToolResult,
    Tool,
    ToolOutputFileContent,
    ToolOutputImage,
    ToolOutputText,
    default_tool_error_function,
    function_tool,
)
from runtime.tool_context import (
    ToolContext,
)
from runtime.usage import (
    RequestUsage,
    Usage,
)
from tracer import (
    AgentSpanData,
    CustomSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    MCPListToolsSpanData,
    ResponseSpanData,
    Span,
    SpanData,
    SpanError,
    SpeechGroupSpanData,
    SpeechSpanData,
    TaskSpanData,
    Trace,
    TracingProcessor,
    TranscriptionSpanData,
    TurnSpanData,
    __version__,
    add_trace_processor,
    agent_span,
    custom_span,
    flush_traces,
    function_span,
    gen_span_id,
    gen_trace_id,
    generation_span,
    get_current_span,
    get_current_trace,
    guardrail_span,
    handoff_span,
    mcp_tools_span,
    response_span,
    set_trace_processors,
    set_trace_provider,
    set_tracing_disabled,
    speech_group_span,
    speech_span,
    task_span,
    trace,
    transcription_span,
    turn_span,
)

__all__ = [
    "Agent",
    "AgentBase",
    "AgentHooks",
    "AgentOutputSchema",
    "AgentOutputSchemaBase",
    "AgentSpanData",
    "AgentToolStreamEvent",
    "AgentUpdatedStreamEvent",
    "AgentsException",
    "AsyncOpenAI",
    "CallModelData",
    "CallModelInputFilter",
    "CustomSpanData",
    "DynamicPromptFunction",
    "FunctionSpanData",
    "FunctionTool",
    "FunctionToolResult",
    "GenerateDynamicPromptData",
    "GenerationSpanData",
    "GuardrailFunctionOutput",
    "GuardrailSpanData",
    "Handoff",
    "HandoffCallItem",
    "HandoffInputData",
    "HandoffInputFilter",
    "HandoffOutputItem",
    "HandoffSpanData",
    "InputGuardrail",
    "InputGuardrailResult",
    "InputGuardrailTripwireTriggered",
    "ItemHelpers",
    "MCPApprovalRequestItem",
    "MCPApprovalResponseItem",
    "MCPListToolsItem",
    "MCPListToolsSpanData",
    "MaxTurnsExceeded",
    "MessageOutputItem",
    "Model",
    "ModelBehaviorError",
    "ModelInputData",
    "ModelProvider",
    "ModelResponse",
    "ModelSettings",
    "ModelTracing",
    "MultiProvider",
    "OpenAIChatCompletionsModel",
    "OpenAIProvider",
    "OpenAIResponsesModel",
    "OutputGuardrail",
    "OutputGuardrailResult",
    "OutputGuardrailTripwireTriggered",
    "Prompt",
    "RawResponsesStreamEvent",
    "ReasoningItem",
    "RequestUsage",
    "ResponseSpanData",
    "RunConfig",
    "RunContextWrapper",
    "RunErrorDetails",
    "RunHooks",
    "RunItem",
    "RunItemStreamEvent",
    "RunResult",
    "RunResultStreaming",
    "Runner",
    "SQLiteSession",
    "Session",
    "SessionABC",
    "Span",
    "SpanData",
    "SpanError",
    "SpeechGroupSpanData",
    "SpeechSpanData",
    "StopAtTools",
    "StreamEvent",
    "TContext",
    "TResponseInputItem",
    "TaskSpanData",
    "Tool",
    "ToolCallItem",
    "ToolCallOutputItem",
    "ToolContext",
    "ToolOutputFileContent",
    "ToolOutputImage",
    "ToolOutputText",
    "ToolTimeoutError",
    "ToolsToFinalOutputFunction",
    "ToolsToFinalOutputResult",
    "Trace",
    "TracingProcessor",
    "TranscriptionSpanData",
    "TurnSpanData",
    "Usage",
    "UserError",
    "__version__",
    "add_trace_processor",
    "agent_span",
    "custom_span",
    "default_tool_error_function",
    "enable_verbose_stdout_logging",
    "flush_traces",
    "function_span",
    "function_tool",
    "gen_span_id",
    "gen_trace_id",
    "generation_span",
    "get_current_span",
    "get_current_trace",
    "guardrail_span",
    "handoff",
    "handoff_span",
    "input_guardrail",
    "mcp_tools_span",
    "output_guardrail",
    "response_span",
    "set_default_openai_api",
    "set_default_openai_client",
    "set_default_openai_key",
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
