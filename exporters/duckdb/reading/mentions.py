"""Which traces may mention a text: a look at columns, where a row made of each trace takes minutes.

A list shows what JSON says rather than the JSON, so a text with spaces or marks may stand in it in
another form. Its words stand in it as they are, and are what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from exporters.duckdb import layout as folder
from exporters.duckdb.parts import listed
from exporters.duckdb.reading.fragments import Fragments
from exporters.search import MODEL_CALLS
from exporters.status import TRIPWIRE

_WORD = re.compile(r"[a-z0-9]+")
_MOST_WORDS = 4
# What rows say that no column does: the cause of a trace that gives none, and JSON's null.
_CAUSES = (TRIPWIRE.casefold(), "trace")
_NULL = "none"
_TALKS = f"(k = 'trace' or type in {tuple(sorted(MODEL_CALLS))})"
_FAILS = "(k = 'trace' or status = 'error' or type = 'guardrail')"


def words_of(text: str) -> list[str]:
    """The words to look for, the longest first; none where columns cannot tell who says it."""
    wanted = text.casefold()
    if any(wanted in cause for cause in _CAUSES):
        return []
    words = {word for word in _WORD.findall(wanted) if word not in _NULL}
    return sorted(words, key=lambda word: (-len(word), word))[:_MOST_WORDS]


def mentioning(fragments: Fragments, parts: Collection[Path], words: Sequence[str]) -> set[str]:
    """Ids of the traces in parts that may mention a text of these words; some of them may not.

    Raises:
        duckdb.Error: If a part cannot be read.
    """
    if not parts:
        return set()
    rows = listed([path / name for path in parts for name in (folder.DATA, folder.OPEN)])
    records = f"read_parquet({rows}, union_by_name = true) where k in ('span', 'trace')"
    summaries = listed([path / folder.TRACES for path in parts])
    items = listed([path / folder.ITEMS for path in parts])
    found: set[str] = set()
    for query in (
        f"select trace_id from read_parquet({summaries}) "
        f"where {_have(('trace_id', 'name'), words)}",
        f"select distinct trace_id from {records} and {_FAILS} and "
        f"({_have(('name', 'error'), words)} or contains(error::varchar, '$ref'))",
        f"select distinct trace_id from {records} and {_TALKS} and "
        f"{_have(('input', 'output'), words)}",
        _naming(records, items, words),
    ):
        found.update(trace_id for (trace_id,) in fragments.ask(query))
    return found


def _naming(records: str, items: str, words: Sequence[str]) -> str:
    """Who names shared content that has the longest word, by itself or in a list of names.

    The others may be in other content: what was said to a model is in several pieces.
    """
    inline = "starts_with({}::varchar, '{{\"value\":')"
    said = "concat_ws('\"', input::varchar, output::varchar)"
    return f"""
    with item as (select hash, value::varchar as value from read_parquet({items})),
    hit as materialized (select hash from item where {_have(("value",), words[:1])}),
    named as materialized (
        from hit union
        select hash from (
            select hash, unnest(string_split(value, '"')) as name from item
            where starts_with(value, '["') and exists(from hit)
        ) where name in (from hit)
    )
    select distinct trace_id from (
        select trace_id, unnest(string_split({said}, '"')) as name from {records}
        and {_TALKS} and not ({inline.format("input")} and {inline.format("output")})
        and exists(from hit)
    ) where name in (from named)
    """


def _have(columns: Sequence[str], words: Sequence[str]) -> str:
    """Whether any of these columns has all the words, which are of plain letters and digits."""
    alternatives = []
    for column in columns:
        # As str.casefold does with whatever becomes letters of ASCII.
        folded = f"replace(lower({column}::varchar), 'ß', 'ss')"
        alternatives.append(" and ".join(f"contains({folded}, '{word}')" for word in words))
    return f"({' or '.join(alternatives)})"
