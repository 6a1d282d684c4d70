import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.record import BadRecordError, CountRecord, Kept, from_fields, from_json, to_json
from tracer.snapshot import SpanRecord, TraceRecord

SPAN = {"k": "span", "trace_id": "t", "span_id": "s", "start_ns": 5}
KEYS = (*SPAN, "end_ns", "status", "type", "input", "attributes", "owner", "seq", "input_tokens")
rubbish = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def test_span():
    """A span comes back as it was, content byte by byte."""
    text = orjson.dumps(
        {
            **SPAN,
            "name": "gpt",
            "type": "generation",
            "end_ns": 9,
            "status": "ok",
            "input_tokens": 3,
            "input": [{"role": "user"}, 1e22],
            "output": ["yes"],
            "data": {"usage": {"input_tokens": 3}},
            "attributes": {"user": "u"},
            "owner": "host-1-1",
            "seq": 4,
        }
    )
    kept = from_json(text)

    assert isinstance(kept.record, SpanRecord)
    assert kept.record.input == (b'{"role":"user"}', b"1e+22")
    assert (kept.record.usage.input_tokens, kept.owner, kept.seq) == (3, "host-1-1", 4)
    assert from_json(to_json(kept)) == kept


def test_kinds():
    """Traces, losses and deliveries come back as well; content of other spans is one value."""
    trace = from_fields({"k": "trace", "trace_id": "t", "name": "n", "start_ns": 1, "input": [1]})
    loss = from_fields({"k": "loss", "exporter": "otlp", "reason": "full", "items": 2})

    assert isinstance(trace.record, TraceRecord)
    assert (trace.record.input, trace.record.status, trace.kind) == (b"[1]", "running", "trace")
    assert loss.record == CountRecord("loss", None, "otlp", "full", 2, 0, 0)
    for kept in (trace, loss):
        assert from_json(to_json(kept)) == kept


def test_surrogates():
    """What UTF-8 cannot hold in a name is replaced, and the record is written all the same."""
    kept = from_fields(SPAN)
    record = kept.record._replace(name="a\ud800", attributes={"k\ud800": "v"})  # type: ignore[call-arg]

    assert b"span_id" in to_json(Kept(record, "o", 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"k": "item"}, "'k'"),
        ({"trace_id": 7}, "'trace_id'"),
        ({"span_id": ""}, "'span_id'"),
        ({"start_ns": None}, "'start_ns'"),
        ({"start_ns": -1}, "'start_ns'"),
        ({"end_ns": 2**63}, "'end_ns'"),
        ({"status": "fine"}, "'fine'"),
        ({"attributes": []}, "'attributes'"),
        ({"name": {"secret": 1}}, "'name' is an object"),
        ({"input_tokens": True}, "'input_tokens'"),
    ],
)
def test_refused(change, told):
    """What is no record is refused, and the reason names the key, never content."""
    with pytest.raises(BadRecordError) as caught:
        from_fields(SPAN | change)

    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(KEYS), rubbish))
def test_fuzz_fields(change):
    """Any object is a record that can be written, or is refused as none."""
    try:
        kept = from_fields(SPAN | change)
    except BadRecordError:
        return
    assert from_json(to_json(kept)) == kept


@given(st.binary() | st.text())
def test_fuzz_text(text):
    """Any text is a record, or is refused as none."""
    with pytest.raises(BadRecordError):
        from_json(text)
