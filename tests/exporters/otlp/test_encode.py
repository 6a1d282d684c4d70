import orjson
from hypothesis import given
from hypothesis import strategies as st

from exporters.otlp.decode import decode_document
from exporters.otlp.encode import documents, encode_value
from exporters.otlp.raw import attributes_of
from exporters.record import Kept, from_fields

TRACE = "trace_0af7651916cd43dd8448eb211c80319c"
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def kept(kind="span", **fields):
    """A record."""
    plain = {"k": kind, "trace_id": TRACE, "span_id": "s", "start_ns": 5, "end_ns": 9, "name": "n"}
    return from_fields(plain | fields)


def spans_of(lines):
    """The spans of documents."""
    found = []
    for line in lines:
        (resource,) = orjson.loads(line)["resourceSpans"]
        found += resource["scopeSpans"][0]["spans"]
    return found


def test_encoding():
    """Ids are hexadecimal, times are strings, enums numbers, keys in lowerCamelCase."""
    root, span = spans_of(documents([kept("trace"), kept(type="function", status="error")]))

    assert (root["traceId"], len(root["spanId"])) == ("0af7651916cd43dd8448eb211c80319c", 16)
    assert span["parentSpanId"] == root["spanId"]
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("5", "9")
    assert (span["kind"], span["status"]) == (1, {"code": 2})
    assert "parentSpanId" not in root
    assert "status" not in root


def test_documents():
    """A document holds spans of one trace, and no more than some of them."""
    many = [kept(span_id=f"s{number}") for number in range(250)]
    other = kept(trace_id="another")

    sizes = [len(spans_of([line])) for line in documents([*many, other])]

    assert sizes == [100, 100, 50, 1]


def test_no_root():
    """A span of a trace whose own record is not there has no parent."""
    (span,) = spans_of(documents([kept()]))

    assert "parentSpanId" not in span


@given(values)
def test_values(value):
    """Every JSON value comes back as it was."""
    (encoded,) = [orjson.loads(orjson.dumps(encode_value(value)))]

    assert attributes_of([{"key": "k", "value": encoded}]) == {"k": value}


def test_restored():
    """Records come back as they were: traces, spans that run, losses."""
    records = [
        kept("trace", span_id=None, group_id="g", metadata={"a": 1}, input="hi", owner="o", seq=3),
        kept(end_ns=None, attributes={"gen_ai.usage.input_tokens": "x"}, input={"a": [1, None]}),
        kept(type="generation", input=[{"role": "user"}], output=[], input_tokens=0, model="m"),
        kept("loss", exporter="otlp", reason="full", items=3),
        from_fields({"k": "delivery", "exporter": "otlp", "items": 3, "status": "delivered"}),
    ]

    found = [
        record for line in documents(records) for record in decode_document(orjson.loads(line))
    ]

    assert all(isinstance(record, Kept) for record in found)
    assert found == records
