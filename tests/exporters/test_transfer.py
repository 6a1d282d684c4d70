"""Traces are taken along from Python as from the command line."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import exporters
from exporters import export_traces, import_traces, open_store, sql
from exporters.store import StoreError, TraceQuery
from tracer import function_span, trace


@pytest.fixture
def ids() -> list[str]:
    """Ids of two traces that were recorded."""
    found = []
    for name in ("first", "second"):
        with trace(name) as opened, function_span("step", input="in", output=name):
            found.append(opened.trace_id)
    return found


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.json", "t.duckdb"])
def test_round(ids: list[str], tmp_path: Path, name: str) -> None:
    """What is exported can be imported elsewhere, and a second time changes nothing."""
    file, store = tmp_path / name, tmp_path / "other.duckdb"

    exported = export_traces(file)
    first = import_traces(file, store=store)
    second = import_traces([str(file)], store=str(store))

    assert (exported.traces, exported.spans) == (2, 2)
    assert (first.new_traces, first.new_spans, first.bad_count) == (2, 2, 0)
    assert (second.new_traces, second.known_spans, second.parts) == (0, 2, [])
    query = "SELECT trace_name, input, output FROM tool_calls ORDER BY trace_name"
    assert list(sql(query, store=store)) == list(sql(query))


@pytest.mark.parametrize("name", ["t.jsonl", "t.duckdb"])
def test_chosen(ids: list[str], tmp_path: Path, name: str) -> None:
    """Traces are chosen by ids, or by a query."""
    for number, chosen in enumerate((ids[:1], ids[0], TraceQuery(name="first", limit=1))):
        file, store = tmp_path / f"{number}{name}", tmp_path / f"{number}.store.duckdb"
        assert export_traces(file, traces=chosen).traces == 1
        import_traces(file, store=store)
        opened = open_store(store)
        assert [row.trace_id for row in opened.search(TraceQuery()).traces] == ids[:1]
        opened.close()


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("t.txt", {}, "format="),
        ("there.jsonl", {}, "is there already"),
        ("t.jsonl", {"traces": []}, "No trace"),
        ("t.jsonl", {"traces": TraceQuery(name="nobody")}, "No trace"),
        ("none/t.jsonl", {}, "could not be written"),
    ],
)
def test_refused(
    ids: list[str], tmp_path: Path, name: str, options: dict[str, Any], told: str
) -> None:
    """What cannot be exported is told of."""
    (tmp_path / "there.jsonl").write_text("mine")
    with pytest.raises(StoreError, match=told):
        export_traces(tmp_path / name, **options)
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["there.jsonl"]


def test_bad(ids: list[str], tmp_path: Path) -> None:
    """A file that cannot be read whole leaves nothing behind, unless the rest is asked for."""
    file, store = tmp_path / "t.jsonl", tmp_path / "new" / "other.duckdb"
    export_traces(file)
    with file.open("a") as more:
        more.write("rubbish\n")

    with pytest.raises(StoreError, match="line 5"):
        import_traces(file, store=store)
    assert not store.parent.exists()
    assert import_traces(file, store=store, skip_bad=True).new_traces == 2


def test_names() -> None:
    """Every public name is there, and the folder of exporters says so."""
    for name in exporters.__all__:
        assert getattr(exporters, name) is not None
        assert name in dir(exporters)
    assert importlib.import_module("exporters.transfer").export_traces is export_traces
