"""A search for a text finds what a look at every row would find, though it looks at few."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest

from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading import fragments
from exporters.duckdb.reading.mentions import mentioning, words_of
from exporters.duckdb.recording.content import Items
from exporters.duckdb.schema import LIST_SIZE
from exporters.duckdb.upkeep.compaction import compact
from exporters.search import matches
from exporters.status import TRIPWIRE
from exporters.store import TraceQuery

LARGE = "filler " * 20_000 + "needle"
TEXTS = (
    "apple pie", "APPLE", "pie crust", "role: user", "Zimt", "strasse", "straße", "größe", "e-mail",
    "needle", "filler", "t03", "T0", "tool_x", "boom 42", "Boom", "trace", "none", "None", "e", "!",
    "guardrail trip", "triggered", "ValueError", "answer 7", "nowhere", "named x", "true", "kiwi",
    "", " ", "7.5", '"', "{", "it's",
)  # fmt: skip


def later(some: list[dict[str, Any]], seconds: int) -> list[dict[str, Any]]:
    """Rows as if they were made so much later, that lists have them in several runs."""
    move = seconds * 1_000_000_000
    return [
        row | {"start_ns": row["start_ns"] + move, "end_ns": row["end_ns"] + move} for row in some
    ]


def talking(rows: Any, trace: str, **fields: Any) -> list[dict[str, Any]]:
    """A trace that says itself nothing, and its one model call."""
    return [rows.trace(trace), rows.span(trace, "m", type="generation", **fields)]


def told(rows: Any) -> list[list[dict[str, Any]]]:
    """Traces that say something in every place where a list looks."""
    user = {"role": "user", "content": "An apple pie, it's said"}
    failed = {"message": "boom 42 kiwi", "data": {"type": "ValueError"}}
    return [
        [rows.trace("t01", name="Named X", input="Straße nach Zimt", output="größe")],
        [rows.trace("t02", input={"role": "user", "n": None, "ok": True, "f": 7.5})],
        [rows.trace("t03", input=LARGE, output="answer 7")],
        talking(rows, "t04", input=(user, {"content": "with crust"}), output="e-mail"),
        talking(rows, "t05", input=(user,), output=("Zimt",)),
        [rows.trace("t06"), rows.span("t06", "a", name="tool_x", status="error", error=failed)],
        [rows.trace("t07"), rows.span("t07", "a", name="tool_x", input="apple pie")],
        [rows.trace("t08"), rows.span("t08", "a", status="error", error={"message": LARGE})],
        [rows.trace("t09"),
         rows.span("t09", "g", type="guardrail", name="kiwi", data={"triggered": True})],
        [rows.trace("t10", status="error", error={"message": "boom", "data": None})],
        [rows.trace("t11", status="error", error=None)],
        [rows.trace("t12", name="nothing")],
    ]  # fmt: skip


@pytest.mark.parametrize("compacted", [True, False])
def test_same(spool: Any, rows: Any, monkeypatch: Any, *, compacted: bool) -> None:
    """Whatever the text and wherever it stands: the same traces, in the same order, once each."""
    monkeypatch.setattr(fragments, "_RUN", 1)
    segments = [later(some, n) for n, some in enumerate(told(rows))]
    for some in segments[:-1]:
        spool.segment(some, alive=not compacted)
    if compacted:
        assert compact(spool.layout.catalog).parts
    spool.segment(segments[-1])
    with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
        everything = store.search(TraceQuery()).traces
        assert len(everything) == len(segments)
        for text in TEXTS:
            for narrower in ({}, {"status": ("error", "ok")}, {"status": ("error", "blocked")}):
                query = TraceQuery(text=text, limit=1, **narrower)
                found = [row.trace_id for row in everything if matches(row, query)]
                assert paged(store, query) == found, (text, narrower)


def paged(store: DuckDBStore, query: TraceQuery) -> list[str]:
    """The ids of all pages of a search."""
    ids, cursor = [], None
    while True:
        page = store.search(
            TraceQuery(text=query.text, status=query.status, limit=query.limit, cursor=cursor)
        )
        ids += [row.trace_id for row in page.traces]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def test_lists(spool: Any, rows: Any, monkeypatch: Any) -> None:
    """What stands in content that is named by a list of names is found."""
    monkeypatch.setattr(fragments, "_RUN", 1)
    said = tuple(
        orjson.dumps({"role": "user", "content": f"cherry{n}"}) for n in range(LIST_SIZE + 1)
    )
    items = Items()
    row = rows.span("t1", "m", type="generation") | {"input": items.wrapped(said)}
    lines = [{"k": "item", "hash": key, "value": orjson.loads(value)}
             for key, value in items.found.items()]  # fmt: skip
    name = spool.segment([row for n in range(1, 5) for row in later([rows.trace(f"t{n}")], n)])
    spool.append(name, orjson_lines(rows, [*lines, row]))
    spool.die(name)
    (part,) = compact(spool.layout.catalog).parts

    with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
        assert paged(store, TraceQuery(text=f"cherry{LIST_SIZE}", limit=1)) == ["t1"]
        found = mentioning(store._index.fragments, [spool.layout.parts / part], ["cherry0"])
    assert found == {"t1"}


def orjson_lines(rows: Any, lines: list[dict[str, Any]]) -> bytes:
    """Lines whose fragments of JSON are plain JSON."""
    return bytes(rows.encode([orjson.loads(orjson.dumps(line)) for line in lines]))


def test_words() -> None:
    """The longest words come first; what rows say without a column gives none."""
    assert words_of("The quick, brown FOX_2 jumped") == ["jumped", "brown", "quick", "fox"]
    assert words_of("no price") == ["price"]
    for text in ("", "?!", "none", TRIPWIRE[3:9], "Trace"):
        assert words_of(text) == []


def test_few(spool: Any, rows: Any, monkeypatch: Any) -> None:
    """Of traces in parts only those are worked out that have the word."""
    monkeypatch.setattr(fragments, "_RUN", 1)
    traces = [later([rows.trace(f"t{n}", input=f"word{n}x")], n) for n in range(40)]
    spool.segment([row for some in traces for row in some], alive=False)
    compact(spool.layout.catalog)
    with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
        made: list[str] = []
        rows_of = store._rows_of

        def count(ids: Any) -> Any:
            made.extend(ids)
            return rows_of(ids)

        monkeypatch.setattr(store, "_rows_of", count)
        assert paged(store, TraceQuery(text="word17x", limit=1)) == ["t17"]
        assert len(made) < 10
