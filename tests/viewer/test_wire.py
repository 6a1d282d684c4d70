import json
from dataclasses import replace

from exporters.store import Column, LastSign, Lost, SqlResult
from viewer import shapes
from viewer.encoding import to_json
from viewer.wire import meta_json, skeleton, span_json, sql_json, trace_json


def plain(value):
    """The value as a client reads it."""
    return json.loads(to_json(value))


def keys(model):
    """The names in a type's JSON."""
    return {field.alias or name for name, field in model.model_fields.items()}


def test_trace(store):
    """A trace has what its type says, times in microseconds."""
    body = plain(trace_json(store.get("trace_1")))

    assert shapes.Trace.model_validate(body)
    assert set(body) == keys(shapes.Trace)
    assert body["end_us"] - body["start_us"] == 2_000_000
    assert body["first_cause"]["message"] == "no such order"


def test_troubled_trace(store):
    """What a trace cost, what it lost and where it was last heard of go along."""
    row = replace(
        store.get("trace_1"),
        cost_usd=0.25,
        unpriced_calls=1,
        incomplete=True,
        lost=(Lost(exporter="otlp", reason="queue full", items=7),),
        last_sign=LastSign(at_ns=5000, host="box", pid=7),
    )
    body = plain(trace_json(row))

    assert shapes.Trace.model_validate(body)
    assert (body["cost_usd"], body["unpriced_calls"], body["incomplete"]) == (0.25, 1, True)
    assert body["lost"] == [{"exporter": "otlp", "reason": "queue full", "items": 7}]
    assert body["last_sign"] == {"at_us": 5, "host": "box", "pid": 7}
    assert plain(trace_json(store.get("trace_1")))["cost_usd"] is None


def test_skeleton(store):
    """Columns are of one length and in tree order; what runs has no duration."""
    row, spans = store.get("trace_1"), store.spans("trace_1")
    body = plain(skeleton(row, spans, now_ns=row.start_ns))
    columns = body["columns"]

    assert shapes.Skeleton.model_validate(body)
    assert set(columns) == keys(shapes.SpanColumns)
    assert {len(column) for column in columns.values()} == {body["count"]}
    assert columns["parent"] == [-1, 0, -1]
    assert columns["start_us"] == [0, 1, 2]
    assert columns["dur_us"] == [1_000_000, 999_999, None]


def test_early_span(store):
    """Offsets are never negative, even of a span that began before its trace."""
    row, spans = store.get("trace_1"), store.spans("trace_1")
    body = skeleton(row, [*spans[1:], spans[0].__class__(**early(spans[0]))], now_ns=0)

    assert body["origin_us"] == row.start_ns // 1000 - 5
    assert min(body["columns"]["start_us"]) == 0


def early(span):
    """The fields of a span, five microseconds earlier."""
    fields = {name: getattr(span, name) for name in span.__slots__}
    return fields | {"start_ns": span.start_ns - 5000}


def test_span(store):
    """A span is whole, with null for what JSON has no word for."""
    body = plain(span_json(store.span("trace_1", "span_tool")))

    assert shapes.Span.model_validate(body)
    assert set(body) == keys(shapes.Span)
    assert body["input"] == {"order": 7, "ratio": None}
    assert body["error"] == {"message": "no such order", "data": {"stack": "Traceback …"}}


def test_sql():
    """Rows of a query have a name and a type for each column."""
    columns = [Column(name="n", type="HUGEINT"), Column(name="n", type="VARCHAR")]
    result = SqlResult(columns=columns, rows=[(2**80, "a")], truncated=True, elapsed_ms=1.5)
    body = plain(sql_json(result))

    assert shapes.SqlAnswer.model_validate(body)
    assert body["rows"] == [[str(2**80), "a"]]
    assert body["row_count"] == 1


def test_meta(store):
    """Facts about the store tell of losses too."""
    body = plain(meta_json(store.info(), version="1", now_ns=5000))

    assert shapes.Meta.model_validate(body)
    assert body["losses"] == {"queue_full": 3}
    assert body["now_us"] == 5
