"""A large store of synthetic traces, written as parts directly: a million spans in half a minute.

    python benchmarks/make_store.py [STORE] [--spans 1000000] [--part 500000] [--bytes 2000]

Each trace is a loop of an agent: the agent, two turns, and a model call and three tools in each,
eleven spans in all, one trace a second up to now. A model call's input names messages by hash, a
tool's arguments and result stand in place; `--bytes` is the size of a span's line, about.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path

import duckdb

from exporters.duckdb.layout import Layout, create
from exporters.duckdb.parts import create_tables, ensure_schema_part, workspace, write_part
from exporters.duckdb.schema import SCHEMA
from exporters.duckdb.views.catalog import ensure_catalog

SPANS = 11
_STEP_NS = 1_000_000_000

_ROWS = """
insert into record (
    k, v, rev, seq, owner, trace_id, span_id, parent_id, trace_name, group_id, metadata, name,
    type, start_ns, end_ns, status, error, model, input_tokens, output_tokens, cached_tokens,
    input, output, instructions, tools, data
)
with place as (
    select t, s, {end_ns} - ({traces} - t) * {step} + s * 50000000 as began,
        case when s < 0 then 'trace' when s = 0 then 'agent' when s % 5 = 1 then 'turn'
            when s % 5 = 2 then 'generation' else 'function' end as type
    from range({first}, {last}) as a(t), range(-1, {spans}) as b(s)
)
select
    if(s < 0, 'trace', 'span'), {schema}, 1, t * 12 + s + 2, 'bench-1-00000001',
    printf('trace_%012x', began // 1000000 - s * 50) || left(md5(t::varchar), 20),
    if(s < 0, null, 'span_' || left(md5(t || '-' || s), 24)),
    case when s <= 0 then null when type = 'turn' then 'span_' || left(md5(t || '-0'), 24)
        else 'span_' || left(md5(t || '-' || (s - 1) // 5 * 5 + 1), 24) end,
    'work ' || t % 7, 'group ' || t // 10, {{'user': 'u' || t % 100}}::json,
    if(s < 0, 'work ' || t % 7, type || ' ' || s), if(s < 0, null, type),
    began, began + if(s < 0, 600000000, 40000000), if(s = 4 and t % 20 = 0, 'error', 'ok'),
    if(s = 4 and t % 20 = 0, '{{"message":"not found","data":{{"type":"LookupError"}}}}', null),
    if(type = 'generation', 'gpt-4.1', null), if(type = 'generation', 900, null),
    if(type = 'generation', 50, null), if(type = 'generation', 100, null),
    case when type = 'trace' then '{{"value":"question ' || t || '"}}'
        when type = 'generation' then '{{"refs":["' || md5('q' || t % 50000) || '","'
            || md5('m' || t % 50000 || '-' || s) || '"]}}'
        when type = 'function' then '{{"value":"' || {text} || '"}}' end,
    case when type = 'trace' then '{{"value":"answer ' || t || '"}}'
        when type = 'generation' then '{{"refs":["' || md5('m' || t % 50000 || '-' || s) || '"]}}'
        when type = 'function' then '{{"value":"' || {text} || '"}}' end,
    if(type = 'generation', '{{"ref":"' || md5('i') || '"}}', null),
    if(type = 'generation', '{{"refs":["' || md5('d') || '"]}}', null),
    case when type = 'generation' then
            '{{"model_config":{{"temperature":0.5}},"usage":{{"input_tokens":900,"output_tokens":50}}}}'
        when type = 'turn' then '{{"agent_name":"worker","turn":' || s // 5 + 1 || '}}'
        else '{{}}' end
from place
"""
_ITEMS = """
insert into item
select md5('i'), '"be kind"' union all select md5('d'), '{{"type":"function","name":"f"}}'
union all
select md5(if(s = 0, 'q' || t, 'm' || t || '-' || s)),
    '{{"role":"' || if(s = 0, 'user', 'assistant') || '","content":"' || {text} || '"}}'
from (select distinct n % 50000 as t from range({first}, {last}) as a(n)),
    (select unnest([0, 2, 7]) as s)
"""


def make_store(store: Path, spans: int, part: int, size: int) -> int:
    """Write a store of about so many spans; says how many there are."""
    layout = Layout.of(store)
    create(layout)
    ensure_schema_part(layout)
    traces, each = -(-spans // SPANS), max(1, part // SPANS)
    now = time.time_ns()
    for first in range(0, traces, each):
        with workspace(layout) as (con, _):
            con.execute("set preserve_insertion_order = false")
            _fill(con, first, min(first + each, traces), traces, now, size)
            write_part(con, layout, ())
    ensure_catalog(layout)
    return traces * SPANS


def _fill(
    con: duckdb.DuckDBPyConnection, first: int, last: int, traces: int, now: int, size: int
) -> None:
    create_tables(con)
    # Any place of a real text, so that it compresses about as well as talk does.
    files = sorted(Path(argparse.__file__).parent.glob("*.py"))
    said = "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    corpus = re.sub(r"[^ -~]|[\"\\]", " ", said)[:4_000_000]
    con.execute("set variable corpus = ?", [corpus])
    length = max(20, (size - 700) // 2)
    text = (
        f"t || ' ' || s || ' ' || substr(getvariable('corpus'), "
        f"1 + (hash(t * 31 + s) % {len(corpus) - length})::bigint, {length})"
    )
    marks = {"first": first, "last": last, "traces": traces, "end_ns": now, "step": _STEP_NS,
             "spans": SPANS, "schema": SCHEMA, "text": text}  # fmt: skip
    con.execute(_ROWS.format(**marks))
    con.execute(_ITEMS.format(**marks))


def main() -> None:
    """Make one store, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", type=Path, nargs="?", help="without it, one that is gone again")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--part", type=int, default=500_000, help="spans a part")
    parser.add_argument("--bytes", type=int, default=2000, help="of a span's line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flightlog-bench-") as place:
        store = options.store or Path(place) / "traces.duckdb"
        began = time.perf_counter()
        spans = make_store(store, options.spans, options.part, options.bytes)
        seconds = time.perf_counter() - began
        size = sum(
            path.stat().st_size for path in Layout.of(store).root.rglob("*") if path.is_file()
        )
    print(json.dumps({"benchmark": "make_store", "spans": spans, "bytes": size,
                      "bytes_a_span": round(size / spans), "seconds": round(seconds)}))  # fmt: skip


if __name__ == "__main__":
    main()
