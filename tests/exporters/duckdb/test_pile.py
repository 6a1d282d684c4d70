"""What piles up is compacted by a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from exporters.duckdb.journal import Journal
from exporters.duckdb.layout import Layout, SegmentName, list_parts
from exporters.duckdb.lines import Line
from exporters.duckdb.pile import has_piled_up, start_helper


def test_piled_up(store: Path, journal: Callable[..., Journal], until: Any) -> None:
    """Many files, and no compaction lately, start a process that compacts; few do not."""
    layout = Layout.of(store)
    one = journal()
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}
    one.append(Line({**fields, "start_ns": 1, "end_ns": 2}, {}))
    one.close()
    os.utime(layout.lock, (0, 0))
    layout.catalog.touch()
    assert not start_helper(layout)
    for number in range(41):
        layout.segment(SegmentName(1_700_000_000_000 + number, "vm", 7, "beef")).touch()

    assert start_helper(layout)
    until(lambda: list_parts(layout) and layout.lock.stat().st_mtime > 0)
    assert not has_piled_up(layout)


def test_no_store(store: Path) -> None:
    """Where there is no store nothing has piled up."""
    assert not start_helper(Layout.of(store))


def test_missing_catalog(store: Path, journal: Callable[..., Journal], until: Any) -> None:
    """A store that nobody has read yet gets its catalog, for whoever opens it with other tools."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s"}, {}))
    one.close()

    assert start_helper(layout)
    until(layout.catalog.exists)
    with duckdb.connect(str(layout.catalog), read_only=True) as database:
        assert database.execute("select span_id from spans").fetchall() == [("s",)]
