"""Records as they travel: one trace, span, loss or delivery with its whole content.

`Kept` is what export writes and import reads, whatever the format of the file. `to_fields` and
`from_fields` are its form as a JSON object, which is a line of a JSON Lines file:

    {"k":"span","trace_id":"trace_…","span_id":"span_…","name":"search","type":"function",
     "start_ns":…,"end_ns":…,"status":"ok","input":{"query":"…"},"output":[…],"data":{…},…}

The keys are those of the store's record, without what only says how a store keeps it; content
stands in place as it was sent and received.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast, get_args

import orjson

from tracer.encoding import as_text, encode, encode_each
from tracer.snapshot import Content, SpanRecord, TraceRecord, Usage
from tracer.traces import Status

KINDS = ("trace", "span", "loss", "delivery")
SHARED = frozenset({"generation", "response"})
"""Types of spans whose lists of input and output are shared between spans, element by element."""

_STATUSES: tuple[str, ...] = get_args(Status)
_INT64 = range(-(2**63), 2**63)
_NS = range(2**63)
_SHOWN = 60
_TEXTS = ("parent_id", "trace_name", "group_id", "model")


class CountRecord(NamedTuple):
    """A loss, or what an exporter delivered or failed to: a number of items, with the reason."""

    kind: Literal["loss", "delivery"]
    trace_id: str | None
    exporter: str | None
    reason: str | None
    items: int | None
    start_ns: int
    end_ns: int
    status: str | None = None


class Kept(NamedTuple):
    """A record, and who recorded it: `seq` is its number among those of its `owner`."""

    record: TraceRecord | SpanRecord | CountRecord
    owner: str
    seq: int

    @property
    def kind(self) -> str:
        """trace, span, loss or delivery."""
        record = self.record
        if isinstance(record, CountRecord):
            return record.kind
        return "trace" if isinstance(record, TraceRecord) else "span"


class BadRecordError(Exception):
    """What was read is no record; the text says what is wrong with it, and never its content."""


def to_fields(kept: Kept) -> dict[str, Any]:
    """A record as a JSON object: orjson writes it. What is not known is left out."""
    record = kept.record
    fields: dict[str, Any] = {"k": kept.kind}
    if isinstance(record, CountRecord):
        fields |= record._asdict()
        del fields["kind"]
    elif isinstance(record, TraceRecord):
        fields |= record._asdict()
        for key in ("metadata", "error", "input", "output"):
            fields[key] = _fragment(fields[key])
    else:
        fields |= record._asdict()
        fields |= fields.pop("usage")._asdict()
        for key in ("metadata", "error", "data", "input", "output", "instructions", "tools"):
            fields[key] = _fragment(fields[key])
        fields["attributes"] = dict(record.attributes) or None
    fields |= {"owner": kept.owner, "seq": kept.seq}
    return {key: value for key, value in fields.items() if value is not None}


def to_json(kept: Kept) -> bytes:
    """A record as JSON, in one line without its end."""
    fields = to_fields(kept)
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:  # a lone surrogate in a name or id
        for key, value in fields.items():
            if isinstance(value, str):
                fields[key] = as_text(value)
            elif key == "attributes":
                fields[key] = {as_text(name): as_text(text) for name, text in value.items()}
        return orjson.dumps(fields)


def from_json(text: bytes | str) -> Kept:
    """The record of a JSON text.

    Raises:
        BadRecordError: If it is none.
    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRecordError(f"it is no JSON ({error.msg})") from None
    if not isinstance(fields, dict):
        raise BadRecordError(f"it is {_kind_of(fields)}, and a record is an object")
    return from_fields(fields)


def from_fields(fields: Mapping[str, Any]) -> Kept:
    """The record of an object. Keys that are not known are ignored: a newer version has more.

    Raises:
        BadRecordError: If something that a record needs is missing, or of another kind.
    """
    kind = fields.get("k")
    if kind not in KINDS:
        raise BadRecordError(f"its key 'k' is {_shown(kind)}, and has to be one of {KINDS}")
    owner = _text(fields, "owner") or "import"
    seq = _number(fields, "seq", _INT64) or 0
    if kind == "trace":
        return Kept(_trace(fields), owner, seq)
    if kind == "span":
        return Kept(_span(fields), owner, seq)
    return Kept(_count(cast(Literal["loss", "delivery"], kind), fields), owner, seq)


def _trace(fields: Mapping[str, Any]) -> TraceRecord:
    start, end, status = _life(fields)
    return TraceRecord(
        trace_id=_identity(fields, "trace_id"),
        name=_text(fields, "name") or "",
        group_id=_text(fields, "group_id"),
        metadata=_value(fields, "metadata"),
        start_ns=start,
        end_ns=end,
        status=status,
        error=_value(fields, "error"),
        input=_value(fields, "input"),
        output=_value(fields, "output"),
    )


def _span(fields: Mapping[str, Any]) -> SpanRecord:
    start, end, status = _life(fields)
    kind = _text(fields, "type") or "custom"
    texts = {key: _text(fields, key) for key in _TEXTS}
    name = _text(fields, "name")
    return SpanRecord(
        trace_id=_identity(fields, "trace_id"),
        span_id=_identity(fields, "span_id"),
        parent_id=texts["parent_id"],
        trace_name=texts["trace_name"],
        group_id=texts["group_id"],
        metadata=_value(fields, "metadata"),
        name=kind if name is None else name,
        type=kind,
        start_ns=start,
        end_ns=end,
        status=status,
        error=_value(fields, "error"),
        model=texts["model"],
        usage=Usage(*(_number(fields, key, _NS) for key in Usage._fields)),
        input=content_of(fields.get("input"), kind),
        output=content_of(fields.get("output"), kind),
        instructions=_value(fields, "instructions"),
        tools=content_of(fields.get("tools"), kind),
        data=_value(fields, "data") or b"{}",
        attributes=_attributes(fields),
        first_token_ns=_number(fields, "first_token_ns", _NS),
    )


def _count(kind: Literal["loss", "delivery"], fields: Mapping[str, Any]) -> CountRecord:
    start = _number(fields, "start_ns", _NS) or 0
    end = _number(fields, "end_ns", _NS)
    return CountRecord(
        kind=kind,
        trace_id=None if fields.get("trace_id") is None else _identity(fields, "trace_id"),
        exporter=_text(fields, "exporter"),
        reason=_text(fields, "reason"),
        items=_number(fields, "items", _NS),
        start_ns=start,
        end_ns=start if end is None else end,
        status=_text(fields, "status"),
    )


def content_of(value: Any, kind: str) -> Content:
    """A value as the content of a span of this type."""
    if value is None:
        return None
    if kind in SHARED and isinstance(value, list):
        return encode_each(value)
    return encode(value)


def _life(fields: Mapping[str, Any]) -> tuple[int, int | None, Status]:
    start = _number(fields, "start_ns", _NS)
    if start is None:
        raise BadRecordError("it has no 'start_ns', the start in nanoseconds since 1970")
    end = _number(fields, "end_ns", _NS)
    status = fields.get("status", "running" if end is None else "ok")
    if status not in _STATUSES:
        raise BadRecordError(f"its status is {_shown(status)}, and has to be one of {_STATUSES}")
    return start, end, cast(Status, status)


def _identity(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        raise BadRecordError(f"its {key!r} is {_shown(value)}, and has to be a string of its own")
    return value


def _text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise BadRecordError(f"its {key!r} is {_kind_of(value)}, and has to be a string")


def _number(fields: Mapping[str, Any], key: str, bounds: range) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value not in bounds:
        rule = f"a whole number from {bounds.start} to {bounds.stop - 1}"
        raise BadRecordError(f"its {key!r} is {_shown(value)}, and has to be {rule}")
    return value


def _value(fields: Mapping[str, Any], key: str) -> bytes | None:
    value = fields.get(key)
    return None if value is None else encode(value)


def _attributes(fields: Mapping[str, Any]) -> dict[str, str]:
    value = fields.get("attributes")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRecordError(f"its 'attributes' is {_kind_of(value)}, and has to be an object")
    return {key: as_text(text) for key, text in value.items()}


def _fragment(content: Content) -> Any:
    if content is None:
        return None
    if isinstance(content, tuple):
        return [orjson.Fragment(element) for element in content]
    return orjson.Fragment(content)


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _shown(value: Any) -> str:
    """A value in a message: never a long one, as it may be content."""
    if isinstance(value, str | int | float | bool):
        text = repr(value)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return _kind_of(value)
