"""Spans: one operation within a trace, with a start, an end and data."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol

from typing_extensions import TypeVar

from tracer import context
from tracer.clock import Clock, iso
from tracer.encoding import as_text
from tracer.failure import SpanError, error_of, verdict
from tracer.logger import logger
from tracer.span_data import SpanData
from tracer.traces import SILENT_ID, LiveTrace, Sink, Status

if TYPE_CHECKING:
    from tracer.context import Node, Owner

TSpanData = TypeVar("TSpanData", bound=SpanData, default=Any)

__all__ = ["LiveSpan", "SilentSpan", "Span", "SpanError", "TSpanData"]


class Span(abc.ABC, Generic[TSpanData]):
    """One operation: a context manager, or `start()` and `finish()` by hand.

    It belongs to the task that opened it. At its end the pipeline freezes what it holds, so that
    later changes of its data do not change the record.
    """

    __slots__ = ()

    def __enter__(self) -> Span[TSpanData]:
        self.start(mark_as_current=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish(reset_current=True)

    @property
    @abc.abstractmethod
    def trace_id(self) -> str:
        """The trace it belongs to."""

    @property
    @abc.abstractmethod
    def span_id(self) -> str:
        """`span_` and 24 hex digits; `no-op` of a span that is not recorded."""

    @property
    @abc.abstractmethod
    def span_data(self) -> TSpanData:
        """What the operation is about; its attributes may be set until the span ends."""

    @property
    @abc.abstractmethod
    def parent_id(self) -> str | None:
        """The span it is nested in; None at the top of a trace."""

    @abc.abstractmethod
    def start(self, mark_as_current: bool = False) -> None:
        """Start the span; with `mark_as_current` spans that follow in this context nest in it."""

    @abc.abstractmethod
    def finish(self, reset_current: bool = False) -> None:
        """End the span; with `reset_current` the span before it is current again."""

    @abc.abstractmethod
    def set_error(self, error: SpanError) -> None:
        """Mark the span as failed. An exception that leaves the block does not replace it."""

    @property
    @abc.abstractmethod
    def error(self) -> SpanError | None:
        """The error that was set or recorded."""

    @property
    @abc.abstractmethod
    def started_at(self) -> str | None:
        """ISO 8601 in UTC; None before the start."""

    @property
    @abc.abstractmethod
    def ended_at(self) -> str | None:
        """ISO 8601 in UTC; None before the end."""

    @abc.abstractmethod
    def export(self) -> dict[str, Any] | None:
        """The span in OpenAI's wire format; None when it is not recorded."""

    @property
    def tracing_api_key(self) -> str | None:
        """The key under which its trace goes to OpenAI's backend, if it has one of its own."""
        return None

    @property
    def trace_metadata(self) -> Mapping[str, Any] | None:
        """The metadata of its trace."""
        return None

    def set(self, **attributes: Any) -> None:
        """Put attributes on the span: strings as they are, other values as JSON text."""

    def record_exception(self, exc: BaseException) -> None:
        """Mark the span as failed with this exception, its stack and its causes."""


class SpanSink(Sink, Protocol):
    """Who is told when a live span starts and ends. Must not raise."""

    def on_span_start(self, span: Span[Any], /) -> None:
        """It has started."""
        ...

    def on_span_end(self, span: Span[Any], /) -> None:
        """It has ended."""
        ...


class LiveSpan(Span[TSpanData]):
    """A span that is recorded.

    With `owns_trace` the span was opened outside any trace: its trace starts and ends with it.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_data",
        "_id",
        "_owns_trace",
        "_parent_id",
        "_sink",
        "_trace_id",
        "attributes",
        "end_ns",
        "failure",
        "owner",
        "previous",
        "start_ns",
        "status",
        "trace",
    )

    def __init__(  # noqa: PLR0913 (a span's identity, and its two collaborators)
        self,
        data: TSpanData,
        span_id: str,
        parent_id: str | None,
        trace: LiveTrace | None,
        trace_id: str,
        sink: SpanSink,
        clock: Clock,
        owns_trace: bool = False,
    ) -> None:
        self._data = data
        self._id = span_id
        self._parent_id = parent_id
        self._trace_id = trace_id
        self.trace = trace
        self._sink = sink
        self._clock = clock
        self._owns_trace = owns_trace
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self.status: Status = "running"
        self.failure: SpanError | None = None
        self.attributes: dict[str, str] | None = None
        self.previous: Node | None = None
        self.owner: Owner = 0

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the span; an exception that leaves the block is recorded unless an error was set."""
        if exc is not None and self.failure is None:
            outcome = verdict(exc)
            if outcome == "error":
                self.failure = error_of(exc)
            self.status = outcome
        self.finish(reset_current=True)

    def start(self, mark_as_current: bool = False) -> None:
        """Start the span; a second start is ignored."""
        if self.start_ns is not None:
            logger.warning("Span %r was started twice; the second start is ignored.", self._id)
            return
        if self._owns_trace and self.trace is not None:
            self.trace.start()
        self.start_ns = self._clock.now_ns()
        if mark_as_current:
            context.enter(self)
        self._sink.on_span_start(self)

    def finish(self, reset_current: bool = False) -> None:
        """End the span; a second end is ignored."""
        if self.start_ns is None:
            logger.warning("Span %r was ended before it started; ignored.", self._id)
            return
        if self.end_ns is None:
            self.end_ns = max(self.start_ns, self._clock.now_ns())
            if self.status == "running":
                self.status = "ok" if self.failure is None else "error"
            self._sink.on_span_end(self)
            if self._owns_trace and self.trace is not None:
                self.trace.error = self.failure
                self.trace.status = self.status
                self.trace.finish()
        if reset_current:
            context.leave(self)

    def set_error(self, error: SpanError) -> None:
        """Mark the span as failed."""
        self.failure = error
        if self.end_ns is None:
            self.status = "running"

    def record_exception(self, exc: BaseException) -> None:
        """Mark the span as failed with this exception, or as cancelled where it says so."""
        outcome = verdict(exc)
        if outcome == "error":
            self.set_error(error_of(exc))
        else:
            self.status = outcome

    def set(self, **attributes: Any) -> None:
        """Put attributes on the span."""
        if self.attributes is None:
            self.attributes = {}
        for key, value in attributes.items():
            self.attributes[key] = as_text(value)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.end_ns is not None

    @property
    def trace_id(self) -> str:
        """The trace it belongs to."""
        return self._trace_id

    @property
    def span_id(self) -> str:
        """`span_` and 24 hex digits."""
        return self._id

    @property
    def span_data(self) -> TSpanData:
        """What the operation is about."""
        return self._data

    @property
    def parent_id(self) -> str | None:
        """The span it is nested in."""
        return self._parent_id

    @property
    def error(self) -> SpanError | None:
        """The error that was set or recorded."""
        return self.failure

    @property
    def started_at(self) -> str | None:
        """ISO 8601 in UTC."""
        return iso(self.start_ns)

    @property
    def ended_at(self) -> str | None:
        """ISO 8601 in UTC."""
        return iso(self.end_ns)

    @property
    def tracing_api_key(self) -> str | None:
        """The key of its trace."""
        return self.trace.tracing_api_key if self.trace is not None else None

    @property
    def trace_metadata(self) -> Mapping[str, Any] | None:
        """The metadata of its trace."""
        return self.trace.metadata if self.trace is not None else None

    def export(self) -> dict[str, Any]:
        """The span in OpenAI's wire format."""
        return {
            "object": "trace.span",
            "id": self._id,
            "trace_id": self._trace_id,
            "parent_id": self._parent_id,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "span_data": self._data.export(),
            "error": self.failure,
        }


class SilentSpan(Span[TSpanData]):
    """A span that is not recorded; while it is current, neither are those within it."""

    __slots__ = ("_data", "ended", "owner", "previous")

    def __init__(self, data: TSpanData) -> None:
        self._data = data
        self.ended = False
        self.previous: Node | None = None
        self.owner: Owner = 0

    def start(self, mark_as_current: bool = False) -> None:
        """Become current if asked."""
        if mark_as_current:
            context.enter(self)

    def finish(self, reset_current: bool = False) -> None:
        """Stop being current if asked."""
        self.ended = True
        if reset_current:
            context.leave(self)

    @property
    def trace_id(self) -> str:
        """`no-op`."""
        return SILENT_ID

    @property
    def span_id(self) -> str:
        """`no-op`."""
        return SILENT_ID

    @property
    def span_data(self) -> TSpanData:
        """The data it was given; it goes nowhere."""
        return self._data

    @property
    def parent_id(self) -> str | None:
        """None."""
        return None

    def set_error(self, error: SpanError) -> None:
        """Nothing: it is not recorded."""

    @property
    def error(self) -> SpanError | None:
        """None."""
        return None

    @property
    def started_at(self) -> str | None:
        """None."""
        return None

    @property
    def ended_at(self) -> str | None:
        """None."""
        return None

    def export(self) -> None:
        """None: it is not recorded."""
        return
