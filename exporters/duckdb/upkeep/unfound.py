"""Content that rows name and that is nowhere: what the loss of a file of items costs.

Rows name content by hash (see `recording.content`), and a source has all that its rows name. So
what is named and not there was lost, and every trace that names it lacks it.
"""

from __future__ import annotations

import duckdb

NO_CONTENT = "damaged part: content"
_CONTENT = ("input", "output", "instructions", "tools")
_IN_PLACE = ("metadata", "error", "data")
_NAMES = """
    select trace_id, unnest(list_concat(
        [json_extract_string({0}, '$.ref')],
        json_extract_string({0}, '$.refs[*]'), json_extract_string({0}, '$.lists[*]')
    )) as name
    from record where k in ('span', 'trace') and {0} is not null and not json_exists({0}, '$.value')
"""
_NAME = """
    select trace_id, json_extract_string({0}, '$."$ref"') as name
    from record where k in ('span', 'trace') and {0} is not null
"""


def unfound(con: duckdb.DuckDBPyConnection) -> dict[str | None, int]:
    """How many values each trace of `record` names that `item` does not have.

    A list of names that is lost counts once, whatever it named.
    """
    named = " union all ".join(
        [_NAMES.format(column) for column in _CONTENT]
        + [_NAME.format(column) for column in _IN_PLACE]
    )
    found = con.execute(
        f"select trace_id, count(distinct name) from ({named}) as named "
        "where regexp_full_match(name, '[0-9a-f]{32}') "
        "and not exists (select 1 from item where item.hash = named.name) group by 1"
    ).fetchall()
    return {trace: int(count) for trace, count in found}
