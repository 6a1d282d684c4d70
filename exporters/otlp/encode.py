"""OTLP in JSON: spans as the protocol's JSON encoding has them. Pure.

Ids are hexadecimal, times and other 64-bit integers are strings, enums are numbers and keys are in
lowerCamelCase. A file holds one document a line, as OpenTelemetry's file exporter writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from exporters.otlp.mapping import OtlpSpan, count_span, private, root_of, span, trace_span
from exporters.record import CountRecord, Kept
from tracer.snapshot import TraceRecord
from tracer.version import __version__

SCOPE = "flightlog"
_SPANS = 100  # spans of one document
_BYTES = 4 * 1024 * 1024
_INT64 = range(-(2**63), 2**63)


def documents(records: Iterable[Kept], *, content: bool = True) -> Iterator[bytes]:
    """Documents with all of these records, each in one line without its end.

    Records of a trace follow each other, its own first: it is the parent of those that have none.
    """
    batch: list[bytes] = []
    size = 0
    trace_id: str | None = None
    root: tuple[str | None, str | None] = (None, None)
    for kept in records:
        record = kept.record
        if isinstance(record, TraceRecord):
            root = (record.trace_id, root_of(record))
        known = root[1] if root[0] == record.trace_id else None
        text = orjson.dumps(encode_span(otlp_span(kept, root=known, content=content)))
        if batch and (
            record.trace_id != trace_id or len(batch) >= _SPANS or size + len(text) > _BYTES
        ):
            yield _document(batch)
            batch, size = [], 0
        trace_id = record.trace_id
        batch.append(text)
        size += len(text)
    if batch:
        yield _document(batch)


def otlp_span(kept: Kept, *, root: str | None = None, content: bool = True) -> OtlpSpan:
    """Any record as a span, with the attributes from which `decode` restores it."""
    record = kept.record
    if isinstance(record, TraceRecord):
        mapped = trace_span(record, content=content)
    elif isinstance(record, CountRecord):
        mapped = count_span(record)
    else:
        mapped = span(record, root=root, content=content)
    return mapped._replace(attributes=mapped.attributes | private(kept, content=content))


def encode_span(mapped: OtlpSpan) -> dict[str, Any]:
    """The JSON of a span."""
    encoded: dict[str, Any] = {"traceId": mapped.trace_id, "spanId": mapped.span_id}
    if mapped.parent_id is not None:
        encoded["parentSpanId"] = mapped.parent_id
    encoded |= {
        "name": mapped.name,
        "kind": mapped.kind,
        "startTimeUnixNano": str(mapped.start_ns),
        "endTimeUnixNano": str(mapped.end_ns),
        "attributes": encode_attributes(mapped.attributes),
    }
    if mapped.status:
        encoded["status"] = {"code": mapped.status}
        if mapped.message is not None:
            encoded["status"]["message"] = mapped.message
    return encoded


def encode_attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as a list of keys and values."""
    return [{"key": key, "value": encode_value(value)} for key, value in attributes.items()]


def encode_value(value: Any) -> dict[str, Any]:
    """A JSON value as one of OTLP's."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if value in _INT64:
            return {"intValue": str(value)}
        case int():
            return {"stringValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case Mapping():
            return {"kvlistValue": {"values": encode_attributes(value)}}
        case _:
            return {"arrayValue": {"values": [encode_value(item) for item in value]}}


def _document(spans: list[bytes]) -> bytes:
    # The scope stands before the spans, so that who reads a line sees early whose it is.
    scope = {"name": SCOPE, "version": __version__}
    resource = {"attributes": encode_attributes({"service.name": SCOPE})}
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": resource,
                    "scopeSpans": [
                        {"scope": scope, "spans": [orjson.Fragment(text) for text in spans]}
                    ],
                }
            ]
        }
    )
