from dataclasses import replace

from exporters.store import FirstCause, LastSign, SpanRow, TraceRow
from viewer.cli.outline import branches, facts, interruption, spending, tree
from viewer.cli.terminal import Terminal, width_of
from viewer.tree import pre_order

MS = 1_000_000
PLAIN = Terminal(None, colour=False)


def span(span_id, parent_id=None, *, start=0, took=10, **changes):
    """A span of a few milliseconds."""
    values = {"name": span_id, "type": "custom", "status": "ok"} | changes
    return SpanRow(
        span_id=span_id,
        parent_id=parent_id,
        start_ns=start * MS,
        end_ns=None if took is None else (start + took) * MS,
        **values,
    )


SPANS = [
    span("triage", type="agent", took=900),
    span("turn", "triage", start=1, type="turn", took=800),
    span("resp", "turn", start=2, type="response", name="response", model="gpt-5",
         input_tokens=1200, output_tokens=30, took=500,
         cost_usd=0.0018),
    span("lookup", "turn", start=600, type="function", status="error",
         error="no such order\nsecond line", took=50),
    span("done", "triage", start=850, status="running", took=None),
]  # fmt: skip

ROW = TraceRow(
    trace_id="trace_1",
    name="support\x1b]0;owned\x07",
    status="error",
    start_ns=0,
    end_ns=900 * MS,
    duration_ms=900.0,
    span_count=5,
    error_count=1,
    handled_errors=2,
    group_id="chat",
    first_cause=FirstCause(span_id="l", name="lookup", type="function", message="no\nmore"),
    incomplete=True,
    input_tokens=5,
    output_tokens=6,
    models=("gpt-5",),
)


def test_branches():
    """A line a span: where it hangs, how long it took, its tokens, its cost, what went wrong."""
    assert branches(ROW, pre_order(SPANS), PLAIN) == [
        "agent triage                  900 ms",
        "├─ turn                       800 ms",
        "│  ├─ response gpt-5          500 ms  1.2k→30  $0.0018",
        "│  └─ function lookup          50 ms  ✖ error: no such order",
        "└─ custom done                     -  ▶ running",
    ]


def test_fits():
    """No line is wider than the terminal, however deep the tree."""
    deep = [span(f"s{i}", f"s{i - 1}" if i else None, start=i) for i in range(60)]

    for width in (20, 40, 80):
        lines = branches(ROW, pre_order(deep + SPANS), Terminal(width, colour=False))
        assert all(width_of(line) <= width for line in lines)


def test_facts():
    """The trace is told first, with the cause where there is one, and nothing drives a terminal."""
    text = "\n".join(tree(ROW, [], PLAIN))

    assert "support\\x1b]0;owned\\x07" in text
    assert "✖ error · 900 ms · 5 spans · 1 error · 2 errors handled · 5→6 tokens · gpt-5" in text
    assert "trace_1 · group chat" in text
    assert "cause: lookup (function): no\n" in text
    assert "incomplete" in text


def test_spending():
    """A cost is told with what it leaves out; of calls without any there is nothing to tell."""
    assert spending(replace(ROW, cost_usd=0.25)) == "$0.250"
    assert spending(replace(ROW, cost_usd=0.25, unpriced_calls=2)) == (
        "$0.250+ (cost of 2 calls unknown)"
    )
    assert spending(replace(ROW, unpriced_calls=2)) == ""
    assert " · $0.250 · gpt-5" in "\n".join(facts(replace(ROW, cost_usd=0.25)))


def test_interruption():
    """Of an interrupted trace the likely cause is told, with who recorded it and the last sign."""
    cut = replace(ROW, status="interrupted", last_sign=LastSign(at_ns=0, host="box", pid=7))

    told = "\n".join(facts(cut))
    assert "\n  interrupted: process 7 on box ended without ending it\n  last sign: 19" in told
    assert interruption(LastSign(at_ns=0)) == "the process ended without ending it"


def test_fault_on_its_line():
    """What is said of a span stands behind its tokens, a name that drives terminals written out."""
    spans = [
        span("turn", status="error", error="Tool failed: no"),
        span("pay", "turn", start=1, status="error", error="no\nmore", name="p\x1b[2Jay"),
    ]

    assert branches(ROW, pre_order(spans), PLAIN) == [
        "custom turn                    10 ms  ✖ error (from p\\x1b[2Jay)",
        "└─ custom p\\x1b[2Jay           10 ms  ✖ error: no",
    ]
