"""Frozen copies of traces and spans: the record that exporters meet.

`trace_record` and `span_record` take the whole record, encoded, for the local store; `freeze`
takes a copy in the wire format that still answers as a `Trace` or `Span`, for exporters that
deliver later. All of them accept objects of another tracer with the same public attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, overload

from tracer.clock import ns_from_iso
from tracer.encoding import as_text, decode, encode, encode_each, plain
from tracer.failure import SpanError
from tracer.span_data import SpanData, record_of
from tracer.spans import LiveSpan, Span
from tracer.traces import LiveTrace, Status, Trace

# A JSON value, or a JSON array given element by element so that a store can share the elements.
Content = bytes | tuple[bytes, ...] | None
_SHARED = frozenset({"generation", "response"})

# Records are named tuples, as they are made twice a span: a frozen dataclass takes twice the time.


class Usage(NamedTuple):
    """Token counts of a model call, None where its server gave none; of other spans all None."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


NO_USAGE = Usage()
_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class TraceRecord(NamedTuple):
    """A trace at its start (`status` `running`, no end) or at its end. JSON is UTF-8 bytes."""

    trace_id: str
    name: str
    group_id: str | None
    metadata: bytes | None
    start_ns: int
    end_ns: int | None
    status: Status
    error: bytes | None
    input: bytes | None
    output: bytes | None


class SpanRecord(NamedTuple):
    """A span at its start (`status` `running`, no end) or at its end.

    `input`, `output`, `instructions` and `tools` are the content; `data` is a JSON object of all
    the rest that the span's type has, usage included. `trace_name`, `group_id` and `metadata` are
    those of the trace, None when only its id is known. `first_token_ns` is when the first token of
    a streamed answer came.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    trace_name: str | None
    group_id: str | None
    metadata: bytes | None
    name: str
    type: str
    start_ns: int
    end_ns: int | None
    status: Status
    error: bytes | None
    model: str | None
    usage: Usage
    input: Content
    output: Content
    instructions: Content
    tools: Content
    data: bytes
    attributes: Mapping[str, str]
    first_token_ns: int | None = None


def trace_record(trace: Trace) -> TraceRecord:
    """The record of a trace as it is now."""
    if isinstance(trace, LiveTrace):
        start, end, status = trace.start_ns or 0, trace.end_ns, trace.status
        error, input_, output = trace.error, trace.input, trace.output
    else:
        start, end, status, error, input_, output = 0, None, "running", None, None, None
    metadata = getattr(trace, "metadata", None)
    return TraceRecord(
        trace_id=trace.trace_id,
        name=str(trace.name),
        group_id=_text(getattr(trace, "group_id", None)),
        metadata=encode(metadata) if metadata else None,
        start_ns=start,
        end_ns=end,
        status=status,
        error=_json(error),
        input=input_,
        output=output,
    )


def span_record(span: Span[Any], trace: TraceRecord | None = None) -> SpanRecord:
    """The record of a span as it is now; `trace` is of use where the span does not know its own."""
    fields = record_of(span.span_data)
    kind = str(fields.get("type"))
    name = _name(kind, fields)
    share = kind in _SHARED
    # What has a place of its own is taken out, and what is left is the data.
    take = fields.pop
    take("type", None), take("name", None)
    model, usage = take("model", None), take("usage", None)
    input_, output = take("input", None), take("output", None)
    instructions, tools = take("instructions", None), take("tools", None)
    if usage is not None:
        fields["usage"] = usage
    rest: Mapping[str, Any] = fields
    if kind == "custom" and isinstance(inner := fields.get("data"), Mapping):
        rest = inner
    start, end, status, attributes = _life(span)
    trace_name, group_id, metadata = _trace_of(span, trace)
    error = span.error
    return SpanRecord(  # by position, which takes half the time
        span.trace_id,
        span.span_id,
        span.parent_id,
        trace_name,
        group_id,
        metadata,
        name,
        kind,
        start,
        end,
        status,
        None if error is None else encode(error),
        None if model is None else as_text(model),
        # What a task or turn used is the sum of its model calls: a column would count it twice.
        _usage(usage) if share and usage is not None else NO_USAGE,
        None if input_ is None else _content(input_, share),
        None if output is None else _content(output, share),
        None if instructions is None else encode(instructions),
        None if tools is None else _content(tools, share),
        encode(rest) if rest else b"{}",
        attributes,
        _moment(fields.get("first_token_at")) if share else None,
    )


def _life(span: Span[Any]) -> tuple[int, int | None, Status, Mapping[str, str]]:
    if isinstance(span, LiveSpan):
        attributes = dict(span.attributes) if span.attributes else _NO_ATTRIBUTES
        return span.start_ns or 0, span.end_ns, span.status, attributes
    start = ns_from_iso(span.started_at) if span.started_at else 0
    if not span.ended_at:
        return start, None, "running", {}
    return start, ns_from_iso(span.ended_at), "error" if span.error else "ok", {}


def _trace_of(
    span: Span[Any], known: TraceRecord | None
) -> tuple[str | None, str | None, bytes | None]:
    trace = span.trace if isinstance(span, LiveSpan) else None
    if trace is not None:
        return trace.name, trace.group_id, encode(trace.metadata) if trace.metadata else None
    if known is not None:
        return known.name, known.group_id, known.metadata
    metadata = getattr(span, "trace_metadata", None)
    return None, None, encode(metadata) if metadata else None


def _name(kind: str, fields: Mapping[str, Any]) -> str:
    if kind == "handoff":
        return f"{fields.get('from_agent') or '?'} → {fields.get('to_agent') or '?'}"
    for key in ("name", "model", "server"):
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
    return kind


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, Mapping):
        return NO_USAGE
    inputs = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    outputs = usage.get("output_tokens_details") or usage.get("completion_tokens_details")
    return Usage(
        _count(usage.get("input_tokens", usage.get("prompt_tokens"))),
        _count(usage.get("output_tokens", usage.get("completion_tokens"))),
        _detail(inputs, "cached_tokens"),
        _detail(outputs, "reasoning_tokens"),
    )


def _detail(details: Any, name: str) -> int | None:
    return _count(details.get(name)) if details and isinstance(details, Mapping) else None


def _count(value: Any) -> int | None:
    if value is None:
        return None
    # A count outside 63 bits is no count; the raw usage is kept in the span's data all the same.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    return None


def _moment(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return ns_from_iso(value)
    except ValueError:  # a span data's attribute is whatever a program put there
        return None


def _content(value: Any, share: bool) -> Content:
    if share and isinstance(value, list | tuple):
        return encode_each(value)
    encoded = encode(value)
    return None if encoded == b"null" else encoded  # not a number: JSON has no word for it


def _json(value: Any) -> bytes | None:
    return None if value is None else encode(value)


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


class FrozenData(SpanData):
    """Span data in the wire format, as it was when the span ended."""

    __slots__ = ("_exported",)

    def __init__(self, exported: Mapping[str, Any]) -> None:
        self._exported = exported

    @property
    def type(self) -> str:
        """The type of the span in the wire format."""
        return str(self._exported.get("type"))

    def export(self) -> dict[str, Any]:
        """The data in OpenAI's wire format."""
        return dict(self._exported)

    def __getattr__(self, name: str) -> Any:
        # Private names are asked for by copy and pickle, before there is anything to look into.
        if name.startswith("_") or name not in self._exported:
            raise AttributeError(name)
        return self._exported[name]


class FrozenTrace(Trace):
    """A trace as it was when it was frozen."""

    def __init__(self, trace: Trace) -> None:
        self._encoded = encode(trace.export())
        self._id, self._name = trace.trace_id, trace.name
        self._key = trace.tracing_api_key
        self.group_id = getattr(trace, "group_id", None)
        metadata = getattr(trace, "metadata", None)
        self.metadata = plain(metadata) if metadata else None
        self.size = len(self._encoded)

    def start(self, mark_as_current: bool = False) -> None:
        """Nothing: it is a record."""

    def finish(self, reset_current: bool = False) -> None:
        """Nothing: it is a record."""

    @property
    def trace_id(self) -> str:
        """The trace's id."""
        return self._id

    @property
    def name(self) -> str:
        """The trace's name."""
        return self._name

    @property
    def tracing_api_key(self) -> str | None:
        """The trace's own key."""
        return self._key

    def export(self) -> dict[str, Any] | None:
        """The trace in OpenAI's wire format."""
        exported: dict[str, Any] | None = decode(self._encoded)
        return exported


class FrozenSpan(Span[FrozenData]):
    """A span as it was when it was frozen; it is decoded when somebody looks."""

    def __init__(self, span: Span[Any]) -> None:
        exported = span.export() or {}
        self._encoded = encode(exported)
        self._id, self._trace_id, self._parent_id = span.span_id, span.trace_id, span.parent_id
        self._key = span.tracing_api_key
        self._started_at: str | None = exported.get("started_at")
        self._ended_at: str | None = exported.get("ended_at")
        metadata = getattr(span, "trace_metadata", None)
        self._metadata = encode(metadata) if metadata else None
        self._decoded: dict[str, Any] | None = None
        self.size = len(self._encoded)

    def start(self, mark_as_current: bool = False) -> None:
        """Nothing: it is a record."""

    def finish(self, reset_current: bool = False) -> None:
        """Nothing: it is a record."""

    def set_error(self, error: SpanError) -> None:
        """Nothing: it is a record."""

    @property
    def trace_id(self) -> str:
        """The trace it belongs to."""
        return self._trace_id

    @property
    def span_id(self) -> str:
        """The span's id."""
        return self._id

    @property
    def parent_id(self) -> str | None:
        """The span it was nested in."""
        return self._parent_id

    @property
    def span_data(self) -> FrozenData:
        """The data in the wire format."""
        return FrozenData(self._exported()["span_data"])

    @property
    def error(self) -> SpanError | None:
        """The error that was recorded."""
        error: SpanError | None = self._exported().get("error")
        return error

    @property
    def started_at(self) -> str | None:
        """ISO 8601 in UTC."""
        return self._started_at

    @property
    def ended_at(self) -> str | None:
        """ISO 8601 in UTC."""
        return self._ended_at

    @property
    def tracing_api_key(self) -> str | None:
        """The key of its trace."""
        return self._key

    @property
    def trace_metadata(self) -> Mapping[str, Any] | None:
        """The metadata of its trace."""
        metadata: dict[str, Any] | None = decode(self._metadata) if self._metadata else None
        return metadata

    def export(self) -> dict[str, Any]:
        """The span in OpenAI's wire format."""
        exported: dict[str, Any] = decode(self._encoded)
        return exported

    def _exported(self) -> dict[str, Any]:
        if self._decoded is None:
            self._decoded = self.export()
        return self._decoded


@overload
def freeze(item: Trace) -> FrozenTrace: ...
@overload
def freeze(item: Span[Any]) -> FrozenSpan: ...
def freeze(item: Trace | Span[Any]) -> FrozenTrace | FrozenSpan:
    """A copy of a trace or span as it is now, which no later change reaches."""
    if isinstance(item, FrozenTrace | FrozenSpan):
        return item
    return FrozenTrace(item) if isinstance(item, Trace) else FrozenSpan(item)
