"""What the viewer and the command line need of a place where traces are kept.

`TraceStore` is the contract; `exporters.testing.StoreContract` is the suite that a store has to
pass. Rows are plain frozen dataclasses: no row carries a payload unless its docstring says so, so
a list never reads what a model was told.

Units, everywhere: `*_ns` are integer nanoseconds since the epoch, `*_ms` are float milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

TraceStatus = Literal["running", "ok", "error", "blocked", "cancelled", "interrupted"]
SpanStatus = Literal["running", "ok", "error", "cancelled", "interrupted"]
TRACE_STATUSES: tuple[TraceStatus, ...] = (
    "running",
    "ok",
    "error",
    "blocked",
    "cancelled",
    "interrupted",
)


class StoreError(Exception):
    """Something about the store that its user can mend; the text says what, why and how.

    `NotFoundError` and `QueryError` are the two that callers tell apart.
    """


class NotFoundError(StoreError):
    """No trace or span has this id."""


class QueryError(StoreError):
    """SQL that is refused, broken or stopped.

    Attributes:
        position: Offset of the fault in the query's text, in characters, when it is known.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCause:
    """Where a trace's trouble began.

    Among errored spans with no errored descendant, the one that ended first; of a blocked trace,
    the guardrail that tripped. Where no span failed but the trace did (an exception left its
    block), `type` is `trace`, `name` the exception's class, and there is no span.
    """

    span_id: str | None
    name: str
    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSign:
    """The last that an interrupted trace recorded: when, and in which process of which machine.

    The process ended, or was killed, some time after that and without ending the trace.
    """

    at_ns: int
    host: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What of a trace was not kept, or not delivered: by which exporter, why, and how much.

    The store itself is one of the exporters; what only another one lost is still in the store.
    """

    exporter: str
    reason: str
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One trace in a list.

    `start_ns` is the earliest start of the trace and its spans, for a trace may be gone on with.
    `input` and `output` are plain-text previews of at most `PREVIEW` characters: what the first
    run was asked and what the last one answered. Where the trace does not say (it has not ended,
    or another tracer recorded it) they are those of its first model call and, if it ended well,
    of its last. `input_tokens` and the others are sums over the model calls, None when no call
    reported any. `cost_usd` is the sum over the calls whose price is known, None when that is none
    of them, and `unpriced_calls` counts the others. `handled_errors` counts errored spans that the
    run recovered from; `error_count` the others. `incomplete` is true when a loss was counted
    against the trace, and `lost` says which. `last_sign` is set when the trace is interrupted.
    """

    trace_id: str
    name: str
    status: TraceStatus
    start_ns: int
    end_ns: int | None
    duration_ms: float | None
    span_count: int
    error_count: int
    handled_errors: int
    group_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    input: str | None = None
    output: str | None = None
    first_cause: FirstCause | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    unpriced_calls: int = 0
    models: Sequence[str] = ()
    incomplete: bool = False
    lost: Sequence[Lost] = ()
    last_sign: LastSign | None = None


PREVIEW = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One span of a timeline, without its payload.

    `detail` is a short text worth showing beside the name: the target of a handoff, the turn's
    agent, the model of a call whose name is something else. `error` is the error's message.
    `cost_usd` is what a model call cost in US dollars, None where its price is not known.
    """

    span_id: str
    parent_id: str | None
    name: str
    type: str
    status: SpanStatus
    start_ns: int
    end_ns: int | None
    detail: str | None = None
    error: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanDetail:
    """One span whole: the only row that carries payloads.

    `input` and `output` are JSON values as they were recorded, with shared content put back in.
    `error` is `{"message": str, "data": {...} | None}`; a recorded exception has `type`, `stack`
    (text) and `causes` in its data. `data` is the rest of the span's data (`model`,
    `model_config`, `instructions`, `tools`, `usage`, `triggered`, …); `attributes` what the
    program set on the span.
    """

    row: SpanRow
    trace_id: str
    trace_name: str | None
    input: Any
    output: Any
    error: Mapping[str, Any] | None
    usage: Mapping[str, Any] | None
    data: Mapping[str, Any]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces to list, newest first.

    Args of a search: `status` narrows to any of these; `group_id`, `name` are exact; `text`
    matches trace name, id, input and output previews and the first cause, ignoring case;
    `since_ns` and `until_ns` bound the start. `cursor` continues a page: pass the one the last
    page gave.
    """

    status: Sequence[TraceStatus] = ()
    group_id: str | None = None
    name: str | None = None
    text: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """A page of a search; `next_cursor` is None on the last one."""

    traces: Sequence[TraceRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a query's result; `type` is the engine's name for it, such as `BIGINT`."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlResult:
    """What a query gave: Python values in rows; `truncated` when the row limit cut them."""

    columns: Sequence[Column]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool
    elapsed_ms: float


class Stop:
    """Tells a question that its answer is not wanted any more. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = False
        self._hearers: list[Callable[[], None]] = []

    def tell(self) -> None:
        """Stop the question now, or as soon as it begins; idempotent."""
        with self._lock:
            self._told, hearers = True, list(self._hearers)
        for hear in hearers:
            hear()

    @contextmanager
    def heard_by(self, hear: Callable[[], None]) -> Iterator[None]:
        """Within the block, `hear` is called when this is told; at once if it was already."""
        with self._lock:
            self._hearers.append(hear)
            told = self._told
        try:
            if told:
                hear()
            yield
        finally:
            with self._lock:
                self._hearers.remove(hear)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Traces that are new or changed since a cursor, oldest change first."""

    cursor: str
    trace_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """Facts about the store for a status line: `path` as the user knows it, size on disk."""

    path: str
    size_bytes: int
    schema: int
    trace_count: int
    span_count: int
    losses: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class TraceStore(Protocol):
    """Reads traces. Safe to call from any thread; no method holds another one up for long.

    A store may be read while any number of processes record into it: every span that ended is
    found by the next call, running ones included. Nothing here writes what was recorded.
    Methods raise `StoreError` (with a text for the user) and nothing else that is foreseeable.
    """

    def info(self) -> StoreInfo:
        """Facts about the store."""
        ...

    def search(self, query: TraceQuery, /) -> TracePage:
        """Traces that match, newest start first, ties by id; never reads payloads."""
        ...

    def get(self, trace_id: str, /) -> TraceRow:
        """One trace. Raises `NotFoundError`. `"last"` is the one that started last."""
        ...

    def spans(self, trace_id: str, /) -> Sequence[SpanRow]:
        """Every span of a trace in order of start, a parent before its children at equal times.

        Raises `NotFoundError` when the trace is unknown.
        """
        ...

    def span(self, trace_id: str, span_id: str, /) -> SpanDetail:
        """One span with its payloads, equal to what was recorded. Raises `NotFoundError`."""
        ...

    def sql(
        self,
        query: str,
        /,
        *,
        params: Sequence[Any] | Mapping[str, Any] = (),
        limit: int = 1000,
        timeout: float = 10.0,
        stop: Stop | None = None,
    ) -> SqlResult:
        """Answers one reading statement; anything else is a `QueryError`, as is a time-out.

        `limit` is the most rows that come back, `timeout` is in seconds and counts the time that
        the question waits for others. Once `stop` is told, the question ends as a `QueryError`.
        """
        ...

    def follow(self, cursor: str | None, /) -> Changes:
        """What changed since `cursor`; with None, a cursor for now and no ids. Returns at once."""
        ...

    def close(self) -> None:
        """Lets go of files and memory; idempotent. Calls after it raise `StoreError`."""
        ...
