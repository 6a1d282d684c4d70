"""What a question can see is told by its text, and in doubt it is everything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pytest

from exporters.duckdb.sql.scope import Scope, scope_of


def scope(query: str, given: Sequence[Any] | Mapping[str, Any] = ()) -> Scope:
    """What a question can see."""
    with duckdb.connect() as con:
        (row,) = con.execute("select json_serialize_sql(?)", [query]).fetchall()
    return scope_of(json.loads(row[0]), given)


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("FROM spans WHERE trace_id = 'x'", ()),
        ("SELECT name FROM traces t WHERE t.trace_id = ? AND name = ? LIMIT 3", ["x", "n"]),
        ("SELECT name FROM generations WHERE name = $n AND $id = TRACE_ID", {"id": "x"}),
        ("SELECT input FROM main.tool_calls WHERE tool_calls.trace_id = 'x' ORDER BY 1", ()),
        ("FROM content('x', 's')", ()),
        ("FROM content(?, ?)", ["x", "s"]),
    ],
)
def test_one_trace(query: str, given: Any) -> None:
    """A plain question with the trace's id sees that trace only."""
    assert scope(query, given) == Scope(trace_id="x")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1", "SHOW TABLES", "FROM README", "FROM duckdb_columns()", "FROM range(3)",
        "FROM _prices", "DESCRIBE traces", "DESCRIBE SELECT * FROM spans WHERE trace_id = 'x'",
    ],
)  # fmt: skip
def test_no_rows(query: str) -> None:
    """What looks at no record sees none."""
    assert scope(query) == Scope(rows=False)


@pytest.mark.parametrize(
    "query",
    [
        "FROM spans",
        "FROM spans WHERE trace_id = 'x' OR true",
        "FROM spans WHERE NOT trace_id = 'x'",
        "FROM spans WHERE trace_id <> 'x'",
        "FROM spans WHERE trace_id = lower('x')",
        "FROM spans WHERE trace_id = ?",
        "FROM spans AS s(a, trace_id) WHERE trace_id = 'x'",
        "FROM spans TABLESAMPLE 3 ROWS WHERE trace_id = 'x'",
        "FROM spans WHERE data.trace_id = 'x'",
        "FROM spans WHERE trace_id = 'x' AND span_id IN (SELECT span_id FROM spans)",
        "SELECT (SELECT count(*) FROM spans) FROM traces WHERE trace_id = 'x'",
        "SELECT count(*) FILTER (trace_id = 'x') FROM spans",
        "WITH a AS (FROM spans) FROM traces WHERE trace_id = 'x'",
        "FROM spans WHERE trace_id = 'x' UNION ALL FROM spans",
        "FROM traces, spans WHERE traces.trace_id = 'x'",
        "FROM traces JOIN spans USING (trace_id) WHERE trace_id = 'x'",
        "FROM groups WHERE trace_ids[1] = 'x'",
        "FROM _records WHERE trace_id = 'x'",
        "FROM search('x')",
        "FROM content(trace := 'x', span := 's')",
        "SELECT 1 WHERE EXISTS (FROM spans)",
        "SUMMARIZE traces",
    ],
)
def test_everything(query: str) -> None:
    """Whatever else it is, it may see everything."""
    assert scope(query) == Scope()


def test_odd_parameters() -> None:
    """A parameter that is not there, or is no text, tells nothing."""
    for given in ([], [7], [None], {"id": "x"}, {"1": 7}):
        assert scope("FROM spans WHERE trace_id = ?", given) == Scope()
