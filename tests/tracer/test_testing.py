import pytest

from tracer import custom_span, function_span, get_trace_provider, set_tracing_disabled, trace
from tracer.testing import Capture, CountingIds, StepClock


def test_tree():
    """The tree shows traces and spans in the order of their start, with what went wrong."""

    def fails() -> None:
        with trace("a"):
            with custom_span("one"), function_span("two"):
                pass
            raise ValueError("x")

    with Capture() as capture:
        with pytest.raises(ValueError, match="x"):
            fails()
        with trace("b"), custom_span("running"):
            tree = capture.tree()

    assert tree == (
        "trace a [error]\n  custom one\n    function two\ntrace b [running]\n"
        "  custom running [running]"
    )
    assert capture.tree().endswith("trace b\n  custom running")


def test_restores():
    """After the block the provider before it is in use again."""
    before = get_trace_provider()
    with Capture():
        assert get_trace_provider() is not before

    assert get_trace_provider() is before


def test_disabled(monkeypatch: pytest.MonkeyPatch):
    """It captures even where the environment of the tests disables tracing."""
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "1")
    with Capture() as capture:
        with trace("t"):
            pass
        set_tracing_disabled(True)
        with trace("u"):
            pass

    assert capture.tree() == "trace t"


def test_named():
    """A span is found by its name if one has it; else the names there are are listed."""
    with Capture() as capture, trace("t"):
        for name in ("a", "b", "b"):
            with custom_span(name):
                pass

    assert capture.named("a").name == "a"
    with pytest.raises(LookupError, match=r"2 spans are called 'b'.*a, b"):
        capture.named("b")
    with pytest.raises(LookupError, match="0 spans are called 'c'"):
        capture.named("c")


def test_of_type():
    """Spans of a type come in the order of their start."""
    with Capture() as capture, trace("t"), custom_span("outer"):
        with function_span("f"):
            pass
        with custom_span("inner"):
            assert len(capture.open_spans) == 2

    assert [span.name for span in capture.of_type("custom")] == ["outer", "inner"]
    assert capture.open_spans == set()


def test_step_clock():
    """The clock goes forward by a step each time."""
    clock = StepClock(100, 5)
    clock.anchor()

    assert [clock.now_ns(), clock.now_ns()] == [105, 110]


def test_counting_ids():
    """Ids count from one."""
    ids = CountingIds()

    assert ids.trace_id().endswith("01")
    assert ids.span_id().endswith("02")
    assert ids.group_id().endswith("03")
