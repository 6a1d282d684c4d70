"""A backlog that is not in memory reads right, copied or where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout
from exporters.duckdb.reading import reader as reading
from exporters.duckdb.reading.reader import Reader
from tracer import function_span, trace
from tracer.config import settings

SPANS = 3000


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A store with segments that nothing compacts, of which none goes into memory."""
    monkeypatch.setattr(reading, "TABLE_BYTES", 0)
    for number in range(SPANS // 10):
        with trace("work"):
            for step in range(10):
                with function_span("step", input=f"{number} {step} " + "x" * 8000):
                    pass
    return Layout.of(settings().store)


@pytest.mark.parametrize("spills", [True, False])
def test_backlog(backlog: Layout, tmp_path: Path, spills: bool) -> None:
    """Each span counts once, whether segments were copied or are read where they are."""
    spill = tmp_path / "spill"
    spill.mkdir()
    reader = Reader(backlog, memory_limit="512MB", spill=spill if spills else None)
    try:
        reader.refresh()
        assert bool(list(spill.iterdir())) == spills
        rows = reader.query("SELECT count(*), count(DISTINCT span_id) FROM spans")
    finally:
        reader.close()
    assert rows == [(SPANS, SPANS)]
