"""What a store takes of the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from exporters.duckdb.footprint import footprint, size_of
from exporters.duckdb.layout import Layout
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact


def test_size_of(tmp_path: Path) -> None:
    """A folder takes what its files take, in whole blocks; a link does not count twice."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "large").write_bytes(b"x" * 1_000_000)
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert 1_000_000 <= size_of(tmp_path) < 1_050_000
    assert size_of(tmp_path / "none") == 0


def test_replaced(store: Path, journal: Callable[..., Journal]) -> None:
    """What a part covers is counted apart: it will go by itself."""
    layout = Layout.of(store)
    assert footprint(layout).total == 0
    one = journal()
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": "s", "name": "x" * 60_000}
    one.append(Line({**fields, "start_ns": 1, "end_ns": 2}, {}))
    one.close()
    before = footprint(layout)
    assert before.replaced == 0

    compact(store)

    after = footprint(layout)
    assert after.replaced >= 60_000
    assert after.kept == after.total - after.replaced
