"""What a store has to pass, and a store in memory that passes it.

    class TestMine(StoreContract):
        def make(self, folder):
            return MyRecorder(folder), MyStore(folder)

`MemoryStore` is both at once: a processor that keeps records and a `TraceStore` over them, for
tests of whatever reads traces.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from exporters.search import MODEL_CALLS, Cursor, detail_text, in_order, matches, preview
from exporters.status import SpanFacts, TraceFacts, judge
from exporters.store import (
    Changes,
    NotFoundError,
    QueryError,
    SpanDetail,
    SpanRow,
    SqlResult,
    StoreError,
    StoreInfo,
    TracePage,
    TraceQuery,
    TraceRow,
    TraceStore,
)
from tracer import (
    agent_span,
    custom_span,
    function_span,
    generation_span,
    guardrail_span,
    handoff_span,
    trace,
)
from tracer.encoding import decode
from tracer.processor_interface import TracingProcessor
from tracer.provider import DefaultTraceProvider
from tracer.setup import get_trace_provider, set_trace_provider
from tracer.snapshot import Content, SpanRecord, TraceRecord, span_record, trace_record
from tracer.spans import Span
from tracer.testing import CountingIds, StepClock
from tracer.traces import Trace


class MemoryStore(TracingProcessor):
    """Keeps records in memory and answers as a `TraceStore`; it knows no SQL."""

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
        data = dict(decode(span.data))
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
            error=_value(span.error),
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
        error = _value(record.error) or {}
        verdict = judge(
            TraceFacts(
                ended=record.end_ns is not None,
                alive=True,
                status=record.status,
                message=error.get("message"),
                error_type=(error.get("data") or {}).get("type"),
            ),
            [_facts(span) for span in spans],
        )
        end = record.end_ns
        return TraceRow(
            trace_id=trace_id,
            name=record.name,
            status=verdict.status,
            start_ns=record.start_ns,
            end_ns=end,
            duration_ms=None if end is None else (end - record.start_ns) / 1e6,
            span_count=len(spans),
            error_count=verdict.error_count,
            handled_errors=verdict.handled_errors,
            group_id=record.group_id,
            metadata=_value(record.metadata) or {},
            input=preview(_value(record.input)),
            output=preview(_value(record.output)),
            first_cause=verdict.first_cause,
            models=tuple(sorted({span.model for span in spans if span.model is not None})),
            **_tokens(spans),
        )


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
    error = _value(span.error) or {}
    triggered = span.type == "guardrail" and decode(span.data).get("triggered") is True
    return SpanFacts(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        type=span.type,
        status=span.status,
        end_ns=span.end_ns,
        message=error.get("message"),
        error_type=(error.get("data") or {}).get("type"),
        triggered=triggered,
    )


def _span_row(span: SpanRecord) -> SpanRow:
    error = _value(span.error)
    return SpanRow(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        type=span.type,
        status=span.status,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        detail=detail_text(span.type, span.name, span.model, decode(span.data)),
        error=error.get("message") if error else None,
        model=span.model,
        input_tokens=span.usage.input_tokens,
        output_tokens=span.usage.output_tokens,
    )


def _tokens(spans: Sequence[SpanRecord]) -> dict[str, int | None]:
    calls = {span.span_id: span for span in spans if span.type in MODEL_CALLS}
    outer = [span for span in calls.values() if span.parent_id not in calls]
    sums: dict[str, int | None] = {}
    for field in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
        known = [value for call in outer if (value := getattr(call.usage, field)) is not None]
        sums[field] = sum(known) if known else None
    return sums


def _value(content: Content) -> Any:
    if content is None:
        return None
    if isinstance(content, tuple):
        return [decode(element) for element in content]
    return decode(content)


class StoreContract:
    """The suite that every `TraceStore` passes; a subclass says how to make one.

    Attributes:
        has_sql: Whether the store answers SQL; a store that does not says so here.
    """

    has_sql = True

    def make(self, folder: Path) -> tuple[TracingProcessor, TraceStore]:
        """A processor that records, and an empty store that reads what it recorded."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[TraceStore]:
        """The store; what the test traces is recorded to it."""
        processor, store = self.make(tmp_path)
        before = get_trace_provider()
        provider = DefaultTraceProvider([processor], clock=StepClock(), ids=CountingIds())
        set_trace_provider(provider)
        yield store
        set_trace_provider(before)
        store.close()
        provider.shutdown()

    def test_protocol(self, store: TraceStore) -> None:
        """It has every method of the contract."""
        assert isinstance(store, TraceStore)

    def test_empty(self, store: TraceStore) -> None:
        """An empty store has an empty page, and no last trace."""
        page = store.search(TraceQuery())

        assert (list(page.traces), page.next_cursor) == ([], None)
        with pytest.raises(NotFoundError):
            store.get("last")

    def test_running(self, store: TraceStore) -> None:
        """What has started is found while it runs, and as ended once it has."""
        with trace("work") as work, agent_span("worker"):
            assert store.get(work.trace_id).status == "running"
            assert [span.status for span in store.spans(work.trace_id)] == ["running"]

        row = store.get(work.trace_id)
        assert (row.status, row.span_count) == ("ok", 1)
        assert row.end_ns is not None
        assert [span.status for span in store.spans(work.trace_id)] == ["ok"]

    def test_row(self, store: TraceStore) -> None:
        """A row says who, what was asked and answered, and what the model calls took."""
        usage = {"input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}
        with trace("work", group_id="g", metadata={"user": "u"}) as work:
            work.record_input("hello")
            with generation_span(model="m", usage=usage):
                pass
            with generation_span(model="n", usage=usage):
                pass
            work.record_output({"answer": 42})

        row = store.get("last")
        assert (row.trace_id, row.name, row.group_id) == (work.trace_id, "work", "g")
        assert dict(row.metadata) == {"user": "u"}
        assert (row.input, row.output) == ("hello", "answer: 42")
        assert (row.input_tokens, row.output_tokens, row.cached_tokens) == (14, 6, 4)
        assert (row.reasoning_tokens, tuple(row.models)) == (None, ("m", "n"))

    def test_cause(self, store: TraceStore) -> None:
        """A failed trace names the span in which the failure began."""
        with pytest.raises(ValueError, match="boom"), trace("work"), agent_span("worker"):
            with custom_span("step"):
                raise ValueError("boom")

        row = store.get("last")
        assert (row.status, row.error_count) == ("error", 2)
        assert row.first_cause is not None
        assert (row.first_cause.name, row.first_cause.message) == ("step", "boom")

    def test_handled(self, store: TraceStore) -> None:
        """A tool's error that the run recovered from leaves the trace ok."""
        with trace("work"), agent_span("worker"), function_span("look_up") as span:
            span.set_error({"message": "not there", "data": None})

        row = store.get("last")
        assert (row.status, row.error_count, row.handled_errors) == ("ok", 0, 1)

    def test_blocked(self, store: TraceStore) -> None:
        """A guardrail that trips blocks the trace, and is its cause."""
        with trace("work"), guardrail_span("no math") as span:
            span.span_data.triggered = True

        row = store.get("last")
        assert row.status == "blocked"
        assert row.first_cause is not None
        assert row.first_cause.name == "no math"

    def test_order(self, store: TraceStore) -> None:
        """Spans come in the order of their start, parents first, with a detail worth showing."""
        with trace("work") as work:
            with agent_span("a"), handoff_span(from_agent="a", to_agent="b"):
                pass
            with agent_span("b"):
                pass

        spans = store.spans(work.trace_id)
        assert [span.name for span in spans] == ["a", "a → b", "b"]
        assert [span.parent_id for span in spans] == [None, spans[0].span_id, None]
        assert spans[1].detail == "b"

    def test_payload(self, store: TraceStore) -> None:
        """A span's payloads come back equal to what was recorded, however large or odd."""
        sent = [{"role": "user", "content": "é\u2028\x00 \U0001f600"}, {"n": 1.5, "big": 2**60}]
        received = [{"role": "assistant", "content": "x" * 200_000}]
        with trace("work") as work, generation_span(input=sent, output=received, model="m") as span:
            span.span_data.instructions = "be kind"
            span.span_data.tools = [{"type": "function", "name": "f"}]
            span.set(flavour="plain")

        detail = store.span(work.trace_id, span.span_id)
        assert (detail.input, detail.output) == (sent, received)
        assert detail.data["instructions"] == "be kind"
        assert detail.data["tools"] == [{"type": "function", "name": "f"}]
        assert (detail.attributes, detail.trace_name) == ({"flavour": "plain"}, "work")

    def test_no_payload(self, store: TraceStore) -> None:
        """Null, an empty list and nothing are told apart."""
        with trace("work") as work:
            with generation_span(input=[], output=None) as first:
                pass
            with function_span("f", input="", output=[None]) as second:
                pass

        assert store.span(work.trace_id, first.span_id).input == []
        assert store.span(work.trace_id, first.span_id).output is None
        assert store.span(work.trace_id, second.span_id).input == ""
        assert store.span(work.trace_id, second.span_id).output == [None]

    def test_pages(self, store: TraceStore) -> None:
        """Pages follow each other without a gap or a repetition, newest first."""
        for number in range(7):
            with trace(f"t{number}"):
                pass
        names: list[str] = []
        cursor = None
        while True:
            page = store.search(TraceQuery(limit=3, cursor=cursor))
            names += [row.name for row in page.traces]
            cursor = page.next_cursor
            if cursor is None:
                break

        assert names == [f"t{number}" for number in reversed(range(7))]

    def test_filters(self, store: TraceStore) -> None:
        """A search narrows by status, group, name, text and time."""
        with trace("good", group_id="g") as good:
            good.record_output("All is well")
        with trace("bad") as bad, custom_span("step") as span:
            span.set_error({"message": "Disk FULL", "data": None})
        start = store.get(bad.trace_id).start_ns

        def names(**query: Any) -> list[str]:
            return [row.name for row in store.search(TraceQuery(**query)).traces]

        assert names(status=("error",)) == ["bad"]
        assert names(group_id="g") == ["good"]
        assert names(name="good") == ["good"]
        assert names(text="disk full") == ["bad"]
        assert names(text="ALL IS") == ["good"]
        assert names(text=good.trace_id) == ["good"]
        assert names(since_ns=start) == ["bad"]
        assert names(until_ns=start - 1) == ["good"]

    def test_unknown(self, store: TraceStore) -> None:
        """What is not there is a NotFoundError, and a bad cursor or limit a StoreError."""
        with trace("work") as work:
            pass

        for ask in (
            lambda: store.get("nope"),
            lambda: store.spans("nope"),
            lambda: store.span("nope", "nope"),
            lambda: store.span(work.trace_id, "nope"),
        ):
            with pytest.raises(NotFoundError, match="nope"):
                ask()
        for wrong in (
            lambda: store.search(TraceQuery(cursor="rubbish")),
            lambda: store.search(TraceQuery(limit=0)),
            lambda: store.follow("rubbish"),
        ):
            with pytest.raises(StoreError):
                wrong()

    def test_follow(self, store: TraceStore) -> None:
        """A follower hears of each trace that changed, once, the oldest change first."""
        with trace("before"):
            pass
        start = store.follow(None)
        assert list(start.trace_ids) == []

        with trace("one") as one, custom_span("step"):
            pass
        with trace("two") as two:
            pass
        news = store.follow(start.cursor)

        assert set(news.trace_ids) == {one.trace_id, two.trace_id}
        assert list(store.follow(news.cursor).trace_ids) == []
        assert set(store.follow(start.cursor).trace_ids) == {one.trace_id, two.trace_id}

    def test_info(self, store: TraceStore) -> None:
        """It counts what it holds."""
        with trace("work"), custom_span("step"):
            pass

        info = store.info()
        assert (info.trace_count, info.span_count) == (1, 1)

    def test_sql(self, store: TraceStore) -> None:
        """It answers SQL with columns, rows and a limit, or refuses with a QueryError."""
        with trace("work"), custom_span("step"):
            pass
        if not self.has_sql:
            with pytest.raises(QueryError):
                store.sql("SELECT 1")
            return

        result = store.sql("SELECT name, status, span_count FROM traces WHERE name = ?",
                           params=["work"])  # fmt: skip
        cut = store.sql("SELECT * FROM range(10)", limit=3)

        assert [column.name for column in result.columns] == ["name", "status", "span_count"]
        assert list(result.rows) == [("work", "ok", 1)]
        assert (len(cut.rows), cut.truncated, result.truncated) == (3, True, False)
        with pytest.raises(QueryError):
            store.sql("DROP TABLE traces")

    def test_closed(self, store: TraceStore) -> None:
        """A closed store may be closed again, and says that it is closed."""
        store.close()
        store.close()

        with pytest.raises(StoreError, match="closed"):
            store.search(TraceQuery())
