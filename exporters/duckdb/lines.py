"""Lines of a segment: from the record of a trace or span to bytes, and back to what was kept.

Content goes into items, which are named by the hash of their bytes, so that a line is short and
the hundredth turn of a loop does not write the first one's messages again. See `schema` for what
a line looks like.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from exporters.duckdb.schema import INLINE_LIMIT, LINE_LIMIT, SCHEMA
from tracer.encoding import as_text
from tracer.snapshot import Content, SpanRecord, TraceRecord

_SLACK = 4096  # what a line has beside its content
_HEAD = 17  # len('{"crc":"00000000"')
_START = re.compile(rb'\{"crc":"([0-9a-f]{8})",')
_NAMES_BYTES = 8 * 1024 * 1024
_MESSAGE = 4096  # characters of an error's message that stay in place
OVERSIZE = "larger than a line may be"


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


class _Names(dict[bytes, str]):
    """Hashes of content seen lately, which a loop's next turn has all over again.

    Keyed by the content itself, so an entry cannot be wrong, and emptied when it holds 8 MiB.
    """

    size = 0

    def add(self, value: bytes) -> str:
        """The hash of new content."""
        name = blake2b(value, digest_size=16).hexdigest()
        if len(value) <= INLINE_LIMIT:
            self.size += len(value)
            if self.size > _NAMES_BYTES:
                self.clear()
                self.size = len(value)
            self[value] = name
        return name


_names = _Names()


class _Content:
    """Collects the items of one line and decides what stays in place."""

    __slots__ = ("items", "lost")

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.lost = 0

    def item(self, value: bytes) -> str:
        """The hash under which a value is kept."""
        if len(value) > LINE_LIMIT - _SLACK:
            value = self.marker(len(value))
        name = _names.get(value)
        if name is None:
            name = _names.add(value)
        self.items[name] = value
        return name

    def marker(self, size: int) -> bytes:
        """What stands where a value would not fit."""
        self.lost += 1
        return orjson.dumps({"flightlog.lost": OVERSIZE, "bytes": size})

    def wrapped(self, value: Content, *, shared: bool = False) -> dict[str, Any] | None:
        """Content in the form of the columns input, output, instructions and tools."""
        if value is None:
            return None
        if type(value) is tuple:
            known = _names.get
            names = [name for element in value if (name := known(element)) is not None]
            if len(names) < len(value):
                return {"refs": [self.item(element) for element in value]}
            self.items.update(zip(names, value, strict=True))  # all of it was seen lately
            return {"refs": names}
        assert isinstance(value, bytes)
        if shared or len(value) > INLINE_LIMIT:
            return {"ref": self.item(value)}
        return {"value": orjson.Fragment(value)}

    def in_place(self, value: bytes | None) -> Any:
        """JSON in the form of the columns metadata and data."""
        if value is None:
            return None
        if len(value) > INLINE_LIMIT:
            return {"$ref": self.item(value)}
        return orjson.Fragment(value)

    def error(self, value: bytes | None) -> Any:
        """JSON in the form of the column error, of which SQL asks for message and type."""
        if value is None or len(value) <= INLINE_LIMIT:
            return self.in_place(value)
        said = orjson.loads(value)
        if not isinstance(said, dict):
            return self.in_place(value)
        message, data = said.get("message"), said.get("data")
        kind = data.get("type") if isinstance(data, dict) else None
        return {
            "$ref": self.item(value),
            "message": message[:_MESSAGE] if isinstance(message, str) else message,
            "data": {"type": kind} if isinstance(kind, str) else None,
        }


def trace_line(record: TraceRecord) -> Line:
    """The line of a trace as it started or ended."""
    content = _Content()
    fields = {
        "k": "trace",
        "v": SCHEMA,
        "rev": 0 if record.end_ns is None else 1,
        "trace_id": record.trace_id,
        "trace_name": record.name,
        "group_id": record.group_id,
        "metadata": content.in_place(record.metadata),
        "name": record.name,
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "status": record.status,
        "error": content.error(record.error),
        "input": content.wrapped(record.input),
        "output": content.wrapped(record.output),
    }
    return Line(fields, content.items, content.lost)


def span_line(record: SpanRecord) -> Line:
    """The line of a span as it started or ended."""
    content = _Content()
    usage = record.usage
    fields = {
        "k": "span",
        "v": SCHEMA,
        "rev": 0 if record.end_ns is None else 1,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "parent_id": record.parent_id,
        "trace_name": record.trace_name,
        "group_id": record.group_id,
        "metadata": content.in_place(record.metadata),
        "name": record.name,
        "type": record.type,
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "status": record.status,
        "error": content.error(record.error),
        "model": record.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "input": content.wrapped(record.input),
        "output": content.wrapped(record.output),
        "instructions": content.wrapped(record.instructions, shared=True),
        "tools": content.wrapped(record.tools),
        "data": content.in_place(record.data),
        "attributes": record.attributes or None,
        "first_token_ns": record.first_token_ns,
    }
    return Line(fields, content.items, content.lost)


def loss_line(exporter: str, reason: str, items: int, trace_id: str | None, now_ns: int) -> Line:
    """The line that says what could not be kept; `items` is how many more since the last one."""
    fields = {
        "k": "loss",
        "v": SCHEMA,
        "rev": 1,
        "trace_id": trace_id,
        "start_ns": now_ns,
        "end_ns": now_ns,
        "exporter": exporter,
        "reason": reason,
        "items": items,
    }
    return Line(fields, {})


def encode_line(line: Line) -> tuple[bytes, int]:
    """The bytes of a line, and how many more values it lost for want of room."""
    fields = {key: value for key, value in line.fields.items() if value is not None}
    body = _dumps(fields)
    if len(body) <= LINE_LIMIT - _SLACK:
        return _sealed(body), 0
    lost = _shorten(fields)
    return _sealed(_dumps(fields)), lost


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
            fields[key] = value[:_SLACK]
            lost += 1
        elif isinstance(value, dict) and len(value.get("refs", ())) > LINE_LIMIT // 256:
            size = len(value["refs"])
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
