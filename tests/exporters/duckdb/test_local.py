"""The local store as the viewer reads it: over segments and parts, while they change."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout, create
from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading import fragments
from exporters.duckdb.reading import reader as reader_module
from exporters.duckdb.reading.index import Index
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.reading.rows import span_rows, trace_rows
from exporters.duckdb.upkeep.packing import CORRUPT
from exporters.store import NotFoundError, StoreError, TraceQuery


@pytest.fixture
def store(spool: Any) -> Any:
    """The store that reads what `spool` writes."""
    store = DuckDBStore(spool.layout.catalog)
    yield store
    store.close()


def names(store: DuckDBStore, **query: Any) -> list[str]:
    """Ids of traces in a list."""
    return [row.trace_id for row in store.search(TraceQuery(**query)).traces]


def test_missing(tmp_path: Path, rows: Any) -> None:
    """A store that does not exist is empty, is not made by reading, and shows up once it is."""
    path = tmp_path / "deep" / "traces.duckdb"
    store = DuckDBStore(path)
    cursor = store.follow(None).cursor

    assert names(store) == []
    assert store.sql("SELECT count(*) FROM spans").rows == [(0,)]
    assert (store.info().trace_count, store.info().size_bytes) == (0, 0)
    assert not path.parent.exists()

    layout = Layout.of(path)
    create(layout)
    name = "1763700000000-testhost-1-00000001.ndjson"
    (layout.hot / name).write_bytes(b"")
    assert names(store) == []
    spooled = rows.encode([rows.trace("t")])
    (layout.hot / name).write_bytes(spooled)
    assert names(store) == ["t"]
    assert list(store.follow(cursor).trace_ids) == ["t"]
    assert store.sql("SELECT trace_id FROM traces").rows == [("t",)]
    store.close()
    assert path.is_file()


def test_bad_paths(tmp_path: Path) -> None:
    """A path that can be no store's is refused in three parts, before anything is read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain.duckdb").write_text("rubbish")
    (tmp_path / "file.duckdb.d").write_text("rubbish")
    newer = Layout.of(tmp_path / "newer.duckdb")
    create(newer)
    newer.format_file.write_text(json.dumps({"format": 99, "schema": 1, "store_id": "x"}))
    other = tmp_path / "other.duckdb.d"
    other.mkdir()
    (other / "photo.jpg").write_text("rubbish")

    for name, said in (
        ("folder", "is a folder"),
        ("plain.duckdb", "no store of flightlog"),
        ("file.duckdb", "is a file"),
        ("newer.duckdb", "format 99"),
        ("other.duckdb", "no file FORMAT"),
    ):
        with pytest.raises(StoreError, match=said) as caught:
            DuckDBStore(tmp_path / name)
        assert str(caught.value).count(". ") >= 2


def test_parts_and_segments(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A trace that is spread over parts and segments is one trace, before and after compaction."""
    first = spool.segment([
        rows.trace("t", end=None), rows.span("t", "a", type="agent", end=None),
        rows.span("t", "g", parent_id="a", at=1, type="response", model="m", input=({"n": 1},),
                  output=({"n": 2},), input_tokens=4),
    ])  # fmt: skip
    assert [span.status for span in store.spans("t")] == ["running", "ok"]
    spool.compact([first])
    assert [span.status for span in store.spans("t")] == ["running", "ok"]
    second = spool.segment([rows.span("t", "a", type="agent", end=9), rows.trace("t", end=10)])

    for _ in range(2):
        row = store.get("t")
        assert (row.status, row.span_count, row.input_tokens) == ("ok", 2, 4)
        assert [span.status for span in store.spans("t")] == ["ok", "ok"]
        assert store.span("t", "g").input == [{"n": 1}]
        assert store.sql("SELECT input, output FROM generations").rows == [
            ('[{"n":1}]', '[{"n":2}]')
        ]
        spool.compact([second])


def test_interrupted(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """What a dead process left open is interrupted, also once it is compacted; a follower hears."""
    first = spool.segment([rows.trace("t", end=None), rows.span("t", "a", end=None)], owner=7)
    spool.segment([rows.trace("u", end=None)], owner=8)
    cursor = store.follow(None).cursor
    assert store.get("t").status == "running"

    spool.die(first)
    assert list(store.follow(cursor).trace_ids) == ["t"]
    for _ in range(2):
        assert (store.get("t").status, store.get("u").status) == ("interrupted", "running")
        assert store.spans("t")[0].status == "interrupted"
        assert store.sql("SELECT trace_id, status FROM traces ORDER BY 1").rows == [
            ("t", "interrupted"), ("u", "running"),
        ]  # fmt: skip
        spool.compact([first])
    assert names(store, status=("interrupted",)) == ["t"]


def test_no_trace_line(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """Spans whose trace was never recorded still make a row."""
    lost = {"trace_name": None}
    spool.segment([rows.span("t", "a", at=3, end=7, **lost), rows.span("t", "b", at=2, end=4)])
    spool.segment([rows.span("u", "c", end=None)], owner=2)

    row = store.get("t")
    assert (row.name, row.status, row.span_count, row.duration_ms) == ("t", "ok", 2, 5.0)
    assert store.get("u").status == "running"
    assert store.sql("SELECT status, duration_ms FROM traces WHERE trace_id = 't'").rows == [
        ("ok", 5.0)
    ]


def test_torn_line(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """An unfinished line is left for the next look; a damaged one is left out, and counted."""
    name = spool.segment([rows.trace("t")])
    whole = spool.encode([rows.span("t", "a")])
    damaged = whole.replace(b'"a"', b'"x"')
    spool.append(name, damaged + whole[:40])
    assert store.spans("t") == []

    spool.append(name, whole[40:])
    assert [span.span_id for span in store.spans("t")] == ["a"]
    assert store.info().losses == {CORRUPT: 1}


def test_strange_lines(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """Lines of a newer schema, or of no sense, do not hide the others."""
    odd = {
        "k": "weather",
        "rev": 1,
        "trace_id": "w",
        "start_ns": "soon",
        "attributes": [1],
        "x": {},
    }
    spool.segment([odd, {**odd, "k": "span", "span_id": "s"}, rows.trace("t"),
                   rows.span("t", "a", colour="red")])  # fmt: skip

    assert store.get("t").span_count == 1
    assert "t" in names(store)


def test_large_values(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """What is too large to stand in place comes back whole: content, error, metadata and data."""
    text = "x" * 100_000
    error = {"message": text, "data": {"type": "E"}}
    spool.segment([
        rows.trace("t", input=text, metadata={"m": text}, status="error", error=error),
        rows.span("t", "a", status="error", error=error, data={"d": text}, output=text),
    ])  # fmt: skip

    row, detail = store.get("t"), store.span("t", "a")
    assert (row.status, row.metadata) == ("error", {"m": text})
    assert row.first_cause is not None
    assert row.first_cause.message == text
    assert row.input is not None
    assert len(row.input) == 400
    assert (detail.output, detail.error, detail.data["d"]) == (text, error, text)


def test_losses(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """Losses are summed by reason, and by trace and exporter; in segments and parts alike."""
    segments = [
        spool.segment([rows.trace("t"), rows.trace("u"), rows.loss("disk full", 3, "t"),
                       rows.loss("disk full", 2), rows.loss("disk full", 2)]),
        spool.segment([rows.loss("disk full", 1, "t"),
                       rows.loss("queue full", 5, "t") | {"exporter": "otlp"}]),
    ]  # fmt: skip

    for compacted in (False, True):
        if compacted:
            spool.compact(segments)
        assert store.info().losses == {"disk full": 8, "queue full": 5}
        assert (store.get("t").incomplete, store.get("u").incomplete) == (True, False)
        assert {(lost.exporter, lost.reason, lost.items) for lost in store.get("t").lost} == {
            ("otlp", "queue full", 5),
            ("duckdb", "disk full", 4),
        }
        assert store.get("u").lost == ()
        assert store.sql("SELECT sum(items) FROM losses").rows == [(13,)]


def test_deleted(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A part that is deleted takes its traces out of every list."""
    part = spool.compact([spool.segment([rows.trace("t"), rows.span("t", "a")])])
    spool.segment([rows.trace("u")])
    cursor = store.follow(None).cursor
    assert names(store) == ["t", "u"]
    for segment in spool.layout.hot.iterdir():
        if b'"t"' in segment.read_bytes():
            segment.unlink()

    spool.forget(part)

    assert names(store) == ["u"]
    assert "t" in store.follow(cursor).trace_ids
    with pytest.raises(NotFoundError):
        store.get("t")


def test_alien_cursor(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A cursor of an earlier reader is good for a later one."""
    earlier = DuckDBStore(spool.layout.catalog)
    cursor = earlier.follow(None).cursor
    earlier.close()
    now = time.time_ns()
    spool.segment([{**rows.trace("t"), "start_ns": now, "end_ns": now}])

    assert list(store.follow(cursor).trace_ids) == ["t"]


def test_unseen_part(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A follower hears of traces whose segment it never saw."""
    cursor = store.follow(None).cursor
    name = spool.segment([rows.trace("t"), rows.span("t", "a")], alive=False)
    spool.compact([name])
    spool.forget(name)

    assert list(store.follow(cursor).trace_ids) == ["t"]


def test_search_deep(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A rare trace is found among many, page after page."""
    spool.segment([rows.trace(f"t{n:05}", at=n, end=n + 1,
                              status="error" if n % 1000 == 7 else "ok")
                   for n in range(3000)])  # fmt: skip

    first = store.search(TraceQuery(status=("error",), limit=2))
    second = store.search(TraceQuery(status=("error",), limit=2, cursor=first.next_cursor))

    assert [row.trace_id for row in first.traces] == ["t02007", "t01007"]
    assert [row.trace_id for row in second.traces] == ["t00007"]
    assert second.next_cursor is None


def test_while_recording(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """While lines, parts and deletions come, no reader meets an error or goes back in time."""
    stop = threading.Event()
    problems: list[Any] = []

    def watch(look: Callable[[], int]) -> None:
        seen = 0
        try:
            while not stop.is_set():
                now = look()
                assert now >= seen, (now, seen)
                seen = now
        except Exception as error:  # noqa: BLE001 (the test reports it)
            problems.append(error)

    looks = (
        lambda: len(store.search(TraceQuery(limit=10_000)).traces),
        lambda: store.sql("SELECT count(*) FROM spans", timeout=120).rows[0][0],
        lambda: store.info().span_count,
    )
    threads = [threading.Thread(target=watch, args=(look,)) for look in looks]
    for thread in threads:
        thread.start()
    for batch in range(30):
        name = spool.segment([])
        for n in range(10):
            key = f"t{batch:03}-{n}"
            spool.append(name, [rows.trace(key), rows.span(key, f"{key}-a")])
        spool.die(name)
        part = spool.compact([name])
        if batch % 3 == 0:
            spool.forget(name)
        assert part
    total = store.info()
    stop.set()
    for thread in threads:
        thread.join()

    assert problems == []
    assert (total.trace_count, total.span_count) == (300, 300)


_SHELL = """
import sys, duckdb
shell = duckdb.connect(sys.argv[1])
shell.execute("CREATE TABLE mine AS SELECT trace_id FROM traces")
for line in sys.stdin:
    print(shell.execute("SELECT count(*) FROM traces").fetchone()[0], flush=True)
"""


def test_catalog_in_use(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A process that holds the catalog for writing is in nobody's way, nor are we in its."""
    spool.segment([rows.trace("t"), rows.span("t", "a")])
    assert names(store) == ["t"]
    store.close()  # the catalog is there once the store is closed

    with subprocess.Popen(
        [sys.executable, "-c", _SHELL, str(spool.layout.catalog)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as shell:  # fmt: skip
        assert shell.stdin is not None
        assert shell.stdout is not None

        def count() -> int:
            print(file=shell.stdin, flush=True)
            return int(shell.stdout.readline())

        assert count() == 1
        fresh = DuckDBStore(spool.layout.catalog)
        for n in range(5):
            spool.segment([rows.trace(f"u{n}")], owner=n + 2)
            assert len(names(fresh)) == n + 2
            assert fresh.sql("SELECT count(*) FROM traces").rows == [(n + 2,)]
            assert count() == n + 2
        fresh.close()
        shell.stdin.close()


def test_broken_part(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A part that is no Parquet is set aside and counted, and the rest is there."""
    segment = spool.segment([rows.trace("t")])
    part = spool.compact([segment])
    spool.forget(segment)
    spool.segment([rows.trace("u")])
    (spool.layout.parts / part / "data.parquet").write_bytes(b"rubbish")

    assert names(store) == ["u"]
    assert store.sql("SELECT trace_id FROM traces").rows == [("u",)]
    assert not (spool.layout.parts / part).exists()
    assert (spool.layout.quarantine / part).is_dir()


def test_broken_while_open(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A part whose source is still there and that breaks while it is in use costs nothing."""
    part = spool.compact([spool.segment([rows.trace("t"), rows.span("t", "a")])])
    assert names(store) == ["t"]
    for path in (spool.layout.parts / part).glob("*.parquet"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert [span.span_id for span in store.spans("t")] == ["a"]
    assert names(store) == ["t"]
    assert not (spool.layout.parts / part).exists()


@pytest.mark.parametrize("harm", ["rubbish", "gone"])
def test_broken_items(spool: Any, store: DuckDBStore, rows: Any, harm: str) -> None:
    """Where only shared content is damaged the rows stay, and the content shows as lost."""
    row = rows.span("t", "a", type="response", input=({"role": "user"},), output=({"n": 2},))
    part = spool.compact([spool.segment([rows.trace("t"), row])])
    items = spool.layout.parts / part / "items.parquet"
    items.write_bytes(b"rubbish") if harm == "rubbish" else items.unlink()

    assert names(store) == ["t"]
    assert store.span("t", "a").input == [{"flightlog.lost": "content not found"}]
    assert store.sql("SELECT span_id FROM spans").rows == [("a",)]


def test_broken_open(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """Where only open rows are damaged, what ended stays."""
    lines = [rows.trace("t"), rows.span("t", "a"), rows.span("t", "b", end=None)]
    part = spool.compact([spool.segment(lines)])
    (spool.layout.parts / part / "open.parquet").write_bytes(b"rubbish")

    assert [span.span_id for span in store.spans("t")] == ["a"]
    assert store.info().span_count == 1
    assert (spool.layout.parts / part).exists()


def test_strange_files(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A folder where a segment should be, and one that is no part, are in nobody's way."""
    spool.segment([rows.trace("t")])
    (spool.layout.hot / "1763700009999-testhost-9-00000009.ndjson").mkdir()
    (spool.layout.parts / "p-1763700000000-1-2-0000000a").write_bytes(b"a file")

    assert names(store) == ["t"]
    assert store.sql("SELECT trace_id FROM traces").rows == [("t",)]


def test_doubled(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A row that two parts hold is one row in every list."""
    lines = [rows.trace("t"), rows.span("t", "a"), rows.span("t", "b")]
    first = spool.segment(lines)
    part = spool.compact([first])
    spool.forget(first)
    second = spool.segment(lines)

    assert store.get("t").span_count == 2
    assert [span.span_id for span in store.spans("t")] == ["a", "b"]
    spool.compact([second], act_ms=1_763_700_200_000)
    assert (store.get("t").span_count, store.info().trace_count) == (2, 1)
    assert part


def test_read_only(spool: Any, rows: Any) -> None:
    """Reading makes nothing in a store's folder; the catalog is made beside it."""
    spool.compact([spool.segment([rows.trace("t"), rows.span("t", "a")])])
    spool.segment([rows.trace("u")])
    before = set(spool.layout.root.rglob("*"))
    index, reader = Index(spool.layout), Reader(spool.layout)
    index.refresh()
    reader.refresh()

    assert len(trace_rows(index, ["t", "u"])) == 2
    assert [span.span_id for span in span_rows(index, "t")] == ["a"]
    assert reader.query("SELECT count(*) FROM spans") == [(1,)]
    index.close()
    reader.close()
    assert set(spool.layout.root.rglob("*")) == before


def test_backlog(spool: Any, rows: Any, monkeypatch: Any) -> None:
    """Segments beyond what memory holds are read where they are, damaged lines left out."""
    monkeypatch.setattr(reader_module, "TABLE_BYTES", 1000)
    segments = [
        spool.segment([rows.trace(f"t{n}"), rows.span(f"t{n}", "a", output=({"n": n},))])
        for n in range(6)
    ]
    spool.append(segments[0], b"rubbish\n")
    reader = Reader(spool.layout)

    def counted() -> list[tuple[Any, ...]]:
        reader.refresh()
        return reader.query("SELECT count(*), count(DISTINCT trace_id) FROM spans")

    assert counted() == [(6, 6)]
    spool.append(segments[0], [rows.span("t0", "b")])
    spool.append(segments[-1], [rows.span("t5", "b", output=({"n": "x" * 900},))])
    assert counted() == [(8, 6)]
    part = spool.compact(segments[1:5])
    assert counted() == [(8, 6)]
    assert part
    reader.close()


def test_lists(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """A list that goes by lists of hashes comes back whole, from segments and from parts."""
    said = [{"role": "user", "content": f"m{n}"} for n in range(150)]
    hashes = [hash_of(item) for item in said]
    lists = [hashes[:64], hashes[64:128]]
    lines = [
        *({"k": "item", "rev": 1, "hash": hash_of(v), "value": v} for v in (*said, *lists)),
        rows.trace("t"),
        rows.span("t", "a", type="generation"),
    ]
    refs = {"lists": [hash_of(one) for one in lists], "refs": hashes[128:]}
    name = spool.segment([])
    spool.append(name, rows.encode([*lines[:-1], {**lines[-1], "input": refs}]))

    for _ in range(2):
        assert store.span("t", "a").input == said
        assert [detail.input for detail in store.details("t")] == [said]
        assert store.get("t").input == "m149"
        spool.compact([name])


def hash_of(value: Any) -> str:
    """The name of an item."""
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return blake2b(raw, digest_size=16).hexdigest()


def test_many_at_once(spool: Any, store: DuckDBStore, rows: Any) -> None:
    """Pages go on where many traces start at the same moment, and where starts are unknown."""
    lines = [rows.trace(f"s{n:03}", at=5, end=9) for n in range(200)]
    lines += [{**rows.trace(f"z{n}"), "start_ns": 0} for n in range(3)]
    spool.segment(lines)
    found: list[str] = []
    cursor = None
    while True:
        page = store.search(TraceQuery(limit=7, cursor=cursor))
        found += [row.trace_id for row in page.traces]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [*(f"s{n:03}" for n in range(200)), "z0", "z1", "z2"]


def test_handled_errors(spool: Any, store: DuckDBStore, rows: Any, monkeypatch: Any) -> None:
    """A search for failed traces passes over those in which tools failed, and over no other."""
    monkeypatch.setattr(fragments, "_REFINE_FROM", 1)
    failed: dict[str, Any] = {"status": "error", "error": {"message": "no"}}
    tool = {"type": "function", **failed}
    lines = [
        *(rows.span("handled", key) for key in "ab"),
        rows.span("handled", "c", parent_id="a", **tool),
        rows.span("alone", "c", **tool),
        rows.span("lost", "c", parent_id="gone", **tool),
        rows.span("failed", "a", **failed), rows.span("failed", "c", parent_id="a", **tool),
        rows.span("blocked", "g", type="guardrail", data={"triggered": True}),
        rows.trace("own", **failed),
    ]  # fmt: skip
    spool.compact([spool.segment(lines)])
    wanted = {key for key in names(store)
              if store.get(key).status in ("error", "blocked")}  # fmt: skip

    assert wanted == {"alone", "lost", "failed", "blocked", "own"}
    assert set(names(store, status=("error", "blocked"))) == wanted
    assert store._index.fragments.ask("select count(*) from fragment where flags & 4 <> 0") == [
        (5,)
    ]
