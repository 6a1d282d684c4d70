import json


def trace_ids(flightlog):
    """Ids of the store's traces by the first word of their name."""
    traces = json.loads(flightlog("list", "--json").stdout)
    return {trace["name"].split()[0]: trace["trace_id"] for trace in traces}


def test_tree(flightlog):
    """A trace is a tree with durations, and what went wrong in a line."""
    done = flightlog("show")
    lines = done.stdout.splitlines()

    assert done.returncode == 0
    assert lines[0] == "refund \\x1b]0;owned\\x07"
    assert lines[1].startswith("  ✖ error · ")
    assert lines[-1].startswith("custom pay")
    assert lines[-1].endswith("✖ error: card was declined")
    assert "\x1b" not in done.stdout


def test_prefix(flightlog):
    """The beginning of an id is enough, with or without what every id begins with, or its end."""
    trace_id = trace_ids(flightlog)["support"]

    for name in (trace_id[:-4], trace_id.removeprefix("trace_")[:-4], trace_id[-8:]):
        done = flightlog("show", name)
        assert done.stdout.startswith("support\n")
        assert "└─ function lookup" in done.stdout


def test_span_id(flightlog):
    """The id of a span shows the trace that it is in."""
    rows = flightlog("sql", "SELECT span_id FROM spans WHERE name = 'lookup'", "--format", "json")
    (row,) = json.loads(rows.stdout)

    assert flightlog("show", row["span_id"]).stdout.startswith("support\n")


def test_ambiguous(flightlog):
    """A beginning that several ids have is refused with some of them."""
    done = flightlog("show", "trace_")

    assert (done.returncode, done.stdout) == (1, "")
    assert "more than one trace" in done.stderr


def test_unknown(flightlog):
    """An id that is none is told with what to do, in one message."""
    done = flightlog("show", "nope")

    assert (done.returncode, done.stdout) == (1, "")
    assert "'nope'" in done.stderr
    assert "flightlog list" in done.stderr


def test_json(flightlog):
    """In JSON a trace comes with every payload."""
    done = flightlog("show", trace_ids(flightlog)["support"], "--format", "json")
    found = json.loads(done.stdout)

    assert found["trace"]["group_id"] == "chat"
    assert [span["name"] for span in found["spans"]] == ["triage", "lookup"]
    assert found["spans"][1]["output"] == "shipped"


def test_markdown(flightlog):
    """In Markdown a trace can be pasted: facts, tree, errors with their stack."""
    text = flightlog("show", "--format", "markdown").stdout

    assert text.startswith("# refund")
    assert "- cause: pay (custom): card was declined" in text
    assert "RuntimeError: card was declined" in text
    assert "\x1b" not in text
    assert text.count("```") % 2 == 0
