"""A backlog that is not in memory reads right, copied or where it is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout, scan
from exporters.duckdb.reading import reader as reading
from exporters.duckdb.reading.reader import Reader
from tracer import function_span, trace
from tracer.config import settings

SPANS = 3000


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A store with segments that nothing compacts, of which none goes into memory."""
    monkeypatch.setattr(reading, "TABLE_BYTES", 0)
    record(SPANS, 8000)
    return Layout.of(settings().store)


def record(spans: int, size: int) -> None:
    """Record spans with inputs of some size."""
    for number in range(spans // 10):
        with trace("work"):
            for step in range(10):
                with function_span("step", input=f"{number} {step} " + "x" * size):
                    pass


@pytest.fixture
def spill(tmp_path: Path) -> Path:
    """A folder for copies."""
    path = tmp_path / "spill"
    path.mkdir()
    return path


@pytest.mark.parametrize("spills", [True, False])
def test_backlog(backlog: Layout, spill: Path, spills: bool) -> None:
    """Each span counts once, whether segments were copied or are read where they are."""
    query = "SELECT count(*), count(DISTINCT span_id) FROM spans"
    with closing(Reader(backlog, memory_limit="512MB", spill=spill if spills else None)) as reader:
        reader.refresh()
        assert (list(spill.iterdir()), reader.has_backlog) == ([], spills)
        assert reader.query(query) == [(SPANS, SPANS)]
        reader.gather()
        assert bool(list(spill.iterdir())) == spills
        assert not reader.has_backlog
        assert reader.query(query) == [(SPANS, SPANS)]


def test_one_trace(backlog: Layout, spill: Path) -> None:
    """For one trace only the segments that have something of it are copied, and all is seen later.

    Copies that are there already stay, and what is said of other traces is not asked for.
    """
    segments = sum(backlog.segment(name).stat().st_size > 0 for name in scan(backlog).segments)
    assert segments > 2
    with closing(Reader(backlog, memory_limit="512MB", spill=spill)) as reader:
        reader.refresh()
        ((first,), (last,)) = reader.query(
            "(SELECT trace_id FROM spans ORDER BY start_ns LIMIT 1) UNION ALL "
            "(SELECT trace_id FROM spans ORDER BY start_ns DESC LIMIT 1)"
        )
        for trace_id, copied in ((first, {1, 2}), (last, {2, 3, 4})):
            reader.gather(trace_id)
            assert len(list(spill.iterdir())) in copied
            query = "SELECT span_count, status FROM traces WHERE trace_id = ?"
            assert reader.query(query, [trace_id]) == [(10, "ok")]
            query = "SELECT count(*) FROM tool_calls WHERE trace_id = ? AND length(input) > 8000"
            assert reader.query(query, [trace_id]) == [(10,)]
        reader.gather("trace_unknown")
        assert reader.query("SELECT count(*) FROM spans WHERE trace_id = 'trace_unknown'") == [(0,)]
        reader.refresh()
        reader.gather()
        assert len(list(spill.iterdir())) == segments
        assert reader.query("SELECT count(*) FROM spans") == [(SPANS,)]


def test_little_memory(spill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog is asked in whole that is larger than the memory that may be used for it."""
    monkeypatch.setattr(reading, "TABLE_BYTES", 0)
    record(8 * SPANS, 8000)
    backlog = Layout.of(settings().store)
    size = sum(backlog.segment(name).stat().st_size for name in scan(backlog).segments)
    limit = 190_000_000
    assert size > limit
    with closing(Reader(backlog, memory_limit=f"{limit}B", spill=spill)) as reader:
        reader.refresh()
        reader.gather()
        query = "SELECT count(*), count(DISTINCT span_id), count(ended_at) FROM spans"
        assert reader.query(query) == [(8 * SPANS,) * 3]
        query = "SELECT count(*) FROM traces WHERE status = 'ok'"
        assert reader.query(query) == [(8 * SPANS // 10,)]


def test_grown(backlog: Layout, spill: Path) -> None:
    """A segment that has grown since it was copied is copied again, or read where it is."""
    with closing(Reader(backlog, memory_limit="512MB", spill=spill)) as reader:
        reader.refresh()
        reader.gather()
        with trace("more"), function_span("step"):
            pass
        for gathers in (False, True):
            reader.refresh()
            if gathers:
                reader.gather()
            assert reader.query("SELECT count(*) FROM spans") == [(SPANS + 1,)]
            assert reader.has_backlog != gathers
