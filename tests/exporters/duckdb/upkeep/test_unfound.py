"""What rows name and is not there is counted by trace."""

from __future__ import annotations

import duckdb
import orjson

from exporters.duckdb.upkeep.unfound import unfound

A, B, C = (digit * 32 for digit in "abc")
ROWS = [
    ("t1", "span", {"ref": A}, None),
    ("t1", "span", {"refs": [B, A]}, {"$ref": C}),
    ("t2", "span", {"lists": [B], "refs": [C]}, {"$ref": "its user's own"}),
    ("t3", "span", {"value": {"ref": A, "refs": [B]}}, {"n": 1}),
    ("t4", "trace", None, None),
    ("t5", "loss", {"ref": A}, None),
]


def test_unfound() -> None:
    """Each value counts once a trace, in whatever form it is named; what is there does not."""
    with duckdb.connect() as con:
        con.execute(
            "create table record (trace_id varchar, k varchar, input json, output json, "
            "instructions json, tools json, metadata json, error json, data json)"
        )
        for trace, kind, input_, data in ROWS:
            texts = [
                None if value is None else orjson.dumps(value).decode() for value in (input_, data)
            ]
            con.execute(
                "insert into record by name select ? as trace_id, ? as k, ? as input, ? as data",
                [trace, kind, *texts],
            )
        con.execute("create table item as select unnest(?::varchar[]) as hash", [[C]])

        assert unfound(con) == {"t1": 2, "t2": 1}
