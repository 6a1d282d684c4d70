import logging

import pytest

from tracer import custom_span, get_current_span, get_current_trace, trace
from tracer.testing import Capture


def test_export(capture: Capture):
    """A trace is exported in the wire format, whatever its state."""
    with trace("answer", trace_id="trace_" + "a" * 32, group_id="chat", metadata={"k": 1}) as t:
        exported = t.export()

    assert exported == {
        "object": "trace",
        "id": "trace_" + "a" * 32,
        "workflow_name": "answer",
        "group_id": "chat",
        "metadata": {"k": 1},
    }
    assert t.export() == exported


def test_current(capture: Capture):
    """A trace is current within its block and not after it."""
    assert get_current_trace() is None
    with trace("a") as a:
        assert get_current_trace() is a
        assert get_current_span() is None
    assert get_current_trace() is None


def test_nested(capture: Capture):
    """A trace within a trace is one of its own, and the outer one goes on after it."""
    with trace("outer") as outer:
        with custom_span("before") as before:
            with trace("inner") as inner:
                assert get_current_span() is None
                with custom_span("within") as within:
                    pass
            assert get_current_span() is before
        with custom_span("after") as after:
            pass

    assert within.trace_id == inner.trace_id != outer.trace_id
    assert within.parent_id is None
    assert before.trace_id == after.trace_id == outer.trace_id
    assert [record.name for record in capture.traces] == ["inner", "outer"]


def test_manual(capture: Capture):
    """Started and finished by hand, a trace is current only if asked to be."""
    quiet = trace("quiet")
    quiet.start()
    assert get_current_trace() is None
    loud = trace("loud")
    loud.start(mark_as_current=True)
    assert get_current_trace() is loud
    loud.finish(reset_current=True)
    assert get_current_trace() is None
    quiet.finish()

    assert [record.name for record in capture.traces] == ["loud", "quiet"]


def test_not_reset(capture: Capture):
    """A trace that ended without a reset is passed over by what follows in its task."""
    t = trace("t")
    t.start(mark_as_current=True)
    t.finish()

    assert get_current_trace() is None
    with custom_span("lone") as span:
        assert span.trace_id != t.trace_id


def test_twice(capture: Capture, caplog: pytest.LogCaptureFixture):
    """A second start or end is ignored, with a line in the log about the start."""
    t = trace("t")
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        t.finish()
        t.start()
        t.start()
        t.finish()
        t.finish()

    assert len(capture.traces) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Trace 't' was ended before it started; ignored.",
        "Trace 't' was started twice; the second start is ignored.",
    ]


def test_times(capture: Capture):
    """A trace ends after it started."""
    with trace("t"):
        pass

    record = capture.traces[0]
    assert record.end_ns is not None
    assert 0 < record.start_ns <= record.end_ns


def test_exception(capture: Capture):
    """An exception that leaves the block is the trace's error, and reaches the caller."""
    with pytest.raises(ValueError, match="broken"), trace("t"):
        raise ValueError("broken")

    assert capture.traces[0].status == "error"
    assert b'"message":"broken"' in (capture.traces[0].error or b"")


def test_cancelled(capture: Capture):
    """An interrupted trace is cancelled, without an error."""
    with pytest.raises(KeyboardInterrupt), trace("t"):
        raise KeyboardInterrupt

    assert capture.traces[0].status == "cancelled"
    assert capture.traces[0].error is None


def test_input_output(capture: Capture):
    """A trace keeps the first input and the last output."""
    with trace("t") as t:
        t.record_input("first")
        t.record_input("second")
        t.record_output("one")
        t.record_output({"two": 2})

    assert capture.traces[0].input == b'"first"'
    assert capture.traces[0].output == b'{"two":2}'


def test_later_change(capture: Capture):
    """What is noted stays as it was, whatever the program then does with it."""
    asked = [{"role": "user", "content": "first"}]
    with trace("t") as t:
        t.record_input(asked)
        t.record_output(asked)
        asked[0]["content"] = "second"

    assert capture.traces[0].input == capture.traces[0].output
    assert capture.traces[0].input == b'[{"role":"user","content":"first"}]'


def test_api_key(capture: Capture):
    """A trace may have a key of its own, which its spans know."""
    with trace("t", tracing={"api_key": "sk-1"}) as t, custom_span("s") as span:
        assert t.tracing_api_key == span.tracing_api_key == "sk-1"
    with trace("u") as u, custom_span("s") as span:
        assert u.tracing_api_key is None
        assert span.tracing_api_key is None
    assert trace("v", disabled=True).tracing_api_key is None


def test_disabled(capture: Capture):
    """Of a disabled trace nothing is recorded, and nothing within it."""
    with trace("t", disabled=True) as t:
        assert get_current_trace() is t
        assert t.export() is None
        assert (t.trace_id, t.name) == ("no-op", "t")
        t.record_input("x")
        t.record_output("y")
        with custom_span("s") as span:
            assert span.export() is None
            assert get_current_trace() is t

    assert get_current_trace() is None
    assert capture.started == capture.traces == []


def test_disabled_by_hand(capture: Capture):
    """A disabled trace is current by hand only if asked to be."""
    t = trace("t", disabled=True)
    t.start()
    assert get_current_trace() is None
    t.finish()
    u = trace("u", disabled=True)
    u.start(mark_as_current=True)
    assert get_current_trace() is u
    u.finish(reset_current=True)
    assert get_current_trace() is None


def test_recorded_again(capture: Capture):
    """A recorded trace within a disabled one is recorded."""
    with trace("t", disabled=True), trace("u"), custom_span("s"):
        pass

    assert capture.tree() == "trace u\n  custom s"
