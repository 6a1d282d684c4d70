"""A store whose FORMAT is damaged is read, recorded to and compacted like any other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout, list_parts, read_format
from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact

TORN = b'{"format":1,"sche'


def span(name: str) -> Line:
    """A span that ended."""
    known = {"k": "span", "v": 2, "rev": 1, "trace_id": "t", "name": name}
    return Line({**known, "span_id": name, "start_ns": 1, "end_ns": 2}, {})


def recorded(store: Path, journal: Callable[..., Journal]) -> Layout:
    """A store with a trace, whose FORMAT was torn."""
    one = journal()
    one.append(Line({**span("t").fields, "k": "trace", "span_id": None}, {}))
    one.append(span("first"))
    one.close()
    layout = Layout.of(store)
    layout.format_file.write_bytes(TORN)
    return layout


def test_read(store: Path, journal: Callable[..., Journal]) -> None:
    """It is read, by the viewer's questions and in SQL, and nothing has to be written for it."""
    layout = recorded(store, journal)

    with contextlib.closing(DuckDBStore(store)) as opened:
        assert [row.name for row in opened.spans("t")] == ["first"]
        assert opened.sql("SELECT name FROM spans").rows == [("first",)]
    assert layout.format_file.read_bytes() == TORN


def test_compacted(store: Path, journal: Callable[..., Journal]) -> None:
    """Compaction writes FORMAT anew, and compacts."""
    layout = recorded(store, journal)

    compact(store)

    assert len(list_parts(layout)) == 1
    found = read_format(layout)
    assert found is not None
    assert not found.damaged
    assert (layout.quarantine / "FORMAT").read_bytes() == TORN


def test_recorded(
    store: Path,
    tmp_path: Path,
    journal: Callable[..., Journal],
    read: Callable[[Path], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A recorder goes on in the store itself, and says once what it did."""
    layout = recorded(store, journal)
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        one = journal(fallback=tmp_path / "fallback.duckdb")
        one.append(span("second"))
        one.close()

    assert {key[2] for key in read(store).ended} >= {"first", "second"}
    assert not (tmp_path / "fallback.duckdb.d").exists()
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{str(layout.format_file)!r} was damaged" in message
