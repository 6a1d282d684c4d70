"""What a span of another tool is: its type here, told by its attributes. Pure; first match wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from exporters.otlp.raw import RawSpan

_LANGFUSE = {
    "generation": "generation",
    "embedding": "generation",
    "agent": "agent",
    "tool": "function",
    "guardrail": "guardrail",
}
_OPENINFERENCE = {
    "LLM": "generation",
    "EMBEDDING": "generation",
    "AGENT": "agent",
    "TOOL": "function",
    "GUARDRAIL": "guardrail",
}
_TRACELOOP = {"handoff": "handoff", "agent": "agent", "tool": "function", "workflow": "custom",
              "task": "custom"}  # fmt: skip
_OPERATIONS = {
    **dict.fromkeys(
        ("chat", "text_completion", "completion", "generate_content", "generate", "llm_request",
         "embeddings", "rerank"),
        "generation",
    ),
    **dict.fromkeys(("invoke_agent", "create_agent"), "agent"),
    "execute_tool": "function",
    **dict.fromkeys(
        ("invoke_workflow", "handle_conversation_turn", "agent_step", "plan", "retrieval",
         "fetch_response"),
        "custom",
    ),
    **dict.fromkeys(("handoff", "agent_handoff"), "handoff"),
    **dict.fromkeys(
        ("apply_guardrail", "run_guardrail", "guardrail_check", "guardrail.run"), "guardrail"
    ),
    "transcription": "transcription",
    **dict.fromkeys(("speech", "speech_generation"), "speech"),
    "speech_group": "speech_group",
}  # fmt: skip
_LOGFIRE = (
    ("Agent run:", "agent"),
    ("Function:", "function"),
    ("Chat completion with", "generation"),
    ("Responses API", "response"),
    ("Guardrail", "guardrail"),
    ("Handoff:", "handoff"),
    ("MCP: list tools", "mcp_tools"),
    ("Text → Speech group", "speech_group"),
    ("Text → Speech", "speech"),
    ("Speech → Text", "transcription"),
)
_MODELS = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id")
_CONTENT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.input.messages",
    "gen_ai.prompt.0.content",
    "llm.token_count.prompt",
)
_LEFT_OUT = ("pending_span", "log")


def is_left_out(raw: RawSpan) -> bool:
    """Whether a span only announces another one, or is a line of a log."""
    return raw.attributes.get("logfire.span_type") in _LEFT_OUT


def type_of(raw: RawSpan) -> str:
    """The type of a span; `custom` where nothing tells it."""
    for rule in _RULES:
        found = rule(raw)
        if found is not None:
            return found
    return "custom"


def text(said: Mapping[str, Any], key: str) -> str | None:
    """An attribute that is a text, and not an empty one."""
    value = said.get(key)
    return value if isinstance(value, str) and value else None


def _by_langfuse(raw: RawSpan) -> str | None:
    kind = text(raw.attributes, "langfuse.observation.type")
    return None if kind is None else _LANGFUSE.get(kind, "custom")


def _by_openinference(raw: RawSpan) -> str | None:
    kind = text(raw.attributes, "openinference.span.kind")
    if kind is None:
        return None
    kind = kind.upper()
    tool = text(raw.attributes, "tool.name")
    if kind == "TOOL" and raw.name.startswith("handoff to ") and tool is None:
        return "handoff"
    if kind == "CHAIN" and raw.name == "mcp_tools":
        return "mcp_tools"
    if kind == "AGENT" and raw.attributes.get("gen_ai.operation.name") == "plan":
        return "custom"
    if kind == "AGENT" and raw.parent_id is None and _is_openai_agents(raw):
        # Its trace itself, which has no name of an agent.
        return "agent" if text(raw.attributes, "agent.name") else "custom"
    return _OPENINFERENCE.get(kind, "custom")


def _by_logfire(raw: RawSpan) -> str | None:
    template = text(raw.attributes, "logfire.msg_template")
    if template is None or not _is_openai_agents(raw):
        return None
    return next((kind for start, kind in _LOGFIRE if template.startswith(start)), None)


def _by_traceloop(raw: RawSpan) -> str | None:
    return _TRACELOOP.get(text(raw.attributes, "traceloop.span.kind") or "")


def _by_operation(raw: RawSpan) -> str | None:
    said = raw.attributes
    found = _OPERATIONS.get(text(said, "gen_ai.operation.name") or "")
    if found == "generation" and said.get("openai.api.type") == "responses":
        return "response"
    if found == "function" and text(said, "gen_ai.agent.handoff.target.name"):
        return "handoff"
    return found


def _by_vercel(raw: RawSpan) -> str | None:
    said = raw.attributes
    first = (text(said, "operation.name") or "").partition(" ")[0]
    name = text(said, "ai.operationId") or first
    if not name.startswith("ai."):
        return None
    if name.endswith((".doGenerate", ".doStream", ".doEmbed")):
        return "generation"
    if name == "ai.toolCall":
        return "function"
    outer = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
    return "agent" if name in outer else "custom"


def _by_mcp(raw: RawSpan) -> str | None:
    method = text(raw.attributes, "mcp.method.name")
    if method is None:
        return None
    return {"tools/list": "mcp_tools", "tools/call": "function"}.get(method, "custom")


def _by_keys(raw: RawSpan) -> str | None:
    said = raw.attributes
    if text(said, "llm.request.type"):
        return "generation"
    if text(said, "gen_ai.tool.name") or text(said, "gen_ai.tool.call.id"):
        return "function"
    if text(said, "gen_ai.guardrail.name"):
        return "guardrail"
    if text(said, "gen_ai.handoff.to_agent"):
        return "handoff"
    # A model alone is not enough: some tools stamp it on whatever runs below a call.
    if any(key in said for key in _MODELS) and any(key in said for key in _CONTENT):
        return "generation"
    return None


def _is_openai_agents(raw: RawSpan) -> bool:
    return raw.scope.endswith("openai_agents")


_RULES: tuple[Callable[[RawSpan], str | None], ...] = (
    _by_langfuse,
    _by_openinference,
    _by_logfire,
    _by_traceloop,
    _by_operation,
    _by_vercel,
    _by_mcp,
    _by_keys,
)
