"""Views: content comes back as it was sent, costs add up, and what was said is found."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pins import pin
from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.recorder import Recorder
from exporters.duckdb.schema import LIST_SIZE
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.search import preview
from exporters.store import QueryError, TraceQuery
from tracer import DefaultTraceProvider, generation_span, trace
from tracer.setup import set_trace_provider

Rows = list[tuple[Any, ...]]
Both = Callable[[Layout, str], Rows]
MILLION = 1_000_000


@pytest.fixture
def both() -> Iterator[Both]:
    """Asks the catalog file and the reader, which have to agree."""
    readers: dict[Layout, Reader] = {}

    def ask(layout: Layout, query: str) -> Rows:
        assert ensure_catalog(layout)
        reader = readers.setdefault(layout, Reader(layout))
        reader.refresh()
        with duckdb.connect(str(layout.catalog)) as con:
            con.execute("SET TimeZone = 'UTC'")
            raw = con.execute(query).fetchall()
        exact = reader.query(query)
        assert sorted(map(repr, raw)) == sorted(map(repr, exact)), query
        return exact

    yield ask
    for reader in readers.values():
        reader.close()


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.one_of(
    TEXTS, st.integers(-9, 9), st.none(), st.booleans(),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
    st.lists(st.sampled_from(["0" * 32, "f" * 32]), min_size=LIST_SIZE, max_size=LIST_SIZE),
)  # fmt: skip
# Long lists are made of few values: it is their length, order and repetition that matters.
LISTS = st.builds(
    lambda some, picks: [some[pick % len(some)] for pick in picks],
    st.lists(VALUES, min_size=1, max_size=6),
    st.lists(st.integers(0, 5), max_size=3 * LIST_SIZE + 2),
)
CALLS = st.lists(st.tuples(LISTS, LISTS, st.none() | TEXTS), min_size=1, max_size=4)


@settings(
    max_examples=3, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(calls=CALLS)
def test_content(tmp_path: Path, both: Both, calls: list[tuple[Any, ...]]) -> None:
    """What was sent and answered comes back equal, in both readers, before and after compaction."""
    layout = Layout.of(tmp_path / "traces.duckdb")
    provider = DefaultTraceProvider([Recorder(Journal(layout.catalog, fallback=None))])
    set_trace_provider(provider)
    wanted = {}
    said: list[Any] = []
    with trace("loop") as opened:
        for sent, answered, instructions in calls:
            said = [*said, *sent]  # a loop sends again all that was said before
            with generation_span(input=said, output=answered, model="m") as span:
                span.span_data.instructions = instructions
            wanted[span.span_id] = (said, answered, instructions)
    provider.shutdown()
    mine = f"WHERE trace_id = '{opened.trace_id}'"

    for _ in range(2):
        query = f"SELECT span_id, input, output, instructions FROM generations {mine}"
        assert _loaded(both(layout, query)) == wanted
        query = f"SELECT span_id, direction, count(*) FROM messages {mine} GROUP BY ALL"
        assert {(key, way): count for key, way, count in both(layout, query)} == {
            (key, way): len(values)
            for key, (sent, answered, _) in wanted.items()
            for way, values in (("input", sent), ("output", answered))
            if values
        }
        compact(layout.catalog)
    last = next(reversed(wanted))
    query = f"FROM content('{opened.trace_id}', '{last}')"
    found = both(layout, f"SELECT span_id, input, output, instructions {query}")
    assert _loaded(found) == {last: wanted[last]}


def _loaded(rows: Rows) -> dict[str, tuple[Any, ...]]:
    return {
        key: tuple(None if value is None else json.loads(value) for value in row)
        for key, *row in rows
    }


def test_lost_content(spool: Any, rows: Any, both: Both) -> None:
    """Content whose items are gone shows as lost, not as empty and not as a part of it."""
    refs = {"refs": ["0" * 32]}
    lists = {"lists": ["1" * 32], "refs": []}
    row = rows.span("t", "s", type="generation", input=("here",))
    line = json.loads(spool.encode([row]).splitlines()[-1].decode())
    line |= {"input": {"refs": [*line["input"]["refs"], "0" * 32]}, "output": refs,
             "tools": lists, "instructions": {"ref": "2" * 32}}  # fmt: skip
    spool.append(spool.segment([row]), rows.encode([line | {"seq": 99, "owner": spool.owner()}]))

    lost = '{"flightlog.lost":"content not found"}'
    query = "SELECT input, output, tools, instructions FROM generations"
    assert both(spool.layout, query) == [(lost, lost, lost, lost)]


def test_heads(spool: Any, rows: Any, both: Both) -> None:
    """What a trace does not say of itself its calls say, in lists and views alike."""
    call = {"type": "response", "model": "m"}
    asked = ({"role": "user", "content": "first?"}, {"type": "reasoning"})
    first = rows.span("{}", "b", at=1, **call, input=asked, output=({"content": "first."},))
    last = rows.span("{}", "a", at=2, **call, input=("last?",), output=({"content": "last."},))
    still = rows.span("{}", "c", at=3, end=None, **call, input=("running?",))
    failed = rows.span("{}", "d", at=4, type="custom", status="error", error={"message": "m"})
    trees = {
        "silent": [rows.trace("{}"), last, first],
        "said": [rows.trace("{}", input="q", output=[]), last, first],
        "half": [rows.trace("{}", input={"content": "q"}), last, first],
        "empty": [rows.trace("{}", input="", output=""), last, first],
        "orphan": [first, last],
        "failed": [rows.trace("{}"), first, last, failed],
        "running": [rows.trace("{}", end=None), first, last],
        "late": [rows.trace("{}"), first, last, still],
        "mute": [rows.trace("{}"), rows.span("{}", "f", type="function", input="x", output="y")],
    }
    lines = [{**row, "trace_id": key} for key, tree in trees.items() for row in tree]
    segments = [spool.segment(lines[::2]), spool.segment(lines[1::2])]

    for _ in range(2):
        found = both(spool.layout, "SELECT trace_id, input, output FROM traces")
        with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
            listed = {
                row.trace_id: (row.input, row.output)
                for row in store.search(TraceQuery(limit=50)).traces
            }
        assert {key: (preview(a), preview(b)) for key, (a, b) in _loaded(found).items()} == listed
        assert listed["silent"] == listed["orphan"] == ("first?", "last.")
        assert listed["said"] == ("q", "")
        assert listed["half"] == ("q", "last.")
        assert listed["empty"] == ("", "")
        assert listed["failed"] == listed["running"] == listed["late"] == ("first?", None)
        assert listed["mute"] == (None, None)
        while segments:
            spool.die(segments.pop())
        compact(spool.layout.catalog)


def test_settings(spool: Any, rows: Any, both: Both) -> None:
    """A model call has its settings, its cost and the time to its first token."""
    row = rows.span("t", "s", type="response", model="gpt-4.1", input_tokens=MILLION,
                    output_tokens=0, data={"model_config": {"temperature": 0}})  # fmt: skip
    spool.segment([{**row, "first_token_ns": row["start_ns"] + 1_500_000}])

    query = "SELECT model_config, cost_usd, time_to_first_token_ms FROM generations"
    assert both(spool.layout, query) == [('{"temperature":0}', 2.0, 1.5)]
    assert both(spool.layout, "SELECT first_token_ns - start_ns FROM spans") == [(1_500_000,)]


def test_costs(spool: Any, rows: Any, both: Both) -> None:
    """Costs add up over traces, groups and models; what is not known is counted, not guessed."""
    known = {"type": "generation", "model": "gpt-4.1", "input_tokens": MILLION,
             "output_tokens": 0, "cached_tokens": 0}  # fmt: skip
    spool.segment([
        rows.trace("a", group_id="g"), rows.trace("b", group_id="g"), rows.trace("c"),
        rows.span("a", "1", **known), rows.span("a", "2", **known, end=9),
        rows.span("a", "3", **known, parent_id="2"),
        rows.span("a", "4", type="generation", model="gpt-4.1", status="error"),
        rows.span("b", "1", **{**known, "model": "who-knows"}),
        rows.span("b", "2", type="function"),
    ])  # fmt: skip

    traces = both(spool.layout, "SELECT trace_id, cost_usd, unpriced_calls FROM traces ORDER BY 1")
    assert traces == [("a", 4.0, 1), ("b", None, 1), ("c", None, 0)]
    groups = both(spool.layout, "SELECT cost_usd, unpriced_calls FROM groups")
    assert groups == [(4.0, 2)]
    query = """SELECT model, calls, errors, input_tokens, cached_tokens, output_tokens,
        reasoning_tokens, cost_usd, unpriced_calls, p50_ms, p95_ms, first_used_at < last_used_at
        FROM usage_by_model ORDER BY model"""
    assert both(spool.layout, query) == [
        ("gpt-4.1", 3, 1, 2 * MILLION, 0, 0, None, 4.0, 1, 5.0, pytest.approx(8.6), False),
        ("who-knows", 1, 0, MILLION, 0, 0, None, None, 1, 5.0, 5.0, False),
    ]


def test_large_error(spool: Any, rows: Any, both: Both) -> None:
    """An error over 64 KiB has its stack, and all else that was recorded of it."""
    error = {"message": "m" * 70_000, "data": {"type": "E", "stack": "at x", "causes": [1]}}
    short = {"$ref": "", "message": "m", "data": {"type": "E"}}
    names = []
    for row in (rows.span("t", "s", status="error"), rows.trace("t", status="error")):
        items, named = spool.encode([{**row, "error": error}]).splitlines()
        reference = json.loads(named)["error"]
        names.append(spool.segment([{**row, "error": {**short, **reference}}]))
        spool.append(names[-1], items + b"\n")

    query = "SELECT type, length(message), error_type, stack, causes FROM errors ORDER BY type"
    wanted = [("custom", 70_000, "E", "at x", "[1]"), ("trace", 70_000, "E", "at x", "[1]")]
    assert both(spool.layout, query) == wanted
    assert both(spool.layout, "SELECT DISTINCT length(message) > 0 FROM errors") == [(True,)]
    for name in names:
        spool.die(name)
    compact(spool.layout.catalog)
    assert both(spool.layout, query) == wanted


def test_deliveries(spool: Any, rows: Any, both: Both) -> None:
    """What exporters delivered and failed to is there, and is no loss."""
    row = {**rows.loss("", 3), "k": "delivery", "exporter": "otlp"}
    spool.segment([{**row, "status": "delivered", "reason": None},
                   {**row, "status": "failed", "reason": "refused"}])  # fmt: skip

    query = "SELECT exporter, state, items, reason FROM deliveries ORDER BY state"
    assert both(spool.layout, query) == [
        ("otlp", "delivered", 3, None), ("otlp", "failed", 3, "refused"),
    ]  # fmt: skip
    assert both(spool.layout, "FROM losses") == []


def test_pinned(spool: Any, rows: Any, both: Both) -> None:
    """A trace that is pinned says so."""
    spool.segment([rows.trace("a b/C%é"), rows.trace("other")])
    assert both(spool.layout, "SELECT count(*) FROM traces WHERE pinned") == [(0,)]

    pin(spool.layout, "a b/C%é")

    found = both(spool.layout, "SELECT trace_id FROM traces WHERE pinned")
    assert found == [("a b/C%é",)]


@pytest.fixture
def talk(spool: Any, rows: Any) -> Layout:
    """A store in which things were said in every place that a search looks into."""
    row = rows.span("t", "g", type="generation", input=({"content": "one needle"}, "hay"),
                    output=({"content": 'a "quoted" needle\n'},), instructions="be a needle",
                    tools=({"name": "needle_tool"},))  # fmt: skip
    spool.compact([spool.segment([
        row, rows.span("t", "h", type="generation", input=({"content": "one needle"},)),
        rows.trace("t", input="a needle?", output="Needle!"),
    ])])  # fmt: skip
    spool.segment([
        rows.span("u", "f", type="function", input='{"find":"needle"}', output="hay"),
        rows.span("u", "big", type="function", output="hay " * 20_000 + "needle"),
        rows.span("u", "e", status="error", error={"message": "no needle"}),
    ])  # fmt: skip
    layout: Layout = spool.layout
    return layout


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("needle", {("t", "g", "input"), ("t", "g", "output"), ("t", "g", "instructions"),
                    ("t", "g", "tools"), ("t", "h", "input"), ("t", None, "input"),
                    ("u", "f", "input"), ("u", "big", "output"), ("u", "e", "error")}),
        ("one needle", {("t", "g", "input"), ("t", "h", "input")}),
        ("Needle", {("t", None, "output")}),
        ('"quoted" needle', {("t", "g", "output")}),
        ("needle\n", {("t", "g", "output")}),
        ('"find":"needle"', {("u", "f", "input")}),
        ('"name":"needle', {("t", "g", "tools")}),
        ("value", set()), ("refs", set()), ("nowhere", set()),
    ],
)  # fmt: skip
def test_search(talk: Layout, both: Both, text: str, wanted: set[Any]) -> None:
    """A text is found in shared and in single content, large or small, with who named it."""
    quoted = text.replace("'", "''")

    found = both(talk, f"SELECT trace_id, span_id, field, excerpt FROM search('{quoted}')")

    assert {row[:3] for row in found} == wanted
    assert len(found) == len(wanted)
    assert all(text.strip('"\n')[-6:] in row[3] and len(row[3]) < 200 for row in found)


@pytest.mark.parametrize(
    ("within", "wanted"),
    [("input", 4), ("output", 2), ("tools", 1), ("instructions", 1), ("error", 1)],
)
def test_search_within(talk: Layout, both: Both, within: str, wanted: int) -> None:
    """A search may be kept to one field, whose finds are then all that it gives."""
    query = f"SELECT field FROM search('needle', within := '{within}')"

    assert both(talk, query) == [(within,)] * wanted


@pytest.mark.parametrize("within", ["outputt", "name", "INPUT", ""])
def test_search_within_nothing(spool: Any, rows: Any, within: str) -> None:
    """A field that there is not is refused with those that there are, even before any data."""
    query = f"FROM search('x', within := '{within}')"
    wanted = f"'{within}' is no field .* input, output, instructions, tools and error"
    with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
        for _ in range(2):
            assert ensure_catalog(spool.layout)
            with (
                duckdb.connect(str(spool.layout.catalog)) as con,
                pytest.raises(duckdb.InvalidInputException, match=wanted),
            ):
                con.execute(query).fetchall()
            with pytest.raises(QueryError, match=wanted):
                store.sql(query, timeout=60)
            spool.segment([rows.span("t", "s", type="function", output="x")])


def test_search_reads_little(talk: Layout) -> None:
    """A search within one field does not look at the others."""
    query = "EXPLAIN (FORMAT json) SELECT 1 FROM search('needle', within := '{}')"
    assert ensure_catalog(talk)
    with duckdb.connect(str(talk.catalog)) as con:
        ((_, inputs),) = con.execute(query.format("input")).fetchall()
        ((_, errors),) = con.execute(query.format("error")).fetchall()

    assert "contains(CAST(input" in inputs
    assert "contains(CAST(input" not in errors


def test_search_in_any_case(talk: Layout, both: Both) -> None:
    """Letters may be taken as equal whatever their case."""
    query = "SELECT count(*) FROM search('NEEDLE'{})"

    assert both(talk, query.format("")) == [(0,)]
    assert both(talk, query.format(", ignore_case := true")) == [(10,)]


def test_search_in_lists(both: Both, tmp_path: Any) -> None:
    """A message is found in every turn that sent it, though long lists name it by lists."""
    layout = Layout.of(tmp_path / "traces.duckdb")
    provider = DefaultTraceProvider([Recorder(Journal(layout.catalog, fallback=None))])
    set_trace_provider(provider)
    said = [{"content": f"message {number}."} for number in range(3 * LIST_SIZE)]
    with trace("t"):
        for length in (1, LIST_SIZE + 1, 3 * LIST_SIZE):
            with generation_span(input=said[:length], model="m"):
                pass
    provider.shutdown()

    for _ in range(2):
        for text, turns in ((said[0], 3), (said[LIST_SIZE - 1], 2), (said[LIST_SIZE + 1], 1)):
            query = f"SELECT field FROM search('{text['content']}')"
            assert both(layout, query) == [("input",)] * turns
        compact(layout.catalog)


def test_sums_of_costs(spool: Any, rows: Any, both: Both) -> None:
    """Costs have no digits that only the adding up of floats has made."""
    call = {"type": "generation", "model": "gpt-4.1", "output_tokens": 0, "cached_tokens": 0}
    spool.segment([
        rows.trace("a", group_id="g"),
        rows.span("a", "1", **call, input_tokens=50_000),
        rows.span("a", "2", **call, input_tokens=100_000),
    ])  # fmt: skip

    for view in ("traces", "groups", "usage_by_model"):
        assert str(both(spool.layout, f"SELECT cost_usd FROM {view}")) == "[(0.3,)]"
