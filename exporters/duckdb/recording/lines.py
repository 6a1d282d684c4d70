"""Lines of a segment: from the record of a trace or span to bytes, and back to what was kept.

Content goes into items (see `content`), which are named by the hash of their bytes, so that a line
is short and the hundredth turn of a loop does not write the first one's messages again. See
`schema` for what a line looks like.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from exporters.duckdb.recording.content import OVERSIZE, SLACK, Items
from exporters.duckdb.schema import INLINE_LIMIT, LINE_LIMIT, LIST_SIZE, SCHEMA
from tracer.deliveries import Delivery
from tracer.encoding import as_text
from tracer.snapshot import NO_USAGE, SpanRecord, TraceRecord

_BODY_LIMIT = LINE_LIMIT - SLACK
_HEAD = 17  # len('{"crc":"00000000"')
_START = re.compile(rb'\{"crc":"([0-9a-f]{8})",')


class Line(NamedTuple):
    """A line that waits for its number and checksum, and the items that it refers to.

    Attributes:
        fields: What the line says, JSON already encoded where it is content.
        items: Content by hash.
        lost: How many values were too large to keep.
    """

    fields: dict[str, Any]
    items: dict[str, bytes]
    lost: int = 0


# What a span does not have is not put in, rather than taken out again: this runs twice a span.


def trace_line(record: TraceRecord) -> Line:
    """The line of a trace as it started or ended."""
    items = Items()
    fields: dict[str, Any] = {
        "k": "trace",
        "v": SCHEMA,
        "rev": 0 if record.end_ns is None else 1,
        "trace_id": record.trace_id,
        "trace_name": record.name,
        "name": record.name,
        "start_ns": record.start_ns,
        "status": record.status,
    }
    if record.group_id is not None:
        fields["group_id"] = record.group_id
    if record.metadata is not None:
        fields["metadata"] = items.in_place(record.metadata)
    if record.end_ns is not None:
        fields["end_ns"] = record.end_ns
    if record.error is not None:
        fields["error"] = items.error(record.error)
    if record.input is not None:
        fields["input"] = items.wrapped(record.input)
    if record.output is not None:
        fields["output"] = items.wrapped(record.output)
    return Line(fields, items.found, items.lost)


def span_line(record: SpanRecord) -> Line:
    """The line of a span as it started or ended."""
    # Unpacked at once, since looking up each by its name takes longer than all else here.
    (
        trace_id, span_id, parent_id, trace_name, group_id, _, name, kind, start_ns, end_ns, status,
        _, model, usage, input_, output, _, _, data, attributes, first_token_ns,
    ) = record  # fmt: skip
    items = Items()
    fields: dict[str, Any] = {
        "k": "span",
        "v": SCHEMA,
        "rev": 0 if end_ns is None else 1,
        "trace_id": trace_id,
        "span_id": span_id,
        "name": name,
        "type": kind,
        "start_ns": start_ns,
        "status": status,
    }
    if parent_id is not None:
        fields["parent_id"] = parent_id
    if trace_name is not None:
        fields["trace_name"] = trace_name
    if group_id is not None:
        fields["group_id"] = group_id
    if end_ns is not None:
        fields["end_ns"] = end_ns
    # Up to here a reader goes by a pattern (`reading.tail`), so nothing may come between.
    fields["data"] = items.in_place(data)
    if input_ is not None:
        fields["input"] = items.wrapped(input_)
    if output is not None:
        fields["output"] = items.wrapped(output)
    if attributes:
        fields["attributes"] = attributes
    _put_seldom(fields, record, items)
    if model is not None or usage is not NO_USAGE or first_token_ns is not None:
        _put_call(fields, record)
    return Line(fields, items.found, items.lost)


def _put_seldom(fields: dict[str, Any], record: SpanRecord, items: Items) -> None:
    """What most spans do not have."""
    if record.metadata is not None:
        fields["metadata"] = items.in_place(record.metadata)
    if record.error is not None:
        fields["error"] = items.error(record.error)
    if record.instructions is not None:
        fields["instructions"] = items.wrapped(record.instructions, shared=True)
    if record.tools is not None:
        fields["tools"] = items.wrapped(record.tools)


def _put_call(fields: dict[str, Any], record: SpanRecord) -> None:
    """What only model calls have."""
    if record.model is not None:
        fields["model"] = record.model
    usage = record.usage
    if usage.input_tokens is not None:
        fields["input_tokens"] = usage.input_tokens
    if usage.output_tokens is not None:
        fields["output_tokens"] = usage.output_tokens
    if usage.cached_tokens is not None:
        fields["cached_tokens"] = usage.cached_tokens
    if usage.reasoning_tokens is not None:
        fields["reasoning_tokens"] = usage.reasoning_tokens
    if record.first_token_ns is not None:
        fields["first_token_ns"] = record.first_token_ns


def loss_line(exporter: str, reason: str, items: int, trace_id: str | None, now_ns: int) -> Line:
    """The line that says what could not be kept; `items` is how many more since the last one."""
    fields = _counted("loss", exporter, items, now_ns) | {"reason": reason}
    if trace_id is not None:
        fields["trace_id"] = trace_id
    return Line(fields, {})


def delivery_line(delivery: Delivery, items: int, now_ns: int) -> Line:
    """The line of what an exporter delivered or failed to, `items` more since the last one."""
    fields = _counted("delivery", delivery.exporter, items, now_ns) | {"status": delivery.status}
    if delivery.reason is not None:
        fields["reason"] = delivery.reason
    return Line(fields, {})


def _counted(kind: str, exporter: str, items: int, now_ns: int) -> dict[str, Any]:
    return {
        "k": kind,
        "v": SCHEMA,
        "rev": 1,
        "start_ns": now_ns,
        "end_ns": now_ns,
        "exporter": exporter,
        "items": items,
    }


def encode_line(line: Line) -> tuple[bytes, int]:
    """The bytes of a line, and how many more values it lost for want of room.

    What does not fit is cut in the line itself, so that it is counted once however often the line
    has to be encoded.
    """
    body = _dumps(line.fields)
    if len(body) <= _BODY_LIMIT:
        return _sealed(body), 0
    lost = _shorten(line.fields)
    return _sealed(_dumps(line.fields)), lost


def encode_item(name: str, value: bytes, seq: int) -> bytes:
    """The bytes of an item's line."""
    return _sealed(
        b'{"k":"item","v":%d,"seq":%d,"hash":"%b","value":%b}' % (SCHEMA, seq, name.encode(), value)
    )


def check_line(line: bytes) -> bool:
    """Whether a line, without its newline, is as it was written."""
    match = _START.match(line)
    return match is not None and int(match[1], 16) == zlib.crc32(line[_HEAD + 1 :])


def split_lines(data: bytes) -> Iterator[bytes]:
    """The lines of a segment, without newlines; the last one may be torn."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        if end > start:
            yield data[start:end]
        start = end + 1
    if start < len(data):
        yield data[start:]


def _sealed(body: bytes) -> bytes:
    rest = body[1:]
    return b'{"crc":"%08x",%b\n' % (zlib.crc32(rest), rest)


def _dumps(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:  # a lone surrogate in a name or id
        for key, value in fields.items():
            if isinstance(value, str):
                fields[key] = as_text(value)
        if "attributes" in fields:
            kept = fields["attributes"].items()
            fields["attributes"] = {as_text(key): as_text(value) for key, value in kept}
        return orjson.dumps(fields)


def _shorten(fields: dict[str, Any]) -> int:
    """Put markers in place of what makes a line too long; says how many.

    Content is in items by now, so what is left to be long is names, attributes and lists of refs.
    """
    lost = 0
    for key, value in fields.items():
        if key == "attributes":
            fields[key], dropped = _short_attributes(value)
            lost += dropped
        elif isinstance(value, str) and len(value) > INLINE_LIMIT:
            fields[key] = value[:SLACK]
            lost += 1
        elif isinstance(value, dict):
            lists, refs = len(value.get("lists", ())), len(value.get("refs", ()))
            if lists + refs > LINE_LIMIT // 256:
                size = lists * LIST_SIZE + refs
                fields[key] = {"value": {"flightlog.lost": OVERSIZE, "items": size}}
                lost += 1
    return lost


def _short_attributes(attributes: Mapping[str, str]) -> tuple[dict[str, str], int]:
    kept: dict[str, str] = {}
    lost = size = 0
    for key, value in attributes.items():
        size += len(key) + min(len(value), INLINE_LIMIT)
        if len(value) > INLINE_LIMIT:
            value = f"<lost: {OVERSIZE}, {len(value)} characters>"
        if size > LINE_LIMIT // 32 or value is not attributes[key]:
            lost += 1
        if size <= LINE_LIMIT // 32:
            kept[key] = value
    return kept, lost
