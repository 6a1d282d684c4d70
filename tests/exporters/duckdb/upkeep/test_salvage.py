"""Damaged parts: made again, salvaged or put away; every row that is gone is counted, once."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters import open_store
from exporters.duckdb.layout import Layout, PartName, list_parts, list_segments, read_covers, scan
from exporters.duckdb.parts import damaged_files, nothing
from exporters.duckdb.reading import damage
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.alone import alone
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.quarantine import DAMAGED, quarantine_part
from exporters.duckdb.upkeep.salvage import Mended, examine, rescue
from exporters.duckdb.upkeep.unfound import NO_CONTENT
from exporters.store import NotFoundError, TraceQuery

Make = Callable[..., Journal]
Read = Callable[[Path], Any]
BASE_NS = 1_700_000_000_000_000_000


def line(number: int, *, ended: bool = True) -> Line:
    """A line of a span with an item."""
    fields = {
        "k": "span", "v": 1, "rev": int(ended), "trace_id": "t", "span_id": f"span_{number}",
        "name": f"s{number}", "start_ns": BASE_NS + number,
        "end_ns": BASE_NS + number + 1 if ended else None, "input": {"refs": ["a" * 32]},
    }  # fmt: skip
    return Line(fields, {"a" * 32: b'"shared"'})


@pytest.fixture
def layout(store: Path, journal: Make) -> Layout:
    """A store of one part, with four spans that ended and one that did not."""
    one = journal()
    one.append(line(9, ended=False))
    for number in range(4):
        one.append(line(number))
    one.close()
    compact(store)
    return Layout.of(store)


def only(layout: Layout) -> PartName:
    """The one part that counts."""
    (part,) = scan(layout).live_parts
    return part


def forget_sources(layout: Layout) -> None:
    """Delete the segments, as a collection does."""
    for name in list_segments(layout):
        layout.segment(name).unlink()


def ended(found: Any) -> set[str]:
    """Ids of spans that ended, each of them once."""
    assert set(found.ended.values()) <= {1}
    return {key[2] for key in found.ended}


ALL = {f"span_{number}" for number in range(4)}


def missing(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def truncated(path: Path) -> None:
    """Half of the file is gone."""
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    """All of it is gone."""
    os.truncate(path, 0)


def garbage(path: Path) -> None:
    """It holds something else, with the right ends."""
    path.write_bytes(b"PAR1" + b"\x07" * 500 + b"PAR1")


def folder(path: Path) -> None:
    """There is a folder of its name."""
    path.unlink()
    path.mkdir()


DAMAGES = [missing, truncated, emptied, folder]
FILES = ["data.parquet", "open.parquet", "items.parquet"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_made_again(
    store: Path, layout: Layout, read: Read, file: str, damage: Callable[[Path], None]
) -> None:
    """While its sources are there a damaged part costs nothing: it is made again."""
    bad = only(layout)
    damage(layout.part(bad) / file)

    report = compact(store)

    found = read(store)
    assert (report.problems, report.mended.lost) == ([], 0)
    assert report.mended.quarantined == [bad.dirname]
    assert ended(found) == ALL
    assert {key[2] for key in found.open} == {"span_9"}
    assert found.losses == {}
    assert compact(store).mended.quarantined == []


@pytest.mark.parametrize(
    ("file", "damage", "left", "still", "lost"),
    [
        ("data.parquet", missing, set(), {"span_9"}, 4),
        ("data.parquet", truncated, set(), {"span_9"}, 4),
        ("open.parquet", missing, ALL, set(), 1),
        ("items.parquet", emptied, ALL, {"span_9"}, 0),
    ],
)
def test_salvaged(
    store: Path,
    layout: Layout,
    read: Read,
    file: str,
    damage: Callable[[Path], None],
    left: set[str],
    still: set[str],
    lost: int,
) -> None:
    """Of a part whose sources are gone what can be read stays, and the rest is counted once."""
    forget_sources(layout)
    bad = only(layout)
    damage(layout.part(bad) / file)

    report = compact(store)

    assert (report.problems, report.mended.lost) == ([], lost)
    assert not layout.part(bad).exists()
    assert (layout.quarantine / bad.dirname).is_dir()
    for _ in range(2):
        found = read(store)
        assert ended(found) == left
        assert {key[2] for key in found.open} == still
        gone = {NO_CONTENT: 1} if file == "items.parquet" else {}
        assert found.losses == ({DAMAGED: lost} if lost else gone)
        compact(store)
    with duckdb.connect(str(store), read_only=True) as con:
        assert con.execute("select count(*) from spans").fetchone() is not None


def test_content(store: Path, layout: Layout) -> None:
    """Content that is gone is counted for each trace that names it, which is then incomplete."""
    forget_sources(layout)
    truncated(layout.part(only(layout)) / "items.parquet")

    compact(store)

    assert losses(store) == [(NO_CONTENT, "t", 1)]
    with contextlib.closing(open_store(store)) as opened:
        (trace,) = opened.search(TraceQuery()).traces
    assert (trace.span_count, trace.incomplete) == (5, True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_summaries(store: Path, layout: Layout, read: Read, damage: Callable[[Path], None]) -> None:
    """Summaries are made again in their place: they hold nothing that the rows do not."""
    forget_sources(layout)
    part = only(layout)
    path = layout.part(part) / "traces.parquet"
    before = duckdb.sql(f"from '{path}'").fetchall()
    damage(path)

    report = compact(store)

    assert report.mended.restored == [part.dirname]
    assert only(layout) == part
    assert damaged_files(layout, part) == []
    assert duckdb.sql(f"from '{path}'").fetchall() == before
    assert before == [("t", None, None, 5, BASE_NS, BASE_NS + 4, False, True, False)]


def test_nothing_left(store: Path, layout: Layout, read: Read) -> None:
    """A part of which nothing can be read is put away, with a note, and its rows are counted."""
    forget_sources(layout)
    bad = only(layout)
    for file in (*FILES, "traces.parquet"):
        garbage(layout.part(bad) / file)
    # Its ends look right, so it is found when something tries to read it.
    lost = quarantine_part(layout, bad, "it is garbage")

    assert lost == 5
    assert quarantine_part(layout, bad, "again") == 0
    assert "5 rows" in (layout.quarantine / f"{bad.dirname}.txt").read_text()
    for _ in range(2):
        assert read(store).losses == {DAMAGED: 5}
        compact(store)


def test_found_by_reading(store: Path, journal: Make, read: Read, layout: Layout) -> None:
    """Damage within a file is found when the file is read, and does not stop what is new."""
    bad = only(layout)
    garbage(layout.part(bad) / "data.parquet")
    one = journal()
    one.append(line(1))
    one.append(line(100))
    one.close()

    report = compact(store)

    assert report.problems == []
    assert report.mended.quarantined == [bad.dirname]
    assert ended(read(store)) == {*ALL, "span_100"}


def test_row_groups(store: Path, journal: Make, read: Read) -> None:
    """Of a file with one bad page the other row groups stay."""
    one = journal(segment_limit=1 << 30)
    for number in range(21_000):
        one.append(line(number))
    one.close()
    compact(store)
    layout = Layout.of(store)
    forget_sources(layout)
    path = layout.part(only(layout)) / "data.parquet"
    (at,) = duckdb.connect().execute(
        "select data_page_offset from parquet_metadata(?) "
        "where path_in_schema = 'span_id' and row_group_id = 1",
        [str(path)],
    ).fetchone() or (0,)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(2000))
    one = journal()
    for number in range(7):
        one.append(line(30_000 + number))
        one.seal()
        report = compact(store)  # the seventh merges eight parts, for which all is read

    found = read(store)
    left = {name for name in ended(found) if int(name[5:]) < 21_000}
    assert report.problems == []
    assert len(report.mended.salvaged) == 1
    assert 10_000 < len(left) < 21_000
    assert len(ended(found) - left) == 7
    assert found.losses == {DAMAGED: 21_000 - len(left)}


def spoil(path: Path, column: str) -> None:
    """Make one column of a file unreadable."""
    with duckdb.connect() as con:
        found = con.execute(
            "select coalesce(dictionary_page_offset, data_page_offset), total_compressed_size "
            "from parquet_metadata(?) where path_in_schema = ?",
            [str(path), column],
        ).fetchone()
    assert found is not None
    with path.open("r+b") as file:
        file.seek(found[0])
        file.write(b"\xff" * min(found[1], 60))


def losses(store: Path) -> list[tuple[Any, ...]]:
    """Why, of which trace and how much was lost."""
    with contextlib.closing(open_store(store)) as opened:
        query = "select reason, trace_id, sum(items)::int from losses group by all order by all"
        return list(opened.sql(query).rows)


def test_column(store: Path, layout: Layout, read: Read) -> None:
    """Rows of which a column cannot be read stay without it; each trace is told of it once."""
    forget_sources(layout)
    bad = only(layout)
    for column in ("name", "model"):  # no row has a model
        spoil(layout.part(bad) / "data.parquet", column)

    with contextlib.closing(open_store(store)) as opened:  # who reads meets it, and mends it
        opened.spans("t")
        names = dict(opened.sql("select span_id, name from spans").rows)
        (trace,) = opened.search(TraceQuery()).traces

    assert names == {**dict.fromkeys(ALL), "span_9": "s9"}
    assert (trace.span_count, trace.incomplete) == (5, True)
    assert losses(store) == [(f"{DAMAGED}: column name", "t", 4)]
    note = (layout.quarantine / f"{bad.dirname}.txt").read_text()
    assert "5 of 5 rows were saved, some without name; " in note
    compact(store)
    assert losses(store) == [(f"{DAMAGED}: column name", "t", 4)]
    assert ended(read(store)) == ALL


def test_quoted(store: Path, layout: Layout, read: Read) -> None:
    """Damage that DuckDB quotes in bytes that are no text costs its column, and is not repeated."""
    forget_sources(layout)
    bad = only(layout)
    path = layout.part(bad) / "data.parquet"
    plain = path.with_name("plain")
    with duckdb.connect() as con:
        con.execute(f"copy (from '{path}') to '{plain}' (format parquet, compression uncompressed)")
    data = plain.read_bytes()
    assert b"a" * 32 in data
    path.write_bytes(data.replace(b"a" * 32, b"a" * 24 + b"\xce" * 8))
    plain.unlink()

    with alone(layout) as ours:
        assert ours
        assert examine(layout, [bad], Mended(), nothing)

    assert losses(store) == [(f"{DAMAGED}: column input", "t", 4)]
    assert "aaa" not in (layout.quarantine / f"{bad.dirname}.txt").read_text()
    assert ended(read(store)) == ALL


def test_empty_column(store: Path, layout: Layout, read: Read) -> None:
    """A column without a value, or one that is made of others, costs nothing."""
    forget_sources(layout)
    for column in ("model", "attributes, key_value, key", "start_time"):
        spoil(layout.part(only(layout)) / "data.parquet", column)
    done = Mended()

    with alone(layout) as ours:
        assert ours
        rescue(layout, only(layout), "spoilt", done, nothing)

    assert (len(done.salvaged), done.lost) == (1, 0)
    assert ended(read(store)) == ALL
    assert losses(store) == []


@pytest.mark.parametrize("column", ["k", "trace_id", "seq", "end_ns"])
def test_key_column(store: Path, layout: Layout, column: str) -> None:
    """Rows of which nobody could say whose they are go; the summaries name their trace."""
    forget_sources(layout)
    bad = only(layout)
    spoil(layout.part(bad) / "data.parquet", column)
    (layout.part(bad) / "open.parquet").unlink()

    compact(store)

    assert losses(store) == [(DAMAGED, "t", 5)]
    assert "5 rows are missing" in (layout.quarantine / f"{bad.dirname}.txt").read_text()


def test_while_others_compact(store: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads mends nothing while somebody else changes parts; the rest is shown meanwhile."""
    forget_sources(layout)
    bad = only(layout)
    spoil(layout.part(bad) / "data.parquet", "name")
    monkeypatch.setattr(damage, "_PATIENCE_S", 0.1)

    with alone(layout) as ours, contextlib.closing(open_store(store)) as opened:
        assert ours
        with contextlib.suppress(NotFoundError):
            assert opened.spans("t") == []
        assert scan(layout).live_parts == (bad,)

    assert losses(store) == []
    with contextlib.closing(open_store(store)) as opened:
        assert len(opened.spans("t")) == 5


def test_covers(store: Path, journal: Make, read: Read, layout: Layout) -> None:
    """A file of covers that is garbage or gone doubles nothing and is written again."""
    path = layout.part(only(layout)) / "covers.csv"
    good = path.read_bytes()
    for text in (b"\xff\x00garbage", b"", good[:-3], None):
        path.unlink()
        if text is not None:
            path.write_bytes(text)
        assert read_covers(layout, only(layout)) == set(good.decode().split())

        report = compact(store)

        assert report.mended.restored == [only(layout).dirname]
        assert path.read_bytes() == good
        assert ended(read(store)) == ALL


def test_strangers(store: Path, journal: Make, read: Read, layout: Layout) -> None:
    """A folder named like a segment and a file named like a part stop nothing."""
    segment = layout.hot / "1700000000000-vm-1-beef.ndjson"
    segment.mkdir()
    part = layout.parts / "p-1700000000000-1-1-beef"
    part.write_text("no folder")
    one = journal()
    one.append(line(5))
    one.close()

    report = compact(store)

    assert report.problems == []
    assert not segment.exists()
    assert not part.exists()
    assert ended(read(store)) == {*ALL, "span_5"}


def test_counts_what_is_back(store: Path, journal: Make, read: Read, layout: Layout) -> None:
    """Rows that a source still has are not lost, whichever of the sources are there."""
    one = journal()
    for number in range(10, 13):
        one.append(line(number))
    one.close()
    compact(store)
    first, second = list_parts(layout)
    assert quarantine_part(layout, second, "a test") == 0
    (old,) = [name for name in list_segments(layout) if name.filename in read_covers(layout, first)]
    layout.segment(old).unlink()

    assert quarantine_part(layout, first, "a test") == 5

    assert ended(read(store)) == {"span_10", "span_11", "span_12"}
    assert read(store).losses == {DAMAGED: 5}


def test_gone_already(layout: Layout) -> None:
    """A part that somebody else has moved is nobody's loss."""
    bad = only(layout)
    shutil.rmtree(layout.part(bad))
    assert quarantine_part(layout, bad, "it is gone") == 0
