import pytest

from exporters.status import TRIPWIRE
from exporters.store import FirstCause, SpanRow, TraceRow
from viewer.cli.faults import faults
from viewer.tree import pre_order


def trace(status="error", cause=None):
    """A trace with a status and the span that caused it."""
    first = cause and FirstCause(span_id=cause, name=cause, type="custom", message="")
    return TraceRow(
        trace_id="t", name="t", status=status, start_ns=0, end_ns=9, duration_ms=0.0,
        span_count=1, error_count=0, handled_errors=0, first_cause=first,
    )  # fmt: skip


def span(span_id, parent_id=None, error=None, *, type="custom", status=None, end=9):
    """A span that failed if it has an error."""
    return SpanRow(
        span_id=span_id, parent_id=parent_id, name=span_id, type=type, start_ns=0, end_ns=end,
        status=status or ("error" if error else "ok"), error=error,
    )  # fmt: skip


def said(row, spans):
    """What is said of each span, by its id: word and message."""
    nodes = pre_order(spans)
    found = zip(nodes, faults(row, nodes), strict=True)
    return {node.span.span_id: fault and (fault.word, fault.message) for node, fault in found}


def test_told_once():
    """The message stands where the error began; the spans that it climbed to name that one."""
    spans = [
        span("task", None, "Tool failed: no"),
        span("turn", "task", "Tool failed: no"),
        span("late", "turn", "other", end=8),
        span("pay", "turn", "no", end=7),
        span("fine", "turn"),
    ]

    assert said(trace(), spans) == {
        "task": ("error (from pay)", ""),
        "turn": ("error (from pay)", ""),
        "late": ("error", "other"),
        "pay": ("error", "no"),
        "fine": None,
    }


def test_handled_is_no_origin():
    """An error that the run went on from is not taken for the one that came later."""
    spans = [
        span("agent", None, "too many turns"),
        span("turn", "agent"),
        span("lookup", "turn", "no such order", type="function"),
    ]

    assert said(trace(), spans) == {
        "agent": ("error", "too many turns"),
        "turn": None,
        "lookup": ("error", "no such order"),
    }


@pytest.mark.parametrize("text", [TRIPWIRE, "Output guardrail 'g' triggered its tripwire"])
def test_blocked(text):
    """In a blocked trace the guardrail tripped, and what it stopped is blocked, not failed."""
    spans = [
        span("task", None, "Guardrail 'g' ended the run"),
        span("turn", "task", text),
        span("g", "turn", type="guardrail"),
        span("other", "turn", type="guardrail"),
        span("call", "turn", status="cancelled"),
        span("earlier", "task"),
        span("lookup", "earlier", "no such order", type="function"),
    ]

    assert said(trace("blocked", "g"), spans) == {
        "task": ("blocked", ""),
        "turn": ("blocked", ""),
        "g": ("tripped", ""),
        "other": None,
        "call": ("cancelled", ""),
        "earlier": None,
        "lookup": ("error", "no such order"),
    }


def test_block_inside_tool():
    """A block that a tool's run met is one in a trace that went on, too."""
    spans = [
        span("tool", None, type="function"),
        span("task", "tool", "Guardrail 'g' ended the run"),
        span("turn", "task", TRIPWIRE),
    ]

    assert said(trace("ok"), spans) == {
        "tool": None,
        "task": ("blocked", ""),
        "turn": ("blocked", ""),
    }


def test_error_beside_block():
    """Where a block and an error both climbed to a span, it failed."""
    spans = [span("turn", None, "no"), span("a", "turn", TRIPWIRE), span("b", "turn", "no")]

    assert said(trace(), spans) == {
        "turn": ("error (from b)", ""),
        "a": ("blocked", ""),
        "b": ("error", "no"),
    }
