"""OTLP spans in JSON, checked and taken apart: what another tool's says before it is understood.

Receivers ignore what they do not know, take integers as numbers or as strings, and refuse a span
without proper ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exporters.otlp.ids import from_span_id, from_trace_id

_INT64 = range(-(2**63), 2**63)
_TIMES = range(2**63)
_DEPTH = 64
_STATUSES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


class RawSpan(NamedTuple):
    """A span as it was sent; ids are ours, values are as JSON has them."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    message: str | None
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[Any]
    resource: dict[str, Any]
    scope: str


class Rejected(NamedTuple):
    """A span that is none: where in its document, and why."""

    place: str
    why: str


class _Fault(Exception):
    """Something in a span is not as OTLP has it."""


def is_document(value: Any) -> bool:
    """Whether a JSON value is an OTLP document of traces."""
    return isinstance(value, dict) and "resourceSpans" in value


def raw_spans(document: Mapping[str, Any]) -> Iterator[RawSpan | Rejected]:
    """The spans of a document, in order."""
    resources = document.get("resourceSpans")
    if not isinstance(resources, list):
        yield Rejected("resourceSpans", "it is no array")
        return
    number = 0
    for index, resource in enumerate(resources, 1):
        if not isinstance(resource, dict):
            yield Rejected(f"resource {index}", "it is no object")
            continue
        said = resource.get("resource")
        attributes = _lenient(said.get("attributes") if isinstance(said, dict) else None)
        scopes = resource.get("scopeSpans")
        for scope in scopes if isinstance(scopes, list) else ():
            if not isinstance(scope, dict):
                yield Rejected(f"resource {index}", "a scope of it is no object")
                continue
            about = scope.get("scope")
            name = about.get("name") if isinstance(about, dict) else None
            spans = scope.get("spans")
            for span in spans if isinstance(spans, list) else ():
                number += 1
                yield _span(span, number, attributes, name if isinstance(name, str) else "")


def _span(span: Any, number: int, resource: dict[str, Any], scope: str) -> RawSpan | Rejected:
    if not isinstance(span, dict):
        return Rejected(f"span {number}", "it is no object")
    try:
        return _checked(span, resource, scope)
    except _Fault as fault:
        return Rejected(f"span {number}", str(fault))


def _checked(span: dict[str, Any], resource: dict[str, Any], scope: str) -> RawSpan:
    trace_text = _text(span, "traceId")
    trace_id = from_trace_id(trace_text)
    if trace_id is None:
        raise _Fault(f"its traceId is {trace_text[:40]!r}, and has to be 32 hex digits, not all 0")
    span_text = _text(span, "spanId")
    span_id = from_span_id(trace_text, span_text)
    if span_id is None:
        raise _Fault(f"its spanId is {span_text[:40]!r}, and has to be 16 hex digits, not all 0")
    status = span.get("status")
    status = status if isinstance(status, dict) else {}
    code = status.get("code", 0)
    message = status.get("message")
    kind = span.get("kind", 0)
    return RawSpan(
        trace_id=trace_id,
        span_id=span_id,
        # An empty or zero parent is none.
        parent_id=from_span_id(trace_text, _text(span, "parentSpanId")),
        name=_text(span, "name"),
        kind=kind if isinstance(kind, int) and 0 <= kind < len(_KINDS) else 0,
        start_ns=_time(span, "startTimeUnixNano"),
        end_ns=_time(span, "endTimeUnixNano"),
        status=_STATUSES.get(code, 0) if isinstance(code, str) else code if code == 2 else 0,
        message=message if isinstance(message, str) and message else None,
        attributes=attributes_of(span.get("attributes")),
        events=list(_events(span.get("events"))),
        links=span["links"] if isinstance(span.get("links"), list) else [],
        resource=resource,
        scope=scope,
    )


def kind_name(kind: int) -> str:
    """An OTLP kind as a word."""
    return _KINDS[kind].lower()


def attributes_of(listed: Any, depth: int = 0) -> dict[str, Any]:
    """Attributes as a dict; of two with one key the last counts."""
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise _Fault("its attributes are no array of keys and values")
    found: dict[str, Any] = {}
    for pair in listed:
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise _Fault("an attribute of it has no key")
        found[pair["key"]] = _value(pair.get("value"), depth + 1)
    return found


def _lenient(listed: Any) -> dict[str, Any]:
    try:
        return attributes_of(listed)
    except _Fault:
        return {}


def _value(value: Any, depth: int) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or depth > _DEPTH:
        raise _Fault("a value of an attribute is no object of OTLP, or nested too deep")
    for key, said in value.items():
        match key:
            case "stringValue" | "boolValue" | "bytesValue":
                return said if isinstance(said, str | bool) else None
            case "intValue":
                return _integer(said)
            case "doubleValue":
                return _double(said)
            case "arrayValue":
                return [_value(item, depth + 1) for item in _items(said)]
            case "kvlistValue":
                return attributes_of(said.get("values") if isinstance(said, dict) else None, depth)
    return None


def _items(said: Any) -> list[Any]:
    items = said.get("values", []) if isinstance(said, dict) else None
    if not isinstance(items, list):
        raise _Fault("an array among its attributes is none")
    return items


def _integer(said: Any) -> int:
    number = _number(said)
    if number is None or number not in _INT64:
        raise _Fault("an intValue of it is no integer of 64 bits")
    return number


def _double(said: Any) -> float | str | None:
    if isinstance(said, str):  # NaN and Infinity are texts in protobuf's JSON
        return said
    return float(said) if isinstance(said, int | float) else None


def _number(said: Any) -> int | None:
    if isinstance(said, bool):
        return None
    if isinstance(said, int):
        return said
    if isinstance(said, str) and len(said) <= 20:
        try:
            return int(said)
        except ValueError:
            return None
    return None


def _time(span: Mapping[str, Any], key: str) -> int:
    said = span.get(key, 0)
    number = _number(said)
    if number is None or number not in _TIMES:
        raise _Fault(f"its {key} is no count of nanoseconds since 1970")
    return number


def _text(span: Mapping[str, Any], key: str) -> str:
    value = span.get(key)
    return value if isinstance(value, str) else ""


def _events(events: Any) -> Iterator[dict[str, Any]]:
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield {
                "name": _text(event, "name"),
                "time": event.get("timeUnixNano"),
                "attributes": attributes_of(event.get("attributes")),
            }
