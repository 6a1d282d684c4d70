"""A store in memory: a processor that keeps records, and a `TraceStore` over them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from exporters.search import (
    MODEL_CALLS,
    Call,
    Cursor,
    as_error,
    as_object,
    detail_text,
    failure_of,
    in_order,
    matches,
    preview,
    sums_of,
)
from exporters.status import SpanFacts, TraceFacts, judge
from exporters.store import (
    Changes,
    NotFoundError,
    QueryError,
    SpanDetail,
    SpanRow,
    SqlResult,
    Stop,
    StoreError,
    StoreInfo,
    TracePage,
    TraceQuery,
    TraceRow,
    TraceStatus,
)
from tracer.encoding import decode
from tracer.processor_interface import TracingProcessor
from tracer.snapshot import Content, SpanRecord, TraceRecord, span_record, trace_record
from tracer.spans import Span
from tracer.traces import Trace


class MemoryStore(TracingProcessor):
    """Keeps records in memory and answers as a `TraceStore`; it knows no SQL and no prices."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._traces: dict[str, TraceRecord] = {}
        self._spans: dict[str, dict[str, SpanRecord]] = {}
        self._changes: list[str] = []
        self._closed = False

    def on_trace_start(self, trace: Trace) -> None:
        """Keep it."""
        self.add(trace_record(trace))

    def on_trace_end(self, trace: Trace) -> None:
        """Keep it as it ended."""
        self.add(trace_record(trace))

    def on_span_start(self, span: Span[Any]) -> None:
        """Keep it."""
        self.add(span_record(span))

    def on_span_end(self, span: Span[Any]) -> None:
        """Keep it as it ended."""
        self.add(span_record(span))

    def add(self, record: TraceRecord | SpanRecord) -> None:
        """Keep a record, in place of an earlier one with its id."""
        with self._lock:
            if isinstance(record, TraceRecord):
                self._traces[record.trace_id] = record
            else:
                self._spans.setdefault(record.trace_id, {})[record.span_id] = record
            self._changes.append(record.trace_id)

    def info(self) -> StoreInfo:
        """Facts about the store."""
        with self._open():
            return StoreInfo(
                path="memory",
                size_bytes=0,
                schema=0,
                trace_count=len(self._ids()),
                span_count=sum(map(len, self._spans.values())),
            )

    def search(self, query: TraceQuery, /) -> TracePage:
        """Traces that match, newest start first, ties by id."""
        if query.limit < 1:
            raise StoreError(
                f"limit is {query.limit!r}. It counts traces on a page. Pass 1 or more."
            )
        after = Cursor.parse(query.cursor)
        with self._open():
            rows = sorted(map(self._row, self._ids()), key=lambda r: (-r.start_ns, r.trace_id))
        if after is not None:
            beyond = (-after.start_ns, after.trace_id)
            rows = [row for row in rows if (-row.start_ns, row.trace_id) > beyond]
        found = [row for row in rows if matches(row, query)]
        page = found[: query.limit]
        more = len(found) > query.limit
        return TracePage(traces=page, next_cursor=str(Cursor.of(page[-1])) if more else None)

    def get(self, trace_id: str, /) -> TraceRow:
        """One trace; "last" is the one that started last."""
        with self._open():
            return self._row(self._known(trace_id))

    def spans(self, trace_id: str, /) -> Sequence[SpanRow]:
        """Every span of a trace in order of start, a parent before its children."""
        with self._open():
            known = self._known(trace_id)
            return in_order(_span_row(span) for span in self._spans.get(known, {}).values())

    def span(self, trace_id: str, span_id: str, /) -> SpanDetail:
        """One span with its payloads."""
        with self._open():
            span = self._spans.get(self._known(trace_id), {}).get(span_id)
        if span is None:
            raise NotFoundError(
                f"Trace {trace_id!r} has no span {span_id!r}. A span is found by its trace and its "
                f"id. List them with spans()."
            )
        data = dict(as_object(decode(span.data)))
        for key, value in (
            ("model", span.model),
            ("instructions", _value(span.instructions)),
            ("tools", _value(span.tools)),
        ):
            if value is not None:
                data[key] = value
        usage = data.get("usage")
        return SpanDetail(
            row=_span_row(span),
            trace_id=span.trace_id,
            trace_name=span.trace_name,
            input=_value(span.input),
            output=_value(span.output),
            error=as_error(_value(span.error)),
            usage=usage if isinstance(usage, Mapping) else None,
            data=data,
            attributes=dict(span.attributes),
        )

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
        """Refuses: there is no SQL in memory."""
        raise QueryError(
            f"A store in memory was asked {query[:40]!r}. It knows no SQL. "
            f"Record to a DuckDB store to ask questions in SQL."
        )

    def follow(self, cursor: str | None, /) -> Changes:
        """What changed since `cursor`."""
        with self._open():
            now = str(len(self._changes))
            if cursor is None:
                return Changes(cursor=now, trace_ids=())
            try:
                since = int(cursor)
            except ValueError:
                raise StoreError(
                    f"{cursor!r} is no cursor. A cursor is what follow() gave. Begin with None."
                ) from None
            last = dict.fromkeys(reversed(self._changes[since:]))
            return Changes(cursor=now, trace_ids=list(last)[::-1])

    def close(self) -> None:
        """Answers nothing from now on."""
        self._closed = True

    def _open(self) -> threading.RLock:
        if self._closed:
            raise StoreError(
                "The store in memory was closed. A closed store answers nothing. Make another one."
            )
        return self._lock

    def _ids(self) -> list[str]:
        return list(self._traces | dict.fromkeys(self._spans))

    def _known(self, trace_id: str) -> str:
        ids = self._ids()
        if trace_id == "last" and ids:
            return min(ids, key=lambda key: (-self._row(key).start_ns, key))
        if trace_id not in ids:
            raise NotFoundError(
                f"No trace has the id {trace_id!r}. A trace is found by its whole id, or as "
                f"'last'. List them with search()."
            )
        return trace_id

    def _row(self, trace_id: str) -> TraceRow:
        spans = list(self._spans.get(trace_id, {}).values())
        record = self._traces.get(trace_id) or _stand_in(trace_id, spans)
        verdict = judge(
            TraceFacts(
                ended=record.end_ns is not None,
                alive=True,
                status=record.status,
                **failure_of(_value(record.error)),
            ),
            [_facts(span) for span in spans],
        )
        starts = [record.start_ns, *(span.start_ns for span in spans)]
        start = min((each for each in starts if each), default=0)
        end = record.end_ns
        sums = sums_of(_calls(spans))
        return TraceRow(
            trace_id=trace_id,
            name=record.name,
            status=verdict.status,
            start_ns=start,
            end_ns=end,
            duration_ms=None if end is None else (end - start) / 1e6,
            span_count=len(spans),
            error_count=verdict.error_count,
            handled_errors=verdict.handled_errors,
            group_id=record.group_id,
            metadata=as_object(_value(record.metadata)),
            input=_asked(record, spans),
            output=_answered(record, spans, verdict.status),
            first_cause=verdict.first_cause,
            models=tuple(sorted({span.model for span in spans if span.model is not None})),
            input_tokens=sums.input_tokens,
            output_tokens=sums.output_tokens,
            cached_tokens=sums.cached_tokens,
            reasoning_tokens=sums.reasoning_tokens,
            unpriced_calls=sums.unpriced_calls,
        )


def _asked(record: TraceRecord, spans: Sequence[SpanRecord]) -> str | None:
    """What a trace was asked; its first model call's input if it does not say."""
    first = min(_model_calls(spans), key=lambda span: (span.start_ns, span.span_id), default=None)
    said = preview(_value(record.input))
    return preview(_value(first.input)) if said is None and first else said


def _answered(record: TraceRecord, spans: Sequence[SpanRecord], status: TraceStatus) -> str | None:
    """What a trace answered; its last model call's output if it ended well and does not say."""
    said = preview(_value(record.output))
    last = max(_model_calls(spans), key=lambda span: (span.start_ns, span.span_id), default=None)
    return preview(_value(last.output)) if said is None and last and status == "ok" else said


def _model_calls(spans: Sequence[SpanRecord]) -> list[SpanRecord]:
    return [span for span in spans if span.type in MODEL_CALLS]


def _stand_in(trace_id: str, spans: Sequence[SpanRecord]) -> TraceRecord:
    """What is known of a trace that only its spans tell of."""
    names = [span.trace_name for span in spans if span.trace_name is not None]
    ends = [span.end_ns for span in spans]
    return TraceRecord(
        trace_id=trace_id,
        name=names[0] if names else trace_id,
        group_id=next((span.group_id for span in spans if span.group_id), None),
        metadata=next((span.metadata for span in spans if span.metadata), None),
        start_ns=min(span.start_ns for span in spans),
        end_ns=None if None in ends else max(end for end in ends if end is not None),
        status="ok",
        error=None,
        input=None,
        output=None,
    )


def _facts(span: SpanRecord) -> SpanFacts:
    triggered = span.type == "guardrail" and decode(span.data).get("triggered") is True
    return SpanFacts(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        type=span.type,
        status=span.status,
        end_ns=span.end_ns,
        **failure_of(_value(span.error)),
        triggered=triggered,
    )


def _span_row(span: SpanRecord) -> SpanRow:
    return SpanRow(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        type=span.type,
        status=span.status,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        detail=detail_text(span.type, span.name, span.model, decode(span.data)),
        error=failure_of(_value(span.error))["message"],
        model=span.model,
        input_tokens=span.usage.input_tokens,
        output_tokens=span.usage.output_tokens,
    )


def _calls(spans: Sequence[SpanRecord]) -> list[Call]:
    return [
        Call(
            span.span_id,
            span.parent_id,
            span.usage.input_tokens,
            span.usage.output_tokens,
            span.usage.cached_tokens,
            span.usage.reasoning_tokens,
        )
        for span in _model_calls(spans)
    ]


def _value(content: Content) -> Any:
    if content is None:
        return None
    if isinstance(content, tuple):
        return [decode(element) for element in content]
    return decode(content)
