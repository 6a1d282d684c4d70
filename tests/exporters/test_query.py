"""Questions in SQL from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import exporters
from exporters import Rows, open_store, sql
from exporters.store import Column, QueryError, SqlResult, StoreError, TraceStore
from tracer import custom_span, trace
from tracer.setup import get_trace_provider


def rows_of(*rows: tuple[Any, ...], truncated: bool = False) -> Rows:
    """Rows with the columns n and s."""
    columns = [Column(name="n", type="BIGINT"), Column(name="s", type="VARCHAR")]
    return Rows(SqlResult(columns=columns, rows=rows, truncated=truncated, elapsed_ms=1.0))


def test_default_store(tmp_path: Path) -> None:
    """What is recorded without any setting up is found without any."""
    with trace("work"), custom_span("step"):
        pass
    get_trace_provider().shutdown()

    found = sql("SELECT name, status, span_count FROM traces ORDER BY started_at")

    assert found == [("work", "ok", 1)]
    assert (tmp_path / "traces.duckdb").is_file()


def test_nothing_yet(tmp_path: Path) -> None:
    """Where nothing was recorded there are no rows, and nothing is made."""
    path = tmp_path / "none.duckdb"

    assert sql("SELECT * FROM spans", store=path) == []
    assert list(tmp_path.iterdir()) == []


def test_store(tmp_path: Path) -> None:
    """A store may be given open, and stays open."""
    store = open_store(tmp_path / "none.duckdb")

    assert isinstance(store, TraceStore)
    assert sql("SELECT ?", [1], store=store) == [(1,)]
    assert sql("SELECT $a", {"a": 2}, store=store, limit=1) == [(2,)]
    store.close()
    with pytest.raises(StoreError, match="closed"):
        sql("SELECT 1", store=store)


def test_errors(tmp_path: Path) -> None:
    """What is wrong with the query or the store is said in an error of ours."""
    with pytest.raises(QueryError, match="COPY"):
        sql("COPY (SELECT 1) TO 'x'", store=tmp_path / "none.duckdb")
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)


def test_rows() -> None:
    """Rows are a sequence of tuples, and of dicts on request."""
    rows = rows_of((1, "a"), (2, None))

    assert (len(rows), rows[1], list(rows)) == (2, (2, None), [(1, "a"), (2, None)])
    assert rows.to_dicts() == [{"n": 1, "s": "a"}, {"n": 2, "s": None}]
    assert rows == rows_of((1, "a"), (2, None))
    assert rows != rows_of((1, "a"))


def test_table() -> None:
    """Rows show themselves as a table: numbers to the right, long values cut, the rest counted."""
    shown = repr(rows_of((1, "a"), (20, "x" * 100), truncated=True)).splitlines()

    assert [line[:6] for line in shown[:4]] == [" n  s", "──  ──", " 1  a", "20  xx"]
    assert shown[3].endswith("…")
    assert shown[4] == "(2 rows, and there are more: pass limit=)"
    assert len(repr(rows_of(*[(n, "") for n in range(100)])).splitlines()) == 43
    assert repr(rows_of()).endswith("(0 rows)")


def test_html() -> None:
    """In a notebook values are text, whatever they hold."""
    shown = rows_of((1, "<script>"))._repr_html_()

    assert "<td>&lt;script&gt;</td>" in shown


def test_lazy() -> None:
    """Recording loads no DuckDB: the names of the package load it when they are used."""
    code = (
        "import sys, exporters, exporters.duckdb\n"
        "exporters.duckdb.recorder\n"
        "assert 'duckdb' not in sys.modules\n"
        "exporters.sql\n"
        "assert 'duckdb' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_names() -> None:
    """The package has the names it promises, and no others."""
    assert set(exporters.__all__) <= set(dir(exporters))
    with pytest.raises(AttributeError, match="nope"):
        _ = exporters.nope
