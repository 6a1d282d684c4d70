"""The index against a model: whatever is recorded, compacted and deleted, lists are right."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading import fragments
from exporters.duckdb.reading.fragments import Found, Fragments, Narrow, newest
from exporters.duckdb.reading.tail import ENDED, OPEN, TROUBLE, Piece
from exporters.store import NotFoundError, TraceQuery
from tests.exporters.conftest import BASE_NS, Rows, Spool

IDS = [f"t{n}" for n in range(6)]


@pytest.fixture
def table() -> Iterator[Fragments]:
    """A table of fragments."""
    made = Fragments()
    yield made
    made.close()


def test_true_start(table: Fragments) -> None:
    """A trace stands where its earliest fragment does, however late its others are."""
    for source, start in enumerate((10, 900, 800)):
        table.add_pieces(source, {"early": Piece(start=start)})
    table.add_pieces(5, {f"t{n:03}": Piece(start=n) for n in range(20, 500)})

    found = [trace for run in newest(table, Narrow(), None, 1) for trace in run]
    assert [trace.start_ns for trace in found] == [*range(499, 19, -1), 10]
    assert found[-1] == Found(10, "early")


def test_newest_of_part_first(table: Fragments) -> None:
    """What a part has is kept with the newest first, so that lists soon pass the rest by."""
    starts = [30, 10, 50, 20, 40]
    rows = (
        "select 't' || start as trace_id, null as name, null as group_id, 1 as spans, "
        "start as start_ns, start as end_ns, true as ended, false as open, false as trouble "
        f"from (select unnest({starts}) as start)"
    )

    table.add_part(1, rows, {"t30": 1})

    assert table.ask("select start_ns from fragment") == [(n,) for n in sorted(starts)[::-1]]
    assert table.counts() == (5, 4)


def test_narrowed(table: Fragments) -> None:
    """Flags narrow to traces with trouble anywhere, or with an end nowhere."""
    table.add_pieces(1, {"a": Piece(start=1, flags=TROUBLE), "b": Piece(start=2, flags=OPEN),
                         "c": Piece(start=3, flags=ENDED), "d": Piece(start=4)})  # fmt: skip
    table.add_pieces(2, {"a": Piece(start=9, flags=ENDED), "d": Piece(start=9, flags=ENDED)})

    def ids(flags: int) -> list[str]:
        return [trace.trace_id for run in newest(table, Narrow(flags=flags), None, 5)
                for trace in run]  # fmt: skip

    assert (ids(TROUBLE), ids(OPEN), ids(TROUBLE | OPEN)) == (["a"], ["b"], ["b", "a"])


def test_drop(table: Fragments, monkeypatch: Any) -> None:
    """What a source had goes with it; memory too, once much is gone."""
    monkeypatch.setattr(fragments, "_REBUILD_ROWS", 2)
    table.add_pieces(1, {key: Piece(start=1) for key in "abcd"})
    table.add_pieces(2, {key: Piece(start=2) for key in "cd"})

    assert sorted(table.drop([1])) == ["a", "b"]
    assert table.counts() == (2, 0)
    assert (table.is_known("c"), table.is_known("a")) == (True, False)


def test_spill(table: Fragments, monkeypatch: Any) -> None:
    """Beyond what memory holds the table goes to a private folder, which goes with it."""
    monkeypatch.setattr(fragments, "_SPILL_ROWS", 10)
    table.add_pieces(1, {f"t{n}": Piece(start=n) for n in range(20)})
    (spill,) = table.ask("select current_setting('temp_directory')")[0]

    assert Path(spill).stat().st_mode & 0o077 == 0
    table.close()
    assert not Path(spill).exists()


class Index(RuleBasedStateMachine):
    """Records, seals, compacts and deletes in any order, and looks at what lists say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.spool = Spool(self.folder / "traces.duckdb")
        self.store = DuckDBStore(self.spool.layout.catalog)
        self.live: list[str] = []  # segments that count
        self.covered: list[str] = []
        self.parts: dict[str, list[str]] = {}
        self.said: dict[str, list[dict[str, Any]]] = {}  # rows of each segment
        self.number = 0

    @initialize()
    def begin(self) -> None:
        """There is a segment."""
        self.open_segment()

    def open_segment(self) -> None:
        """A segment to write into."""
        self.live.append(self.spool.segment([], owner=1))
        self.said[self.live[-1]] = []

    @rule(trace=st.sampled_from(IDS), at=st.integers(0, 50), end=st.booleans(),
          error=st.booleans(), group=st.sampled_from([None, "g"]))  # fmt: skip
    def record(self, trace: str, at: int, end: bool, error: bool, group: str | None) -> None:
        """A span, of a trace that may be new."""
        self.number += 1
        row = Rows.span(trace, f"s{self.number}", at=at, end=at + 5 if end else None,
                        trace_name=trace, group_id=group)  # fmt: skip
        if error and end:
            row["status"] = "error"
        self.spool.append(self.live[-1], [row])
        self.said[self.live[-1]].append(row)

    @rule(trace=st.sampled_from(IDS), at=st.integers(0, 50), end=st.booleans())
    def record_trace(self, trace: str, at: int, end: bool) -> None:
        """A trace's own line, whose start may be later than its spans'."""
        if "" in self.model().get(trace, ()):
            return
        row = Rows.trace(trace, at=at, end=at + 9 if end else None)
        self.spool.append(self.live[-1], [row])
        self.said[self.live[-1]].append(row)

    @rule()
    def finish(self) -> None:
        """Something that is open ends, maybe in another segment than it began in."""
        rows = [row for name in self.sources() for row in self.said[name]]
        ended = {(row["k"], row["trace_id"], row.get("span_id")) for row in rows if row["rev"]}
        for row in rows:
            if (row["k"], row["trace_id"], row.get("span_id")) not in ended:
                done = {**row, "rev": 1, "end_ns": row["start_ns"] + 5, "status": "ok"}
                self.spool.append(self.live[-1], [done])
                self.said[self.live[-1]].append(done)
                return

    @rule()
    def seal(self) -> None:
        """The next segment begins."""
        self.open_segment()

    @precondition(lambda self: len(self.live) > 1)
    @rule()
    def compact(self) -> None:
        """What is sealed becomes a part."""
        names = self.live[:-1]
        self.parts[self.spool.compact(names)] = names
        self.live = self.live[-1:]
        self.covered += names

    @precondition(lambda self: self.covered)
    @rule()
    def collect(self) -> None:
        """What is covered is deleted."""
        self.spool.forget(self.covered.pop())

    @rule()
    def reopen(self) -> None:
        """Another reader begins from what is there."""
        self.store.close()
        self.store = DuckDBStore(self.spool.layout.catalog)

    def sources(self) -> list[str]:
        """Segments whose rows count, wherever they are by now."""
        return [*(name for names in self.parts.values() for name in names), *self.live]

    def model(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The newest row of each id of each trace."""
        known: dict[str, dict[str, dict[str, Any]]] = {}
        for name in self.sources():
            for row in self.said[name]:
                rows = known.setdefault(row["trace_id"], {})
                key = row.get("span_id", "")
                if key not in rows or row["rev"] >= rows[key]["rev"]:
                    rows[key] = row
        return known

    @rule()
    def agrees(self) -> None:
        """Lists, pages, filters, counts and timelines are those of the model."""
        known = self.model()
        starts = {key: min(row["start_ns"] for row in rows.values()) for key, rows in known.items()}
        order = sorted(starts, key=lambda key: (-starts[key], key))
        for limit in (1, 4):
            assert self.pages(limit=limit) == order, limit
        spans = {key: {span for span in rows if span} for key, rows in known.items()}
        info = self.store.info()
        assert (info.trace_count, info.span_count) == (len(known), sum(map(len, spans.values())))
        for key in order[:2]:
            assert {span.span_id for span in self.store.spans(key)} == spans[key]
        rows = {row.trace_id: row for row in self.store.search(TraceQuery()).traces}
        for status in ("error", "running", "ok"):
            wanted = [key for key in order if rows[key].status == status]
            assert self.pages(limit=2, status=(status,)) == wanted
        grouped = [key for key in order if rows[key].group_id == "g"]
        assert self.pages(limit=2, group_id="g") == grouped
        since = BASE_NS + 25_000_000
        assert self.pages(limit=3, since_ns=since) == [k for k in order if starts[k] >= since]
        assert self.pages(limit=3, until_ns=since) == [k for k in order if starts[k] <= since]

    def pages(self, **query: Any) -> list[str]:
        """Ids of all pages of a search."""
        found: list[str] = []
        cursor = None
        while True:
            page = self.store.search(TraceQuery(cursor=cursor, **query))
            found += [row.trace_id for row in page.traces]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def teardown(self) -> None:
        """Lists agree at the end, too."""
        self.agrees()
        self.store.close()
        self.spool.close()
        shutil.rmtree(self.folder)


Index.TestCase.settings = settings(
    max_examples=4, stateful_step_count=15, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
TestIndexAgrees = Index.TestCase


def test_unknown(tmp_path: Path) -> None:
    """A trace that is not there is not found, with or without a store."""
    store = DuckDBStore(tmp_path / "traces.duckdb")
    with pytest.raises(NotFoundError):
        store.details("t")
    store.close()
