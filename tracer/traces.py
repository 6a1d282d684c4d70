"""Traces: one end-to-end piece of work, and the context manager that records it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from tracer import context
from tracer.clock import Clock
from tracer.encoding import encode
from tracer.failure import SpanError, error_of, verdict
from tracer.logger import logger

if TYPE_CHECKING:
    from tracer.context import Node, Owner

Status = Literal["running", "ok", "error", "cancelled"]
SILENT_ID = "no-op"


class TracingConfig(TypedDict, total=False):
    """Per-trace settings of exporters and of the runtime."""

    api_key: str
    include_task_and_turn_spans: bool


class Trace(abc.ABC):
    """One end-to-end piece of work: a context manager, or `start()` and `finish()` by hand.

    Attributes:
        group_id: Ties traces together, for example the turns of one chat.
        metadata: What the program wants to know of this trace; kept on every span's row.
    """

    __slots__ = ()

    group_id: str | None = None
    metadata: Mapping[str, Any] | None = None

    def __enter__(self) -> Trace:
        self.start(mark_as_current=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish(reset_current=True)

    @abc.abstractmethod
    def start(self, mark_as_current: bool = False) -> None:
        """Start the trace; with `mark_as_current` what follows in this context belongs to it."""

    @abc.abstractmethod
    def finish(self, reset_current: bool = False) -> None:
        """End the trace; with `reset_current` the trace before it is current again."""

    @property
    @abc.abstractmethod
    def trace_id(self) -> str:
        """`trace_` and 32 hex digits; `no-op` of a trace that is not recorded."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name of the work, as the user would say it."""

    @abc.abstractmethod
    def export(self) -> dict[str, Any] | None:
        """The trace in OpenAI's wire format; None when it is not recorded."""

    @property
    def tracing_api_key(self) -> str | None:
        """The key under which this trace goes to OpenAI's backend, if it has one of its own."""
        return None

    def record_input(self, value: Any) -> None:  # noqa: B027
        """Note what the work was asked; the first call counts."""

    def record_output(self, value: Any) -> None:  # noqa: B027
        """Note what the work answered; the last call counts."""


class Sink(Protocol):
    """Who is told when a live trace starts and ends. Must not raise."""

    def on_trace_start(self, trace: Trace, /) -> None:
        """It has started."""
        ...

    def on_trace_end(self, trace: Trace, /) -> None:
        """It has ended."""
        ...


class LiveTrace(Trace):
    """A trace that is recorded."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_id",
        "_name",
        "_sink",
        "end_ns",
        "error",
        "group_id",
        "input",
        "metadata",
        "output",
        "owner",
        "previous",
        "start_ns",
        "status",
        "tracing",
    )

    def __init__(  # noqa: PLR0913 (the public signature of a trace, and its two collaborators)
        self,
        name: str,
        trace_id: str,
        group_id: str | None,
        metadata: Mapping[str, Any] | None,
        tracing: TracingConfig | None,
        sink: Sink,
        clock: Clock,
    ) -> None:
        self._name = name
        self._id = trace_id
        self.group_id = group_id
        self.metadata = metadata
        self.tracing = tracing
        self._sink = sink
        self._clock = clock
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self.status: Status = "running"
        self.error: SpanError | None = None
        self.input: bytes | None = None
        self.output: bytes | None = None
        self.previous: Node | None = None
        self.owner: Owner = 0

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the trace; an exception that leaves the block is kept as the trace's error."""
        if exc is not None and self.error is None:
            outcome = verdict(exc)
            if outcome == "error":
                self.error = error_of(exc)
            self.status = outcome
        self.finish(reset_current=True)

    def start(self, mark_as_current: bool = False) -> None:
        """Start the trace; a second start is ignored."""
        if self.start_ns is not None:
            logger.warning("Trace %r was started twice; the second start is ignored.", self._name)
            return
        self._clock.anchor()
        self.start_ns = self._clock.now_ns()
        if mark_as_current:
            context.enter(self)
        self._sink.on_trace_start(self)

    def finish(self, reset_current: bool = False) -> None:
        """End the trace; a second end is ignored."""
        if self.start_ns is None:
            logger.warning("Trace %r was ended before it started; ignored.", self._name)
            return
        if self.end_ns is None:
            self.end_ns = max(self.start_ns, self._clock.now_ns())
            if self.status == "running":
                self.status = "ok" if self.error is None else "error"
            self._sink.on_trace_end(self)
        if reset_current:
            context.leave(self)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.end_ns is not None

    @property
    def trace_id(self) -> str:
        """`trace_` and 32 hex digits."""
        return self._id

    @property
    def name(self) -> str:
        """The name of the work."""
        return self._name

    @property
    def tracing_api_key(self) -> str | None:
        """The key given with `tracing={"api_key": …}`."""
        return self.tracing.get("api_key") if self.tracing else None

    def record_input(self, value: Any) -> None:
        """Note what the work was asked; the first call counts."""
        if self.input is None and value is not None:
            self.input = encode(value)  # now: the program may go on to change the value

    def record_output(self, value: Any) -> None:
        """Note what the work answered; the last call counts."""
        self.output = None if value is None else encode(value)

    def export(self) -> dict[str, Any]:
        """The trace in OpenAI's wire format."""
        return {
            "object": "trace",
            "id": self._id,
            "workflow_name": self._name,
            "group_id": self.group_id,
            "metadata": self.metadata,
        }


class SilentTrace(Trace):
    """A trace that is not recorded; while it is current, neither are spans."""

    __slots__ = ("_name", "ended", "owner", "previous")

    def __init__(self, name: str = SILENT_ID) -> None:
        self._name = name
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
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def export(self) -> None:
        """None: it is not recorded."""
        return
