"""The exact reader over a folder that others change while it looks."""

from __future__ import annotations

from typing import Any

import pytest

from exporters.duckdb import layout as folder
from exporters.duckdb.reading.reader import Reader

COUNT = "SELECT count(*), count(DISTINCT trace_id) FROM spans"


@pytest.fixture
def reader(spool: Any) -> Any:
    """A reader of what `spool` writes."""
    reader = Reader(spool.layout)
    yield reader
    reader.close()


def test_replaced_again(spool: Any, rows: Any, reader: Reader, monkeypatch: Any) -> None:
    """Parts may be replaced between listing and reading any number of times."""
    name = spool.segment([rows.span("t", "a")])
    parts = [spool.compact([name])]
    bring = reader._bring

    def late(*given: Any) -> None:
        if len(parts) < 10:
            parts.append(spool.compact([name]))
            spool.forget(parts[-2])
        bring(*given)

    monkeypatch.setattr(reader, "_bring", late)
    reader.refresh()

    assert len(parts) == 10
    assert reader.query(COUNT) == [(1, 1)]


def test_failed_look(spool: Any, rows: Any, reader: Reader, monkeypatch: Any) -> None:
    """A look that fails leaves what was seen before, and the next one sees the rest."""
    name = spool.segment([rows.span("t", "a")])
    reader.refresh()
    spool.append(name, [rows.span("u", "a")])
    part = spool.compact([spool.segment([rows.span("v", "a")])])

    def fail(*given: Any) -> None:
        type(reader)._bring(reader, *given)
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(reader, "_bring", fail)
        with pytest.raises(RuntimeError):
            reader.refresh()
    assert reader.query(COUNT) == [(1, 1)]
    reader.refresh()

    assert part
    assert reader.query(COUNT) == [(3, 3)]


@pytest.mark.parametrize("file", ["open.parquet", "items.parquet"])
def test_file_lost_later(spool: Any, rows: Any, reader: Reader, file: str) -> None:
    """A part that lost a file since it was first looked at keeps its ended rows."""
    part = spool.compact([spool.segment([rows.span("t", "a")])])
    reader.refresh()
    (spool.layout.parts / part / file).unlink()
    spool.compact([spool.segment([rows.span("u", "a")])])

    reader.refresh()
    assert reader.query(COUNT) == [(2, 2)]


def test_content_spoilt(spool: Any, rows: Any, reader: Reader) -> None:
    """Where the content of a part is damaged in the middle, its rows are still there."""
    spans = [rows.span("t", f"s{n}", input=({"text": f"{n} " * 500},)) for n in range(50)]
    part = spool.compact([spool.segment(spans)])
    reader.refresh()
    items = spool.layout.parts / part / "items.parquet"
    data = bytearray(items.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    items.write_bytes(data)

    assert len(reader.query("SELECT span_id, input FROM spans")) == 50
    assert reader.query(COUNT) == [(50, 1)]
    assert (spool.layout.parts / part).is_dir()


def test_stopped_between(spool: Any, rows: Any, reader: Reader, monkeypatch: Any) -> None:
    """A segment that became a part and went, between a look at parts and one at segments."""
    name = spool.segment([rows.span("t", "a")])
    list_segments = folder.list_segments

    def late(layout: Any) -> Any:
        if (spool.layout.hot / name).exists():
            spool.compact([name])
            spool.forget(name)
        return list_segments(layout)

    monkeypatch.setattr(folder, "list_segments", late)
    reader.refresh()

    assert reader.query(COUNT) == [(1, 1)]
