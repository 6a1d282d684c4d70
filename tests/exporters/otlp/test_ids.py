from hypothesis import given
from hypothesis import strategies as st

from exporters.otlp.ids import from_span_id, from_trace_id, root_id, to_span_id, to_trace_id

TRACE = "trace_" + "0af7651916cd43dd8448eb211c80319c"
digits = st.text(alphabet="0123456789abcdef", min_size=16, max_size=16)


def test_ours():
    """Ids of ours keep their digits: all of a trace's, the first sixteen of a span's."""
    assert to_trace_id(TRACE) == "0af7651916cd43dd8448eb211c80319c"
    assert to_span_id(TRACE, "span_00f067aa0ba902b7deadbeef") == "00f067aa0ba902b7"


def test_foreign():
    """A span's id is filled up with its trace's, and comes back as it was."""
    ours = from_span_id("0af7651916cd43dd8448eb211c80319c", "00F067AA0BA902B7")

    assert from_trace_id("0AF7651916cd43dd8448eb211c80319c") == TRACE
    assert ours == "span_00f067aa0ba902b71c80319c"
    assert to_span_id(TRACE, ours) == "00f067aa0ba902b7"


def test_none():
    """What is too short, no hexadecimal, or all zeros, is no id."""
    assert from_trace_id("0" * 32) is None
    assert from_trace_id("0af76519") is None
    assert from_span_id("a" * 32, "z" * 16) is None
    assert from_span_id("a" * 32, "") is None


def test_counted():
    """Ids that a test counts up from 1 stay apart, though their first digits are alike."""
    spans = {to_span_id(TRACE, f"span_{number:024x}") for number in range(100)}

    assert len(spans) == 100


@given(st.text(), st.text())
def test_any(trace_id, span_id):
    """Any text has an id, which is never all zeros."""
    assert int(to_trace_id(trace_id), 16)
    assert len(to_trace_id(trace_id)) == 32
    assert int(to_span_id(trace_id, span_id), 16)
    assert len(to_span_id(trace_id, span_id)) == 16


def test_root():
    """Two runs of one trace id have two roots."""
    assert root_id(TRACE, 1) != root_id(TRACE, 2)


@given(digits)
def test_round(text):
    """Every span id of OpenTelemetry's survives the way through ours."""
    ours = from_span_id("a" * 32, text)
    assert ours is None or to_span_id("x", ours) == text
