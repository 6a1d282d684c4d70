"""What a store has to pass, and a store in memory that passes it.

    class TestMine(StoreContract):
        def make(self, folder):
            return MyRecorder(folder), MyStore(folder)

`MemoryStore` is both at once: a processor that keeps records and a `TraceStore` over them, for
tests of whatever reads traces.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.memory import MemoryStore
from exporters.store import NotFoundError, QueryError, StoreError, TraceQuery, TraceStore
from tracer import (
    agent_span,
    custom_span,
    function_span,
    generation_span,
    guardrail_span,
    handoff_span,
    trace,
)
from tracer.processor_interface import TracingProcessor
from tracer.provider import DefaultTraceProvider
from tracer.setup import get_trace_provider, set_trace_provider
from tracer.testing import CountingIds, StepClock

__all__ = ["MemoryStore", "StoreContract"]


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
        usage = {
            "input_tokens": 7,
            "output_tokens": 3,
            "input_tokens_details": {"cached_tokens": 2},
        }
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

    def test_start(self, store: TraceStore) -> None:
        """A trace starts when the first of it did, also one that is gone on with later."""
        for _ in range(2):
            with trace("work", trace_id="trace_" + "1" * 32) as work, custom_span("step"):
                pass
        with trace("other"):
            pass

        spans = store.spans(work.trace_id)
        row = store.get(work.trace_id)

        assert row.start_ns == min(span.start_ns for span in spans)
        assert row.end_ns is not None
        assert row.duration_ms == (row.end_ns - row.start_ns) / 1e6
        assert [each.name for each in store.search(TraceQuery()).traces] == ["other", "work"]
        if self.has_sql:
            asked = store.sql(
                "SELECT start_ns, duration_ms FROM traces WHERE trace_id = ?",
                params=[work.trace_id],
            )
            assert list(asked.rows) == [(row.start_ns, row.duration_ms)]

    def test_cause(self, store: TraceStore) -> None:
        """A failed trace names the span in which the failure began."""
        with (
            pytest.raises(ValueError, match="boom"),
            trace("work"),
            agent_span("worker"),
            custom_span("step"),
        ):
            raise ValueError("boom")

        row = store.get("last")
        assert (row.status, row.error_count) == ("error", 2)
        assert row.first_cause is not None
        assert (row.first_cause.name, row.first_cause.message) == ("step", "boom")

    def test_own_error(self, store: TraceStore) -> None:
        """A trace that an exception leaves outside any span is its own cause."""
        with pytest.raises(ValueError, match="boom"), trace("work"):
            raise ValueError("boom")

        row = store.get("last")
        assert (row.status, row.error_count) == ("error", 0)
        assert row.first_cause is not None
        assert (row.first_cause.span_id, row.first_cause.type) == (None, "trace")
        assert (row.first_cause.name, row.first_cause.message) == ("ValueError", "boom")

    def test_talk(self, store: TraceStore) -> None:
        """What a trace does not say of itself is what its first and last model calls say."""
        open_trace = trace("work")
        open_trace.start(mark_as_current=True)
        with generation_span([{"role": "user", "content": "who?"}], [{"content": "look up"}]):
            pass
        running = store.get(open_trace.trace_id)
        with generation_span([{"role": "user", "content": "more?"}], [{"content": "me"}]):
            pass
        open_trace.finish(reset_current=True)
        ended = store.get(open_trace.trace_id)

        assert (running.input, running.output) == ("who?", None)
        assert (ended.input, ended.output) == ("who?", "me")

    @pytest.mark.parametrize("error", ["boom", {"message": ["boom"], "data": "x"}, 5])
    def test_odd(self, store: TraceStore, error: Any) -> None:
        """What a program set in place of objects is shown as one, and spoils no list."""
        odd: Any = ["a", "b"]
        with trace("work", metadata=odd), custom_span("step") as span:
            span.set_error(error)

        (row,) = store.search(TraceQuery()).traces
        assert row.metadata == {"value": ["a", "b"]}
        detail = store.span(row.trace_id, store.spans(row.trace_id)[0].span_id)
        assert detail.error is not None
        assert isinstance(detail.error["message"], str)
        assert detail.error["data"] in (None, {"value": "x"})
        assert detail.row.error == detail.error["message"]

    def test_large_error(self, store: TraceStore) -> None:
        """An error of any size is whole, and its trace says what happened."""
        with trace("work"), custom_span("step") as span:
            span.set_error({"message": "boom " * 40_000, "data": {"type": "BigError"}})
        with trace("odd"), custom_span("step") as span:
            odd: Any = "boom " * 40_000
            span.set_error(odd)

        rows = {row.name: row for row in store.search(TraceQuery()).traces}
        assert rows["work"].first_cause is not None
        assert rows["work"].first_cause.message.startswith("boom boom")
        for row in rows.values():
            detail = store.span(row.trace_id, store.spans(row.trace_id)[0].span_id)
            assert detail.error is not None
            assert detail.error["message"] == "boom " * 40_000

    @pytest.mark.parametrize("ref", ["#/$defs/Address", 5])
    def test_reference(self, store: TraceStore, ref: Any) -> None:
        """An object of the program's that looks like a reference of ours stays as it is."""
        with trace("work", metadata={"$ref": ref}), custom_span("step", {"$ref": ref}):
            pass

        row = store.get("last")
        assert dict(row.metadata) == {"$ref": ref}
        detail = store.span(row.trace_id, store.spans(row.trace_id)[0].span_id)
        assert dict(detail.data) == {"$ref": ref}

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
        sent: list[dict[str, Any]] = [
            {"role": "user", "content": "é\u2028\x00 \U0001f600"},
            {"n": 1.5, "big": 2**60},
        ]
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
            with function_span("f", input="") as second:
                second.span_data.output = [None]

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
