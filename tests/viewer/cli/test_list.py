import json

import pytest

from exporters.store import TraceQuery, TraceRow
from viewer.cli.list import parse, table
from viewer.cli.terminal import Terminal
from viewer.cli.usage import UsageError


def row(trace_id, **changes):
    """A trace that took a second."""
    values = {"name": trace_id, "status": "ok", "start_ns": 0, "end_ns": 10**9, "span_count": 1}
    counts = {"duration_ms": 1000.0, "error_count": 0, "handled_errors": 0}
    return TraceRow(trace_id=trace_id, **values | counts | changes)


def test_cost():
    """Costs have a column where any is known; an unknown one is empty, and never 0."""
    traces = [row("a", cost_usd=0.1 + 0.2), row("b"), row("c", cost_usd=0.5, unpriced_calls=1)]

    header, *rows = table(traces, Terminal(None, colour=False), now_ns=0)
    at = header.index("COST") + len("COST")

    assert [line[:at].split()[-1] for line in rows] == ["$0.300", "-", "$0.500+"]
    assert "COST" not in table(traces[1:2], Terminal(None, colour=False), now_ns=0)[0]


def test_table(flightlog):
    """A line a trace, newest first, with the cause of what failed."""
    done = flightlog("list")
    header, *rows = done.stdout.splitlines()

    assert done.returncode == 0
    assert header.split() == [
        "STATUS",
        "NAME",
        "DURATION",
        "SPANS",
        "TOKENS",
        "STARTED",
        "TRACE",
        "CAUSE",
    ]
    assert [row.split()[1] for row in rows] == ["error", "ok", "ok"]
    assert "pay: card was declined by the bank" in rows[0]
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json(flightlog):
    """With --json all that is known comes as one array."""
    done = flightlog("list", "--json", "--limit", "2")
    traces = json.loads(done.stdout)

    assert [trace["status"] for trace in traces] == ["error", "ok"]
    assert traces[0]["name"] == "refund \x1b]0;owned\x07"
    assert "\x1b" not in done.stdout


def test_more(flightlog):
    """Where a limit hides traces, one is told so, beside the result."""
    done = flightlog("list", "-n", "1")

    assert len(done.stdout.splitlines()) == 2
    assert "there are more" in done.stderr


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["status:ok,error", "group:chat"], ["support"]),
        (["SUPP"], ["support"]),
        (["nothing"], []),
    ],
)
def test_filter(flightlog, words, names):
    """Words of a filter narrow the list together."""
    done = flightlog("list", "--json", *words)

    assert [trace["name"] for trace in json.loads(done.stdout)] == names
    assert done.returncode == 0


def test_no_match(flightlog):
    """No match is no failure; what to do is told beside the result."""
    done = flightlog("list", "name:nobody")

    assert (done.returncode, done.stdout) == (0, "")
    assert "No trace matches" in done.stderr


def test_nothing_recorded(flightlog, tmp_path):
    """A store that was never recorded into is empty, and one is told where it would be."""
    done = flightlog("list", home=tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    assert str(tmp_path / "traces.duckdb") in done.stderr
    assert "flightlog demo" in done.stderr


def test_parse():
    """Words with a known key are exact, others are text to look for."""
    query = parse(["status:ok", "a", "status:error,ok", "b:c", "group:g", "name:"], limit=5)

    assert query == TraceQuery(status=("ok", "error"), text="a b:c name:", group_id="g", limit=5)


@pytest.mark.parametrize("word", ["status:", "status:eror", "status:ok,"])
def test_wrong_status(word):
    """A status that is none is refused with those that are."""
    with pytest.raises(UsageError, match="running, ok, error"):
        parse([word], limit=1)
