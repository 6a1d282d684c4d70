import asyncio
import itertools
import logging
import re
from collections.abc import Callable

import pytest

from tracer import (
    agent_span,
    custom_span,
    function_span,
    get_current_span,
    get_current_trace,
    set_tracing_disabled,
    trace,
)
from tracer.encoding import decode
from tracer.testing import Capture


def test_export(capture: Capture):
    """A span is exported in the wire format, with its times once it has them."""
    with trace("t") as t:
        with custom_span("outer") as outer, custom_span("inner", {"k": 1}) as inner:
            running = inner.export()
        done = inner.export()

    assert running is not None
    assert done is not None
    assert running["ended_at"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", done["started_at"])
    assert done["started_at"] <= done["ended_at"]
    assert {**done, "started_at": "", "ended_at": ""} == {
        "object": "trace.span",
        "id": inner.span_id,
        "trace_id": t.trace_id,
        "parent_id": outer.span_id,
        "started_at": "",
        "ended_at": "",
        "span_data": {"type": "custom", "name": "inner", "data": {"k": 1}},
        "error": None,
    }


def test_current(capture: Capture):
    """A span is current within its block, and its parent after it."""
    with trace("t") as t, custom_span("a") as a:
        with custom_span("b") as b:
            assert get_current_span() is b
            assert get_current_trace() is t
        assert get_current_span() is a
    assert get_current_span() is None


def test_manual(capture: Capture):
    """Started by hand, a span is current only if asked to be."""
    with trace("t"):
        quiet = custom_span("quiet")
        assert quiet.started_at is None
        quiet.start()
        assert get_current_span() is None
        loud = custom_span("loud")
        loud.start(mark_as_current=True)
        assert get_current_span() is loud
        quiet.finish()
        assert get_current_span() is loud
        loud.finish(reset_current=True)
        assert get_current_span() is None

    assert capture.tree() == "trace t\n  custom quiet\n  custom loud"


def test_twice(capture: Capture, caplog: pytest.LogCaptureFixture):
    """A second start or end is ignored; ending what has not started is too."""
    span = custom_span("s", span_id="span_1")
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        span.finish()
        span.start()
        span.start()
        span.finish()
        ended = span.ended_at
        span.finish()

    assert len(capture.spans) == len(capture.started) == 1
    assert span.ended_at == ended
    assert [record.getMessage() for record in caplog.records] == [
        "Span 'span_1' was ended before it started; ignored.",
        "Span 'span_1' was started twice; the second start is ignored.",
    ]


def test_parent(capture: Capture):
    """A span nests in the parent it is given, be it a trace or a span."""
    with trace("t") as t, custom_span("a") as a, custom_span("b"):
        under_span = custom_span("c", parent=a)
        under_trace = custom_span("d", parent=t)

    assert (under_span.trace_id, under_span.parent_id) == (t.trace_id, a.span_id)
    assert (under_trace.trace_id, under_trace.parent_id) == (t.trace_id, None)


def test_own_id(capture: Capture):
    """A span has the id it is given."""
    assert custom_span("s", span_id="span_mine").span_id == "span_mine"


def test_lone(capture: Capture):
    """A span outside any trace is recorded in a trace that starts and ends with it."""
    with agent_span("helper") as lone:
        assert get_current_trace() is not None
        with function_span("tool") as child:
            pass

    assert child.trace_id == lone.trace_id
    assert capture.tree() == "trace helper\n  agent helper\n    function tool"
    assert [(t.name, t.status) for t in capture.traces] == [("helper", "ok")]


def test_lone_failure(capture: Capture):
    """The trace of a lone span ends as the span does."""
    with pytest.raises(ValueError, match="broken"), custom_span("s"):
        raise ValueError("broken")

    assert capture.traces[0].status == "error"
    assert capture.traces[0].error == capture.spans[0].error


def test_exception(capture: Capture):
    """An exception that leaves the block is recorded with its stack, and reaches the caller."""

    def broken() -> None:
        raise ValueError("no such order")

    with pytest.raises(ValueError, match="no such order"), trace("t"), function_span("tool"):
        broken()

    record = capture.named("tool")
    error = decode(record.error or b"null")
    assert record.status == "error"
    assert error["message"] == "no such order"
    assert error["data"]["type"] == "ValueError"
    assert "in broken" in error["data"]["stack"]


def test_handled(capture: Capture):
    """An exception that is handled outside a span is not an error of the spans around it."""
    with trace("t"), custom_span("outer"):
        try:
            with custom_span("inner"):
                raise ValueError("x")
        except ValueError:
            pass

    assert capture.tree() == "trace t\n  custom outer\n    custom inner [error]"


def test_set_error(capture: Capture):
    """An error set by the code is kept, whatever leaves the block."""

    def fails(name: str, exc: BaseException) -> None:
        with custom_span(name) as span:
            span.set_error({"message": "mine", "data": {"k": 1}})
            raise exc

    with pytest.raises(ValueError, match="late"):
        fails("s", ValueError("late"))
    with pytest.raises(asyncio.CancelledError):
        fails("c", asyncio.CancelledError())

    assert decode(capture.named("s").error or b"") == {"message": "mine", "data": {"k": 1}}
    assert capture.named("s").status == "error"
    assert capture.named("c").status == "error"


def test_late_error(capture: Capture):
    """An error set after the end does not change the record."""
    with custom_span("s") as span:
        pass
    span.set_error({"message": "late", "data": None})

    assert capture.named("s").status == "ok"
    assert capture.named("s").error is None


@pytest.mark.parametrize(
    ("exc", "status"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(0), "ok"),
        (SystemExit(2), "error"),
        (ExceptionGroup("g", [ValueError("x")]), "error"),
    ],
)
def test_status(capture: Capture, exc: BaseException, status: str):
    """What leaves the block decides how the span ended, and is raised on."""
    with pytest.raises(type(exc)), custom_span("s"):
        raise exc

    assert capture.named("s").status == status
    assert (capture.named("s").error is None) == (status != "error")


def test_record_exception(capture: Capture):
    """An exception can be recorded by hand; one that means a cancellation sets the status."""
    with trace("t"):
        with custom_span("failed") as span:
            span.record_exception(ValueError("x"))
        with custom_span("cancelled") as span:
            span.record_exception(asyncio.CancelledError())
        with custom_span("silent", disabled=True) as span:
            span.record_exception(ValueError("x"))

    assert capture.named("failed").status == "error"
    assert capture.named("cancelled").status == "cancelled"


def test_error_after_cancelled(capture: Capture):
    """A span whose error is set after a cancellation was recorded ends as failed."""
    with trace("t"), custom_span("s") as span:
        span.record_exception(asyncio.CancelledError())
        span.set_error({"message": "mine", "data": None})

    assert capture.named("s").status == "error"


def test_attributes(capture: Capture):
    """Attributes are kept on the span, the last value of each."""
    with custom_span("s") as span:
        span.set(customer="u_42", count=1)
        span.set(count=2, nested={"a": [1]})
        current = get_current_span()
        assert current is not None
        current.set(seen=True)

    assert capture.named("s").attributes == {
        "customer": "u_42",
        "count": "2",
        "nested": '{"a":[1]}',
        "seen": "true",
    }


def test_disabled(capture: Capture):
    """A disabled span is not recorded, nor is what nests in it; what follows is."""
    with trace("t") as t, custom_span("outer"):
        with custom_span("off", {"k": 1}, disabled=True) as off:
            assert get_current_span() is off
            assert get_current_trace() is t
            off.set(a=1)
            off.set_error({"message": "x", "data": None})
            with custom_span("inside") as inside:
                assert inside.export() is None
            assert get_current_span() is off
        with custom_span("after"):
            pass

    assert (off.span_id, off.trace_id, off.parent_id) == ("no-op", "no-op", None)
    assert (off.export(), off.error, off.started_at, off.ended_at) == (None, None, None, None)
    assert off.span_data.data == {"k": 1}
    assert capture.tree() == "trace t\n  custom outer\n    custom after"


def test_lone_disabled(capture: Capture):
    """Within a disabled lone span there is a current trace, which records nothing."""
    with custom_span("off", disabled=True):
        current = get_current_trace()
        assert current is not None
        assert current.export() is None
        with custom_span("inside"):
            pass

    assert capture.started == []


def test_under_disabled(capture: Capture):
    """A span whose parent is not recorded is not recorded; a recorded parent counts."""
    off = custom_span("off", disabled=True)
    with trace("t") as t, off:
        assert custom_span("a", parent=off).export() is None
        assert custom_span("b", parent=trace("u", disabled=True)).export() is None
        assert custom_span("c", parent=t).export() is not None


def test_switch(capture: Capture):
    """Tracing can be switched off and on again."""
    set_tracing_disabled(True)
    with trace("off"), custom_span("off"):
        pass
    set_tracing_disabled(False)
    with trace("on"), custom_span("on"):
        pass

    assert capture.tree() == "trace on\n  custom on"


def test_snapshot(capture: Capture):
    """What happens to the data after the end does not change the record."""
    messages = [{"role": "user", "content": "hi"}]
    with custom_span("s", {"messages": messages}) as span:
        messages.append({"role": "assistant", "content": "hello"})
    messages.clear()
    span.span_data.data["late"] = True
    span.span_data.name = "renamed"
    span.set(late=True)

    record = capture.named("s")
    assert [message["role"] for message in decode(record.data)["messages"]] == ["user", "assistant"]
    assert "late" not in decode(record.data)
    assert record.attributes == {}


def test_deep(capture: Capture):
    """A thousand spans nest in each other, and each knows its parent."""
    spans = [custom_span("0")]
    spans[0].start(mark_as_current=True)
    for number in range(1, 1000):
        spans.append(custom_span(str(number)))
        spans[-1].start(mark_as_current=True)
    for span in reversed(spans):
        span.finish(reset_current=True)

    assert get_current_span() is None
    for parent, child in itertools.pairwise(spans):
        assert child.parent_id == parent.span_id


def test_clock_step(capture: Capture, monkeypatch: pytest.MonkeyPatch):
    """A span never ends before it started, even where the clock is set back."""
    with custom_span("s") as span, trace("later"):
        span.start_ns += 10**18  # type: ignore[attr-defined]

    record = capture.named("s")
    assert record.end_ns == record.start_ns


@pytest.mark.parametrize("make", [custom_span, agent_span, function_span])
def test_not_started(capture: Capture, make: Callable[[str], object]):
    """Nothing is recorded of a span that is only made."""
    make("s")

    assert capture.started == []
    assert capture.tree() == ""
