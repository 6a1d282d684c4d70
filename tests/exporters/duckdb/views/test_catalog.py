"""The catalog file: made once, says what it is, and shows what the exact reader shows."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.duckdb.layout import Layout
from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.views.catalog import ensure_catalog, statements
from exporters.status import TRIPWIRE, SpanFacts, TraceFacts, judge
from exporters.store import TraceQuery

PRODUCT = ("traces", "spans", "generations", "tool_calls", "handoffs", "guardrails", "errors",
           "messages", "groups", "usage_by_model", "losses", "deliveries", "README")  # fmt: skip


@pytest.fixture
def catalog(spool: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalog file of a store, opened as any user would."""
    assert ensure_catalog(spool.layout)
    with duckdb.connect(str(spool.layout.catalog)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def test_not_before_data(tmp_path: Any) -> None:
    """Where nothing was recorded there is no catalog to make."""
    layout = Layout.of(tmp_path / "x" / "traces.duckdb")

    assert not ensure_catalog(layout)
    assert not layout.catalog.parent.exists()


def test_made_once(spool: Any) -> None:
    """Several that make it at once make one, and what is there is left alone."""
    made: list[bool] = []
    threads = [
        threading.Thread(target=lambda: made.append(ensure_catalog(spool.layout))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = spool.layout.catalog.stat()

    assert made == [True] * 4
    assert ensure_catalog(spool.layout)
    assert spool.layout.catalog.stat().st_mtime_ns == before.st_mtime_ns
    assert before.st_nlink == 1
    assert [path.name for path in spool.layout.tmp.iterdir()] == []


def test_comments(catalog: duckdb.DuckDBPyConnection) -> None:
    """Every view that users see says what it is, and so does every column."""
    views = dict(
        catalog.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal "
            "AND view_name NOT LIKE '\\_%' ESCAPE '\\'"
        ).fetchall()
    )
    silent = catalog.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal "
        "AND comment IS NULL AND table_name NOT LIKE '\\_%' ESCAPE '\\'"
    ).fetchall()

    assert set(views) == set(PRODUCT)
    assert all(views.values())
    assert silent == []


def test_readme(catalog: duckdb.DuckDBPyConnection) -> None:
    """The file says that it holds no data."""
    notes = [note for (note,) in catalog.execute("SELECT * FROM README").fetchall()]

    assert "not data" in notes[0]
    assert catalog.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_format(spool: Any, catalog: duckdb.DuckDBPyConnection) -> None:
    """It is in the storage format that DuckDB 1.0 reads."""
    tags = catalog.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'traces'"
    ).fetchall()

    assert "v1.0.0" in str(tags)


def test_old_readers() -> None:
    """Views say `case` and not `if`, which readers before 2.0 do not find in a file of 2.0."""
    for text in statements(raw=True):
        assert not re.search(r"(?i)\bif\s*\(", text), text


def test_elsewhere(spool: Any, rows: Any, catalog: duckdb.DuckDBPyConnection) -> None:
    """A folder that was moved is found again through a variable."""
    spool.segment([rows.trace("t")])
    moved = spool.layout.root.with_name("moved.d")
    spool.layout.root.rename(moved)
    with pytest.raises(duckdb.IOException):
        catalog.execute("FROM traces")

    catalog.execute(f"SET VARIABLE trace_root = '{moved}'")

    assert catalog.execute("SELECT trace_id FROM traces").fetchall() == [("t",)]
    moved.rename(spool.layout.root)


def test_readme_queries(spool: Any, rows: Any, catalog: duckdb.DuckDBPyConnection) -> None:
    """The queries of the README answer in the file as in the reader."""
    spool.segment([rows.trace("b", at=2), rows.trace("a", at=1), rows.span("a", "s", type="agent"),
                   rows.span("a", "f", type="function")])  # fmt: skip

    first = catalog.execute("SELECT name, status, span_count FROM traces ORDER BY started_at")
    assert first.fetchall() == [("a", "ok", 2), ("b", "ok", 0)]
    second = catalog.execute("SELECT type, count(*) FROM spans GROUP BY 1 ORDER BY 1")
    assert second.fetchall() == [("agent", 1), ("function", 1)]


def test_same_as_reader(spool: Any, rows: Any, catalog: duckdb.DuckDBPyConnection) -> None:
    """Every view gives the same rows in the file and in the reader, over parts and segments."""
    item = {"type": "message", "role": "user", "content": [{"text": "hi"}, {"text": "there"}]}
    spool.compact([spool.segment([
        rows.trace("t", end=None, group_id="g"), rows.span("t", "a", type="agent", end=None),
        rows.span("t", "g", type="generation", parent_id="a", input=(item, "x"), output=(),
                  model="gpt-4.1-2025-04-14", instructions="be kind", tools=({"name": "f"},),
                  input_tokens=3, output_tokens=2),
        rows.span("t", "g2", type="response", parent_id="g", input=(item,), input_tokens=3),
        rows.span("t", "f", type="function", parent_id="a", input="{}", output="y" * 70_000),
    ])])  # fmt: skip
    spool.segment([
        rows.span("t", "a", type="agent", end=9, attributes={"k": "v"}),
        rows.trace("t", group_id="g", input="q", output=["w"], metadata={"m": 1}),
        rows.span("u", "h", type="handoff", data={"from_agent": "a", "to_agent": "b"}),
        rows.span("u", "r", type="guardrail", data={"triggered": True}, output={"why": 1}),
        rows.span("u", "e", status="error",
                  error={"message": "m", "data": {"type": "E", "stack": "s"}}),
        rows.loss("full", 2, "u"),
        {**rows.loss("refused", 3), "k": "delivery", "status": "failed"},
    ])  # fmt: skip
    reader = Reader(spool.layout)
    reader.refresh()

    for view in PRODUCT[:-1]:
        raw = catalog.execute(f"FROM {view}").fetchall()
        assert sorted(map(repr, raw)) == sorted(map(repr, reader.query(f"FROM {view}"))), view
        assert raw
    content = "SELECT * FROM content('t', 'g')"
    assert catalog.execute(content).fetchall() == reader.query(content)
    assert reader.query("SELECT input_tokens FROM traces WHERE trace_id = 't'") == [(3,)]
    assert reader.query("SELECT input, output FROM generations WHERE span_id = 'g'") == [
        ('[{"type":"message","role":"user","content":[{"text":"hi"},{"text":"there"}]},"x"]', "[]")
    ]
    text = "SELECT text FROM messages WHERE span_id = 'g2'"
    assert reader.query(text) == [("hi\nthere",)]
    reader.close()


def test_activation(spool: Any, rows: Any, catalog: duckdb.DuckDBPyConnection) -> None:
    """A part that is not active yet hides nothing and shows nothing; rows are there once."""
    name = spool.segment([rows.trace("t"), rows.span("t", "a")])
    spool.compact([name], act_ms=4_000_000_000_000)

    assert catalog.execute("SELECT source FROM spans").fetchall() == [(name,)]


IDS = [f"s{n}" for n in range(7)]
MESSAGES = st.sampled_from(["boom", "", TRIPWIRE, f"{TRIPWIRE}: x", None])
KINDS = st.sampled_from([None, "ValueError", "agents.InputGuardrailTripwireTriggered"])
ERRORS = st.one_of(
    st.none(),
    st.builds(lambda m, k: {"message": m, "data": {"type": k} if k else None}, MESSAGES, KINDS),
)
SPANS = st.fixed_dictionaries({
    "parent_id": st.sampled_from([None, "missing", *IDS]),
    "type": st.sampled_from(["agent", "function", "mcp_tools", "guardrail", "custom", "response"]),
    "status": st.sampled_from(["ok", "error", "error", "cancelled", "running"]),
    "end": st.integers(1, 4),
    "error": ERRORS,
    "triggered": st.booleans(),
})  # fmt: skip
TRACES = st.fixed_dictionaries({
    "status": st.sampled_from(["ok", "error", "cancelled", "running", None]),
    "error": ERRORS,
    "spans": st.lists(SPANS, max_size=len(IDS)),
})  # fmt: skip


def _rows_of(rows: Any, key: str, tree: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    if tree["status"] is not None:
        end = None if tree["status"] == "running" else 10
        found.append(rows.trace(key, end=end, status=tree["status"], error=tree["error"]))
    for span_id, span in zip(IDS, tree["spans"], strict=False):
        fields = {name: span[name] for name in ("parent_id", "type", "status", "error")}
        end = None if span["status"] == "running" else span["end"]
        data = {"triggered": span["triggered"]}
        found.append(rows.span(key, span_id, end=end, data=data, **fields))
    return found


def _verdict(tree: dict[str, Any], *, alive: bool) -> tuple[Any, ...]:
    facts = []
    for span_id, span in zip(IDS, tree["spans"], strict=False):
        error = span["error"] or {}
        running = span["status"] == "running"
        facts.append(
            SpanFacts(
                span_id=span_id, parent_id=span["parent_id"], name=span_id, type=span["type"],
                status=span["status"], end_ns=None if running else span["end"],
                message=error.get("message"), error_type=(error.get("data") or {}).get("type"),
                triggered=span["triggered"] and span["type"] == "guardrail",
            )
        )  # fmt: skip
    error = (tree["error"] or {}) if tree["status"] is not None else {}
    ended = tree["status"] != "running"
    if tree["status"] is None:
        ended = all(fact.end_ns is not None for fact in facts)
    found = judge(
        TraceFacts(
            ended=ended, alive=alive, status=tree["status"] or "ok",
            message=error.get("message"), error_type=(error.get("data") or {}).get("type"),
        ),
        facts,
    )  # fmt: skip
    cause = found.first_cause
    return (
        found.status, found.error_count, found.handled_errors,
        cause and cause.span_id, cause and cause.name, cause and cause.type,
        cause and cause.message,
    )  # fmt: skip


@pytest.fixture
def judging(spool: Any) -> Iterator[tuple[Any, DuckDBStore, Iterator[int]]]:
    """A store, what writes into it, and numbers for one example after the other."""
    store = DuckDBStore(spool.layout.catalog)
    yield spool, store, itertools.count(10)
    store.close()


@settings(
    max_examples=30, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(trees=st.lists(TRACES, min_size=1, max_size=25))
def test_status(judging: Any, rows: Any, trees: list[dict[str, Any]]) -> None:
    """The SQL view and the store give the verdict of `status.judge`, alive and dead."""
    spool, store, numbers = judging
    example = next(numbers)
    known = {f"t{example}-{n}": tree for n, tree in enumerate(trees)}
    known = {key: tree for key, tree in known.items() if tree["spans"] or tree["status"]}
    lines = [row for key, tree in known.items() for row in _rows_of(rows, key, tree)]
    segment = spool.segment(lines, owner=example)
    columns = ("trace_id, status, error_count, handled_errors, first_cause_span_id, "
               "first_cause_name, first_cause_type, first_cause_message")  # fmt: skip
    for alive in (True, False):
        wanted = {key: _verdict(tree, alive=alive) for key, tree in known.items()}
        asked = f"SELECT {columns} FROM traces WHERE starts_with(trace_id, 't{example}-')"
        said = {row[0]: row[1:] for row in store.sql(asked, timeout=60).rows}
        page = store.search(TraceQuery(limit=50))
        found = {row.trace_id: row for row in page.traces if row.trace_id in known}

        assert said == wanted
        assert {
            key: (row.status, row.error_count, row.handled_errors,
                  row.first_cause and row.first_cause.span_id)
            for key, row in found.items()
        } == {key: verdict[:4] for key, verdict in wanted.items()}  # fmt: skip
        if alive:
            spool.die(segment)
    (spool.layout.hot / segment).unlink()


def test_types(catalog: duckdb.DuckDBPyConnection) -> None:
    """Times have a zone, durations are milliseconds as numbers, and what is JSON is typed so."""
    columns = catalog.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "AND table_name NOT LIKE '\\_%' ESCAPE '\\'"
    ).fetchall()
    structures = {"input", "output", "instructions", "tools", "data", "metadata", "error", "item",
                  "usage", "model_config", "causes", "mcp_data"}  # fmt: skip

    for view, column, kind in columns:
        if column == "at" or column.endswith("_at"):
            assert kind == "TIMESTAMP WITH TIME ZONE", (view, column)
        if column.endswith(("_ms", "_usd")):
            assert kind == "DOUBLE", (view, column)
        if column in structures:
            assert kind == "JSON", (view, column)


def test_documented(catalog: duckdb.DuckDBPyConnection) -> None:
    """The cookbook has a table with every view and its columns, in order."""
    text = (Path(__file__).parents[4] / "docs" / "sql.md").read_text(encoding="utf-8")
    table = {
        name: re.findall(r"`(\w+)`", columns)
        for name, columns in re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    }
    found: dict[str, list[str]] = {}
    for view, column in catalog.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal "
        "AND table_name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY table_name, column_index"
    ).fetchall():
        found.setdefault(view, []).append(column)

    assert table == {view: columns for view, columns in found.items() if view != "README"}
