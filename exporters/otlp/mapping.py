"""From a record to an OpenTelemetry span: names, kinds and attributes of the GenAI conventions.

Pure, and the only place that knows the conventions on the way out: the export of files and the
exporter of live spans go through it. Beside what the conventions have a place for, `private` gives
attributes `flightlog.*` from which `decode` restores the record exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from exporters.otlp.call_settings import model_attributes, provider_of
from exporters.otlp.ids import root_id, to_span_id, to_trace_id
from exporters.otlp.messages import structured, to_messages, to_system, to_tools
from exporters.record import CountRecord, Kept, to_fields
from tracer.encoding import as_text
from tracer.snapshot import Content, SpanRecord, TraceRecord

PREFIX = "flightlog."
INTERNAL, CLIENT = 1, 3
UNSET, ERROR = 0, 2
GUARDRAIL_OPERATION = "apply_guardrail"
WORKFLOW_OPERATION = "invoke_workflow"
"""The operation of a trace's root: a convention in motion, so that it is said in one place."""

_DEFAULT_NAME = "Agent workflow"
# What OTLP says itself, and exactly.
_SAID = frozenset({"start_ns", "end_ns"})
_CONTENT = frozenset({"input", "output", "instructions", "tools", "data", "metadata", "error"})
_JSON = _CONTENT | {"attributes"}


class OtlpSpan(NamedTuple):
    """The fields of an OTLP span. Values of attributes are as JSON has them."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    status: int = UNSET
    message: str | None = None


def root_of(trace: TraceRecord) -> str:
    """The id of the span that stands for a trace: the parent of spans that have none."""
    return root_id(trace.trace_id, trace.start_ns)


def trace_span(trace: TraceRecord, *, content: bool = True) -> OtlpSpan:
    """The span that stands for a trace.

    Args:
        trace: The record.
        content: Whether to say what was asked and answered.
    """
    attributes: dict[str, Any] = {"gen_ai.operation.name": WORKFLOW_OPERATION}
    if trace.name and trace.name != _DEFAULT_NAME:
        attributes["gen_ai.workflow.name"] = trace.name
    if trace.group_id:
        attributes["gen_ai.conversation.id"] = trace.group_id
    for key, value in _object(trace.metadata).items():
        attributes[f"{PREFIX}metadata.{key}"] = as_text(value)
    if content:
        _put_messages(attributes, _loads(trace.input), _loads(trace.output))
    error = _object(trace.error)
    _put_error_type(attributes, trace.status, error)
    return OtlpSpan(
        trace_id=to_trace_id(trace.trace_id),
        span_id=root_of(trace),
        parent_id=None,
        name=f"{WORKFLOW_OPERATION} {trace.name}".rstrip(),
        kind=INTERNAL,
        start_ns=trace.start_ns,
        end_ns=_end(trace.start_ns, trace.end_ns),
        attributes=attributes,
        **_status(trace.status, error),
    )


def span(record: SpanRecord, *, root: str | None = None, content: bool = True) -> OtlpSpan:
    """A span.

    Args:
        record: The record.
        root: The span that stands for its trace, which is its parent where it has none.
        content: Whether to say what went in and came out.
    """
    described = _DESCRIPTIONS.get(record.type, _described_other)(record, content)
    attributes = {key: value for key, value in described.attributes.items() if value is not None}
    error = _object(record.error)
    _put_error_type(attributes, record.status, error)
    parent = record.parent_id
    return OtlpSpan(
        trace_id=to_trace_id(record.trace_id),
        span_id=to_span_id(record.trace_id, record.span_id),
        parent_id=to_span_id(record.trace_id, parent) if parent else root,
        name=described.name,
        kind=described.kind,
        start_ns=record.start_ns,
        end_ns=_end(record.start_ns, record.end_ns),
        attributes={**record.attributes, **attributes},
        **_status(record.status, error),
    )


def count_span(record: CountRecord) -> OtlpSpan:
    """A span without length that says what was lost or delivered."""
    trace_id = record.trace_id or f"{record.kind} of no trace"
    place = f"{record.kind}|{record.exporter}|{record.reason}|{record.start_ns}|{record.items}"
    return OtlpSpan(
        trace_id=to_trace_id(trace_id),
        span_id=to_span_id(trace_id, place),
        parent_id=None,
        name=f"{PREFIX}{record.kind}",
        kind=INTERNAL,
        start_ns=record.start_ns,
        end_ns=_end(record.start_ns, record.end_ns),
        attributes={},
    )


def private(kept: Kept, *, content: bool = True) -> dict[str, Any]:
    """Attributes from which the record is restored exactly; JSON values are JSON texts."""
    fields = to_fields(kept)
    attributes: dict[str, Any] = {}
    for key, value in fields.items():
        if key in _SAID or (not content and key in _CONTENT):
            continue
        name = f"{PREFIX}{'span_type' if key == 'type' else key}"
        attributes[name] = orjson.dumps(value).decode() if key in _JSON else value
    return attributes


class _Described(NamedTuple):
    """What depends on a span's type; attributes that are None are left out."""

    name: str
    attributes: dict[str, Any]
    kind: int = INTERNAL


def _described_agent(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    output_type = data.get("output_type")
    plain = output_type in (None, "str")
    tools = data.get("tools")
    return _Described(
        _named("invoke_agent", record.name),
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": record.name or None,
            "gen_ai.conversation.id": record.group_id or None,
            "gen_ai.output.type": None if plain else "json",
            f"{PREFIX}agent.handoffs": _names(data.get("handoffs")),
            f"{PREFIX}agent.tools": _names(tools),
        },
    )


def _described_call(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    said = _loads(record.input)
    usage = record.usage
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_of(record.type, record.model, data),
        "gen_ai.request.model": record.model,
        "gen_ai.conversation.id": record.group_id or None,
        "openai.api.type": "responses" if record.type == "response" else "chat_completions",
        **model_attributes(data),
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    if record.first_token_ns is not None:
        waited = (record.first_token_ns - record.start_ns) / 1e9
        attributes["gen_ai.response.time_to_first_chunk"] = waited
    if content:
        _put_messages(attributes, said, _loads(record.output))
        if record.instructions is not None:
            system = to_system(_loads(record.instructions))
            attributes["gen_ai.system_instructions"] = _text(system)
        if record.tools is not None:
            attributes["gen_ai.tool.definitions"] = _text(to_tools(_loads(record.tools)))
    return _Described(_named("chat", record.model), attributes, CLIENT)


def _described_tool(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    mcp = data.get("mcp_data")
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": record.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": _string(data.get("call_id") or data.get("tool_call_id")),
    }
    if isinstance(mcp, Mapping):
        attributes["mcp.method.name"] = "tools/call"
        attributes[f"{PREFIX}mcp.server"] = _string(mcp.get("server"))
    if content and record.input is not None:
        attributes["gen_ai.tool.call.arguments"] = _any(_loads(record.input))
    if content and record.output is not None:
        attributes["gen_ai.tool.call.result"] = _any(_loads(record.output))
    return _Described(_named("execute_tool", record.name), attributes)


def _described_guardrail(record: SpanRecord, content: bool) -> _Described:
    triggered = _object(record.data).get("triggered")
    return _Described(
        _named("guardrail", record.name),
        {
            "gen_ai.operation.name": GUARDRAIL_OPERATION,
            "gen_ai.guardrail.name": record.name,
            "gen_ai.guardrail.triggered": triggered if isinstance(triggered, bool) else None,
            "gen_ai.guardrail.result.type": "tripwire_triggered",
            "gen_ai.guardrail.result.value": "true" if triggered is True else "false",
            "openinference.span.kind": "GUARDRAIL",
        },
    )


def _described_handoff(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    giver, taker = _string(data.get("from_agent")), _string(data.get("to_agent"))
    return _Described(
        _named("handoff", taker),
        {
            "gen_ai.operation.name": "handoff",
            "gen_ai.handoff.from_agent": giver,
            "gen_ai.handoff.to_agent": taker,
            "gen_ai.agent.name": giver,
        },
    )


def _described_mcp(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    return _Described(
        "tools/list",
        {
            "mcp.method.name": "tools/list",
            f"{PREFIX}mcp.server": _string(data.get("server")),
            f"{PREFIX}mcp.tools": _names(data.get("result")) if content else None,
        },
        CLIENT,
    )


def _described_turn(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    turn = data.get("turn")
    number = turn if isinstance(turn, int) and not isinstance(turn, bool) else None
    name = str(number) if record.type == "turn" and number is not None else record.name
    attributes: dict[str, Any] = {
        f"{PREFIX}turn": number,
        "gen_ai.agent.name": _string(data.get("agent_name")),
    }
    usage = data.get("usage")
    for key, value in usage.items() if isinstance(usage, Mapping) else ():
        if isinstance(value, int | float):  # never gen_ai.usage: a sum would count it twice
            attributes[f"{PREFIX}usage.{key}"] = value
    return _Described(_named(record.type, name), attributes)


def _described_speech(record: SpanRecord, content: bool) -> _Described:
    data = _object(record.data)
    spoken = record.type == "speech"
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": record.type,
        "gen_ai.provider.name": provider_of(record.type, record.model, data),
        "gen_ai.request.model": record.model,
        "gen_ai.output.type": "speech" if spoken else "text",
    }
    said = record.input if spoken else record.output
    if content and said is not None:
        key = "gen_ai.input.messages" if spoken else "gen_ai.output.messages"
        role = "user" if spoken else "assistant"
        attributes[key] = _text(to_messages(_loads(said), role=role))
    return _Described(_named(record.type, record.model), attributes, CLIENT)


def _described_other(record: SpanRecord, content: bool) -> _Described:
    attributes: dict[str, Any] = {}
    if content:
        for key, value in _object(record.data).items():
            attributes[f"{PREFIX}data.{key}"] = as_text(value)
    return _Described(record.name or record.type, attributes)


_DESCRIPTIONS = {
    "agent": _described_agent,
    "generation": _described_call,
    "response": _described_call,
    "function": _described_tool,
    "guardrail": _described_guardrail,
    "handoff": _described_handoff,
    "mcp_tools": _described_mcp,
    "task": _described_turn,
    "turn": _described_turn,
    "transcription": _described_speech,
    "speech": _described_speech,
}


def _put_messages(attributes: dict[str, Any], given: Any, taken: Any) -> None:
    if given is not None:
        attributes["gen_ai.input.messages"] = _text(to_messages(given, role="user"))
    if taken is not None:
        attributes["gen_ai.output.messages"] = _text(to_messages(taken, role="assistant"))


def _put_error_type(attributes: dict[str, Any], status: str, error: Mapping[str, Any]) -> None:
    if status == "error":
        data = error.get("data")
        kind = data.get("type") if isinstance(data, Mapping) else None
        attributes["error.type"] = kind if isinstance(kind, str) and kind else "_OTHER"


def _status(status: str, error: Mapping[str, Any]) -> dict[str, Any]:
    if status != "error":
        return {}
    message = error.get("message")
    return {"status": ERROR, "message": message if isinstance(message, str) else None}


def _end(start_ns: int, end_ns: int | None) -> int:
    """OTLP has no spans that run: theirs ends where it starts, and `flightlog.status` says so."""
    return start_ns if end_ns is None else end_ns


def _loads(content: Content) -> Any:
    if content is None:
        return None
    if isinstance(content, tuple):
        return [orjson.loads(element) for element in content]
    return orjson.loads(content)


def _object(text: bytes | None) -> Mapping[str, Any]:
    value = None if text is None else orjson.loads(text)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _any(value: Any) -> str:
    """A value of any kind as a text: structures and texts of structures as JSON."""
    found = structured(value)
    return found if isinstance(found, str) else _text(found)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _names(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [item if isinstance(item, str) else _text(item) for item in value]


def _named(word: str, name: str | None) -> str:
    return f"{word} {name}" if name else word
