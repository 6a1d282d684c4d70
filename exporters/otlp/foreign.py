"""Spans of other tools as records: by GenAI conventions, OpenInference, OpenLLMetry and others.

A trace of ours is made from its root span, which stays a span as well. Every attribute is kept in
`attributes` as it came, so that what is not understood today can be tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporters.otlp.foreign_content import (
    input_of,
    model_of,
    output_of,
    tools_of,
    usage_of,
    value_of,
)
from exporters.otlp.foreign_kind import is_left_out, text, type_of
from exporters.otlp.messages import from_system
from exporters.otlp.raw import RawSpan, kind_name
from exporters.record import SHARED, Kept, content_of
from tracer.encoding import as_text, encode
from tracer.snapshot import SpanRecord, TraceRecord, Usage

OWNER = "otlp"
_ERROR = 2
_GROUP = (
    "langfuse.session.id",
    "session.id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
    "group_id",
)
_USER = (
    "langfuse.user.id",
    "user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
_TRACE_NAME = ("langfuse.trace.name", "gen_ai.workflow.name", "traceloop.workflow.name")
_AGENT = ("gen_ai.agent.name", "agent.name", "agent_name", "traceloop.entity.name",
          "ai.telemetry.functionId", "name")  # fmt: skip
_TOOL = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "traceloop.entity.name", "name")
_GUARDRAIL = ("gen_ai.guardrail.name", "name")
_FROM = ("gen_ai.handoff.from_agent", "gen_ai.agent.handoff.source.name", "from_agent",
         "input.value")  # fmt: skip
_TO = ("gen_ai.handoff.to_agent", "gen_ai.agent.handoff.target.name", "to_agent",
       "output.value")  # fmt: skip
_WORDS = ("invoke_workflow ", "invoke_agent ", "execute_tool ", "guardrail ")
_SETTINGS = "gen_ai.request."


class _Trace(NamedTuple):
    """What all spans of a trace say of it together."""

    name: str | None
    group_id: str | None
    metadata: bytes | None


def records_of(spans: Sequence[RawSpan]) -> Iterator[Kept]:
    """Records of spans of one trace: the trace itself where its root is among them."""
    ordered = sorted(
        (raw for raw in spans if not is_left_out(raw)),
        key=lambda raw: (raw.parent_id is not None, raw.start_ns, raw.span_id),
    )
    if not ordered:
        return
    root = ordered[0] if ordered[0].parent_id is None else None
    trace = _trace_of(ordered, root)
    if root is not None:
        yield Kept(_trace_record(root, trace), _owner(root), 0)
    for number, raw in enumerate(ordered, 1):
        yield Kept(_span_record(raw, trace), _owner(raw), number)


def _trace_of(ordered: Sequence[RawSpan], root: RawSpan | None) -> _Trace:
    name = _anywhere(ordered, _TRACE_NAME)
    if name is None and root is not None:
        name = _without_word(root.name) or None
    metadata: dict[str, Any] = {}
    said = value_of(root.attributes.get("metadata")) if root is not None else None
    if isinstance(said, Mapping):
        metadata |= said
    user = _anywhere(ordered, _USER)
    if user is not None:
        metadata.setdefault("user_id", user)
    return _Trace(name, _anywhere(ordered, _GROUP), encode(metadata) if metadata else None)


def _trace_record(root: RawSpan, trace: _Trace) -> TraceRecord:
    given, taken = input_of(root.attributes), output_of(root.attributes)
    return TraceRecord(
        trace_id=root.trace_id,
        name=trace.name or root.name,
        group_id=trace.group_id,
        metadata=trace.metadata,
        start_ns=root.start_ns,
        end_ns=_end(root),
        status=_status(root),
        error=_error(root),
        input=None if given is None else encode(given),
        output=None if taken is None else encode(taken),
    )


def _span_record(raw: RawSpan, trace: _Trace) -> SpanRecord:
    said = raw.attributes
    kind = type_of(raw)
    call = kind in SHARED
    system = from_system(value_of(said.get("gen_ai.system_instructions"))) if call else None
    return SpanRecord(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        trace_name=trace.name,
        group_id=trace.group_id,
        metadata=trace.metadata,
        name=_name(raw, kind),
        type=kind,
        start_ns=raw.start_ns,
        end_ns=_end(raw),
        status=_status(raw),
        error=_error(raw),
        model=model_of(said) if call else None,
        # What an agent or a workflow used is the sum of its model calls: it would count twice.
        usage=usage_of(said) if call else Usage(),
        input=content_of(None if kind == "handoff" else input_of(said), kind),
        output=content_of(None if kind == "handoff" else output_of(said), kind),
        instructions=None if system is None else encode(system),
        tools=content_of(tools_of(said) if call else None, kind),
        data=encode(_data(raw, kind)),
        attributes=_attributes(raw),
        first_token_ns=_first_token(raw) if call else None,
    )


def _name(raw: RawSpan, kind: str) -> str:
    said = raw.attributes
    match kind:
        case "agent":
            found = _one_of(said, _AGENT)
        case "function":
            found = _one_of(said, _TOOL)
        case "guardrail":
            found = _one_of(said, _GUARDRAIL)
        case "generation" | "response":
            found = model_of(said)
        case "handoff":
            found = f"{_one_of(said, _FROM) or '?'} → {_one_of(said, _TO) or '?'}"
        case _:
            found = raw.name
    return found or _without_word(raw.name) or kind


def _data(raw: RawSpan, kind: str) -> dict[str, Any]:
    said = raw.attributes
    match kind:
        case "generation" | "response":
            return _call_data(said)
        case "handoff":
            return {"from_agent": _one_of(said, _FROM), "to_agent": _one_of(said, _TO)}
        case "guardrail":
            triggered = _triggered(said)
            return {} if triggered is None else {"triggered": triggered}
        case "function":
            data = {"call_id": _one_of(said, ("gen_ai.tool.call.id", "tool.id", "ai.toolCall.id"))}
            return {key: value for key, value in data.items() if value is not None}
        case _:
            return {}


def _call_data(said: Mapping[str, Any]) -> dict[str, Any]:
    settings = value_of(said.get("llm.invocation_parameters"))
    if not isinstance(settings, Mapping):
        settings = {
            key.removeprefix(_SETTINGS): value
            for key, value in said.items()
            if key.startswith(_SETTINGS) and key != f"{_SETTINGS}model"
        }
    provider = _one_of(said, ("gen_ai.provider.name", "gen_ai.system", "llm.provider"))
    data = {
        "model_config": dict(settings) or None,
        "response_id": _one_of(said, ("gen_ai.response.id", "ai.response.id")),
        "response_model": text(said, "gen_ai.response.model"),
        "provider": provider,
        "finish_reasons": said.get("gen_ai.response.finish_reasons"),
    }
    return {key: value for key, value in data.items() if value is not None}


def _triggered(said: Mapping[str, Any]) -> bool | None:
    """Whether a guardrail tripped; None where nothing tells it."""
    for key in ("gen_ai.guardrail.triggered", "triggered"):
        value = said.get(key)
        if isinstance(value, bool):
            return value
    if said.get("gen_ai.guardrail.result.type") == "tripwire_triggered":
        return said.get("gen_ai.guardrail.result.value") in ("true", True)
    status = said.get("gen_ai.guardrail.status")
    return status == "FAILED" if isinstance(status, str) else None


def _status(raw: RawSpan) -> Any:
    if _end(raw) is None:
        return "running"
    return "error" if _has_failed(raw) else "ok"


def _has_failed(raw: RawSpan) -> bool:
    level = raw.attributes.get("logfire.level_num")
    return (
        raw.status == _ERROR
        or raw.attributes.get("langfuse.observation.level") == "ERROR"
        or (isinstance(level, int) and level >= 17)
    )


def _error(raw: RawSpan) -> bytes | None:
    if not _has_failed(raw):
        return None
    raised: Mapping[str, Any] = {}
    for event in raw.events:
        if event["name"] == "exception":
            raised = event["attributes"]
    message = (
        raw.message
        or text(raw.attributes, "langfuse.observation.status_message")
        or text(raised, "exception.message")
        or "The span failed"
    )
    data = {
        "type": text(raw.attributes, "error.type") or text(raised, "exception.type"),
        "stack": text(raised, "exception.stacktrace"),
    }
    known = {key: value for key, value in data.items() if value is not None}
    return encode({"message": message, "data": known or None})


def _end(raw: RawSpan) -> int | None:
    """Its end; an end of 0 says that it had none yet, and one before the start is the start."""
    return max(raw.end_ns, raw.start_ns) if raw.end_ns else None


def _first_token(raw: RawSpan) -> int | None:
    said = raw.attributes
    for key, scale in (
        ("gen_ai.response.time_to_first_chunk", 1e9),
        ("gen_ai.client.operation.time_to_first_chunk", 1e9),
        ("ai.response.msToFirstChunk", 1e6),
    ):
        waited = said.get(key)
        if isinstance(waited, int | float) and 0 <= waited < 1e9:
            return raw.start_ns + int(waited * scale)
    return None


def _attributes(raw: RawSpan) -> dict[str, str]:
    """All that came with the span, as texts; what is no attribute of it has a name of its own."""
    kept = {f"resource.{key}": as_text(value) for key, value in raw.resource.items()}
    if raw.scope:
        kept["otel.scope.name"] = raw.scope
    kept["otel.name"] = raw.name
    kept["otel.kind"] = kind_name(raw.kind)
    if raw.events:
        kept["otel.events"] = as_text(raw.events)
    if raw.links:
        kept["otel.links"] = as_text(raw.links)
    return kept | {key: as_text(value) for key, value in raw.attributes.items()}


def _owner(raw: RawSpan) -> str:
    return text(raw.resource, "service.name") or OWNER


def _anywhere(ordered: Sequence[RawSpan], keys: Sequence[str]) -> str | None:
    """What the first span says that says it, the root before the others."""
    return next((found for raw in ordered if (found := _one_of(raw.attributes, keys))), None)


def _one_of(said: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    return next((found for key in keys if (found := text(said, key))), None)


def _without_word(name: str) -> str:
    for word in _WORDS:
        name = name.removeprefix(word)
    return name
