"""How fast a large store is read, beside SQLite and DuckDB with the same rows; used by `store.py`.

SQLite and DuckDB have what one would give them: a table of traces and one of spans with whole
inputs and outputs, and, in SQLite, indexes on the start and on the trace. All three answer with
what a list or a page shows. Each figure is of several questions, the files being in the system's
cache; `times_…` are ratios of the least, above 1 where flightlog is quicker.
"""

from __future__ import annotations

import contextlib
import random
import resource
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import make_store

from exporters.duckdb.layout import Layout
from exporters.duckdb.local import DuckDBStore
from exporters.store import TraceQuery

PART_SPANS = 500_000
LINE_BYTES = 2000
NEEDLE = "needle 4711"  # is nowhere, so that all has to be read
COLUMNS = (
    "trace_id", "span_id", "parent_id", "name", "type", "start_ns", "end_ns", "status", "error",
    "model", "input_tokens", "output_tokens", "input", "output",
)  # fmt: skip
_TYPES = {"start_ns": "bigint", "end_ns": "bigint", "input_tokens": "bigint",
          "output_tokens": "bigint"}  # fmt: skip
_TABLE = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in COLUMNS)
# Rows with what they name by hash put in place, as they would be written by hand.
_WHOLE = """
with mention as (
    select trace_id, span_id, field, unnest(from_json(said -> 'refs', '["VARCHAR"]')) as hash,
        generate_subscripts(from_json(said -> 'refs', '["VARCHAR"]'), 1) as place
    from (
        select trace_id, span_id, unnest(['input', 'output']) as field,
            unnest([input, output]) as said
        from read_parquet('{part}/data.parquet') where type = 'generation'
    )
),
content as (
    select trace_id, span_id,
        string_agg(value, ',' order by place) filter (where field = 'input') as input,
        string_agg(value, ',' order by place) filter (where field = 'output') as output
    from mention join read_parquet('{part}/items.parquet') using (hash)
    group by trace_id, span_id
)
select {columns},
    coalesce('[' || c.input || ']', r.input ->> 'value'),
    coalesce('[' || c.output || ']', r.output ->> 'value')
from read_parquet('{part}/data.parquet') as r
left join content as c on c.trace_id = r.trace_id and c.span_id = r.span_id
"""
_NEWEST = """
select t.trace_id, t.name, t.start_ns, t.end_ns, substr(t.input, 1, 400), substr(t.output, 1, 400),
    count(*), sum(s.input_tokens), sum(s.output_tokens), sum((s.status = 'error')::int),
    max(s.model)
from (select * from traces order by start_ns desc limit 50) as t
join spans as s on s.trace_id = t.trace_id
group by all order by t.start_ns desc
"""
_NEWEST_SQLITE = _NEWEST.replace("::int", "").replace("group by all", "group by t.trace_id")
_SKELETON = f"select {', '.join(COLUMNS[:-2])} from spans where trace_id = ? order by start_ns"
_SEARCH = "select count(*) from spans where contains(input, ?)"
_SEARCH_SQLITE = "select count(*) from spans where instr(input, ?) > 0"


class Took(NamedTuple):
    """Milliseconds of several runs: on a machine with other work, the least says more."""

    median: float
    least: float


def took(ask: Callable[[], object], times: int = 15) -> Took:
    """How long runs take after one that warms up."""
    ask()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    return Took(statistics.median(taken), min(taken))


def measure_ours(path: Path) -> tuple[dict[str, Took], list[str]]:
    """Figures of flightlog, and ids of traces to ask for."""
    page = TraceQuery(limit=50)

    def anew() -> None:
        with contextlib.closing(DuckDBStore(path)) as store:
            store.search(page)

    with contextlib.closing(DuckDBStore(path)) as store:
        found = store.search(page)
        ids = [trace.trace_id for trace in found.traces]

        def turn() -> None:  # the next page, whose rows nobody has asked for
            nonlocal found
            found = store.search(TraceQuery(limit=50, cursor=found.next_cursor))
            ids.extend(trace.trace_id for trace in found.traces)

        figures = {"newest_50_next_page": took(turn, 25)}
        figures["newest_50"] = took(lambda: store.search(page))
        figures["newest_50_new_store"] = took(anew, 7)
        chance = random.Random(7)
        figures["skeleton"] = took(lambda: store.spans(chance.choice(ids)), 40)
        searching = f"SELECT count(*) FROM search('{NEEDLE}'{{}})"
        inputs = searching.format(", within := 'input'")
        figures["search_inputs"] = took(lambda: store.sql(inputs, timeout=300), 3)
        anywhere = searching.format("")
        figures["search_anywhere"] = took(lambda: store.sql(anywhere, timeout=300), 3)
        rare = anywhere.replace(NEEDLE, "4711 2 ")
        figures["search_rare"] = took(lambda: store.sql(rare, timeout=300), 3)
    return figures, ids


def fill(store: Path, native: Path, sqlite: Path) -> None:
    """Give both baselines the rows of a store."""
    parts = sorted(Layout.of(store).parts.glob("p-*"))
    columns = ", ".join(f"r.{name}" for name in COLUMNS[:-2])
    target = sqlite3.connect(sqlite, isolation_level=None)
    target.execute("pragma journal_mode = wal")
    target.execute("pragma synchronous = normal")
    holes = ", ".join("?" * len(COLUMNS))
    with duckdb.connect(str(native)) as con, contextlib.closing(target):
        con.execute("set memory_limit = '4GB'")
        for table in ("traces", "spans"):
            con.execute(f"create table {table} ({_TABLE})")
            target.execute(f"create table {table} ({_TABLE})")
        for part in parts:
            con.execute("create or replace temp table whole as " + _WHOLE.format(
                part=part, columns=columns))  # fmt: skip
            for table, kind in (("traces", "trace"), ("spans", "span")):
                test = f"span_id is {'null' if kind == 'trace' else 'not null'}"
                con.execute(f"insert into {table} from whole where {test} order by start_ns")
                rows = con.execute(f"from whole where {test} order by start_ns")
                target.execute("begin")
                while some := rows.fetchmany(20_000):
                    target.executemany(f"insert into {table} values ({holes})", some)
                target.execute("commit")
        con.execute("drop table whole")
        target.execute("create index started on traces (start_ns)")
        target.execute("create index of_trace on spans (trace_id)")
        target.execute("analyze")


def measure_baseline(
    ask: Callable[[str, Sequence[Any]], list[Any]], newest: str, search: str, ids: Sequence[str]
) -> dict[str, Took]:
    """Figures of a baseline."""
    chance = random.Random(7)
    assert len(ask(newest, ())) == 50
    return {
        "newest_50": took(lambda: ask(newest, ())),
        "skeleton": took(lambda: ask(_SKELETON, [chance.choice(ids)]), 40),
        "search_inputs": took(lambda: ask(search, [NEEDLE]), 3),
    }


def measure(place: Path, spans: int, *, beside: bool) -> list[dict[str, Any]]:
    """Figures and ratios, one dict a question; without `beside` those of flightlog alone."""
    path = place / "traces.duckdb"
    count = make_store.make_store(path, spans, PART_SPANS, LINE_BYTES)
    ours, ids = measure_ours(path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before it is others'
    sqlite: dict[str, Took] = {}
    native: dict[str, Took] = {}
    if beside:
        files = place / "native.duckdb", place / "sqlite.db"
        fill(path, *files)
        with contextlib.closing(sqlite3.connect(files[1])) as rows:
            sqlite = measure_baseline(
                lambda sql, given: rows.execute(sql, given).fetchall(),
                _NEWEST_SQLITE, _SEARCH_SQLITE, ids,
            )  # fmt: skip
        with duckdb.connect(str(files[0]), read_only=True, config={"threads": 2}) as con:
            native = measure_baseline(
                lambda sql, given: con.execute(sql, given).fetchall(), _NEWEST, _SEARCH, ids
            )
    lines: list[dict[str, Any]] = []
    for question, own in ours.items():
        line = {"question": question, "spans": count, "ms": own.median, "least_ms": own.least}
        same = question.removesuffix("_new_store").removesuffix("_next_page")
        for name, figures in (("sqlite", sqlite), ("duckdb", native)):
            if same in figures:
                line[f"{name}_ms"] = figures[same].median
                line[f"{name}_least_ms"] = figures[same].least
                line[f"times_{name}"] = figures[same].least / own.least
        lines.append(line)
    return [*lines, {"question": "memory", "spans": count, "reader_mb": memory}]
