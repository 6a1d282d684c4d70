"""Records of a store, whole, one after the other, in bounded memory.

Traces come in order of their start, each as its own record, its spans in order of theirs, and its
losses and deliveries; losses of no trace come last. Content is put back in from the items that
rows refer to; what the store no longer has of it is marked as rows of the viewer mark it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from exporters.duckdb import scratch
from exporters.duckdb.layout import Layout
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.schema import RECORD
from exporters.record import CountRecord, Kept
from tracer.encoding import decode
from tracer.snapshot import Content, SpanRecord, TraceRecord, Usage

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
COLUMNS = ", ".join(f'"{field.name}"' for field in RECORD)
_HASH = re.compile(r"[0-9a-f]{32}")
_VALUE = '{"value":'
_MISSING = b'{"flightlog.lost":"content not found"}'
_TRACES = 200  # traces that are asked for at once
_ROWS = 500  # rows that are held at once
_SINGLES = 16  # values over 64 KiB that are held at once
_KEPT_BYTES = 32 * 1024 * 1024  # items of the last rows that are kept for the next ones
_LARGE = {"$ref", "message", "data"}
_CONTENT = ("input", "output", "instructions", "tools")
_IN_PLACE = ("metadata", "error", "data")
_INDEX = """
select trace_id, count(*) from _records where trace_id is not null {only}
group by trace_id
order by coalesce(min(nullif(start_ns, 0)) filter (where k in ('span', 'trace')), 0), trace_id
"""
_PLACES = """
select k, trace_id, span_id, owner, seq from _records where trace_id in ({marks})
order by {order}
"""
_BY_PLACE = """
select {columns}, source from _records where trace_id in ({marks}) {slice}
order by {order}
"""
_REST = (
    "select {columns}, source from _records where trace_id is null order by start_ns, owner, seq"
)
_ORDER = "trace_id, k <> 'trace', k <> 'span', start_ns, span_id, owner, seq"
_ITEMS = """
select hash, value from _items
where source = ? and hash in (select unnest(?::varchar[]))
"""


class Row(NamedTuple):
    """A row as the store keeps it, and the file that holds its items."""

    fields: dict[str, Any]
    source: str


def read_records(layout: Layout, trace_ids: Collection[str] | None = None) -> Iterator[Kept]:
    """Every record of these traces, or of the whole store.

    Raises:
        StoreError: If the store cannot be read.
    """
    folder = scratch.made()  # a backlog may be larger than memory
    reader = Reader(layout, spill=None if folder is None else folder.path)
    items = Items(reader.query)
    only = next(iter(trace_ids)) if trace_ids is not None and len(trace_ids) == 1 else None
    try:
        reader.refresh()
        reader.gather(only)
        for rows in _slices(reader, trace_ids):
            yield from whole(rows, items)
    finally:
        reader.close()
        if folder is not None:
            folder.close()


def dead_owners(layout: Layout) -> list[str]:
    """Owners that left something open and are gone."""
    reader = Reader(layout)
    try:
        reader.refresh()
        return [owner for (owner,) in reader.query("select owner from _gone order by owner")]
    finally:
        reader.close()


def _slices(reader: Reader, trace_ids: Collection[str] | None) -> Iterator[list[Row]]:
    """Rows in order, at most so many at once."""
    index = _index(reader, trace_ids)
    batch: list[str] = []
    size = 0
    for trace_id, count in index:
        if batch and (size + count > _ROWS or len(batch) == _TRACES):
            yield _ask(reader, batch)
            batch, size = [], 0
        if count > _ROWS:
            yield from _large(reader, trace_id)
        else:
            batch.append(trace_id)
            size += count
    if batch:
        yield _ask(reader, batch)
    if trace_ids is None:
        rows = rows_of(reader.query(_REST.format(columns=COLUMNS)))
        for start in range(0, len(rows), _ROWS):
            yield rows[start : start + _ROWS]


def _index(reader: Reader, trace_ids: Collection[str] | None) -> Iterable[tuple[str, int]]:
    if trace_ids is None:
        return cast(list[tuple[str, int]], reader.query(_INDEX.format(only="")))
    only = "and trace_id in (select unnest(?::varchar[]))"
    return cast(list[tuple[str, int]], reader.query(_INDEX.format(only=only), [list(trace_ids)]))


def _ask(reader: Reader, trace_ids: Sequence[str]) -> list[Row]:
    # Ids stand in the text as parameters, so that they prune what is read.
    marks = ", ".join("?" * len(trace_ids))
    query = _BY_PLACE.format(columns=COLUMNS, marks=marks, slice="", order=_ORDER)
    place = {trace_id: number for number, trace_id in enumerate(trace_ids)}
    rows = rows_of(reader.query(query, list(trace_ids)))
    return sorted(rows, key=lambda row: place[row.fields["trace_id"]])


def _large(reader: Reader, trace_id: str) -> Iterator[list[Row]]:
    """A trace of many rows: first where they are, then some of them at a time."""
    places = reader.query(_PLACES.format(marks="?", order=_ORDER), [trace_id])
    rest = [place for place in places if place[0] != "span"]
    spans = [place[2] for place in places if place[0] == "span"]
    if rest:
        query = _BY_PLACE.format(columns=COLUMNS, marks="?", slice="and k <> 'span'", order=_ORDER)
        yield rows_of(reader.query(query, [trace_id]))
    query = _BY_PLACE.format(
        columns=COLUMNS,
        marks="?",
        slice="and k = 'span' and span_id in (select unnest(?::varchar[]))",
        order=_ORDER,
    )
    for start in range(0, len(spans), _ROWS):
        yield rows_of(reader.query(query, [trace_id, spans[start : start + _ROWS]]))


def rows_of(found: Iterable[tuple[Any, ...]]) -> list[Row]:
    """Rows of a query for `COLUMNS` and the source."""
    names = [field.name for field in RECORD]
    return [Row(dict(zip(names, row[:-1], strict=True)), row[-1]) for row in found]


class Items:
    """Items by hash: those of the rows at hand, and small ones of the rows before them.

    They are asked for by `query`, of a relation `_items`.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._held: dict[str, bytes] = {}
        self._size = 0

    def hold(self, source: str, names: Collection[str]) -> None:
        """Read what is not held yet."""
        missing = sorted(set(names) - self._held.keys())
        if missing:
            found = self._query(_ITEMS, [source, missing])
            for name, value in found:
                self._held[name] = b"null" if value is None else value.encode()
                self._size += len(self._held[name])

    def get(self, name: str) -> bytes | None:
        """The JSON of an item; None where the store does not have it."""
        return self._held.get(name)

    def tidy(self) -> None:
        """Let go where much is held."""
        if self._size > _KEPT_BYTES:
            self._held.clear()
            self._size = 0


def whole(rows: Sequence[Row], items: Items) -> Iterator[Kept]:
    """Rows as records, with their content."""
    for some in _groups(rows):
        for level in (_lists_of, _names_of):
            wanted: dict[str, set[str]] = {}
            for row in some:
                wanted.setdefault(row.source, set()).update(level(row.fields, items))
            for source, names in wanted.items():
                items.hold(source, names)
        for row in some:
            yield _kept(row.fields, items)
        items.tidy()


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows whose large values may be held together."""
    group: list[Row] = []
    single: set[str] = set()
    for row in rows:
        own = set(_singles_of(row.fields))
        if group and len(single | own) > _SINGLES:
            yield group
            group, single = [], set()
        group.append(row)
        single |= own
    if group:
        yield group


def _said(text: str | None) -> Mapping[str, Any]:
    """What a column of content says, without a look into what is in place."""
    if text is None or not text.startswith(('{"ref', '{"lists"')):
        return {}
    said = decode(text)
    return said if isinstance(said, dict) else {}


def _singles_of(fields: Mapping[str, Any]) -> Iterator[str]:
    for column in _CONTENT:
        name = _said(fields[column]).get("ref")
        if isinstance(name, str):
            yield name
    for column in _IN_PLACE:
        name = _large_name(fields[column])
        if name is not None:
            yield name


def _lists_of(fields: Mapping[str, Any], _items: Items) -> Iterator[str]:
    for column in _CONTENT:
        yield from _said(fields[column]).get("lists", ())


def _names_of(fields: Mapping[str, Any], items: Items) -> Iterator[str]:
    yield from _singles_of(fields)
    for column in _CONTENT:
        yield from _elements(_said(fields[column]), items)


def _elements(said: Mapping[str, Any], items: Items) -> Iterator[str]:
    """Hashes of a list's elements, those that go by lists first."""
    for name in said.get("lists", ()):
        yield from decode(items.get(name) or b'["?"]')  # a list that is lost is one lost element
    yield from said.get("refs", ())


def _large_name(text: str | None) -> str | None:
    """The hash that stands for a value over 64 KiB in a column that keeps values in place."""
    if text is None or not text.startswith('{"$ref"'):
        return None
    said = decode(text)
    name = said.get("$ref")
    known = isinstance(name, str) and _HASH.fullmatch(name) and said.keys() <= _LARGE
    return cast(str, name) if known else None


def _in_place(text: str | None, items: Items) -> bytes | None:
    if text is None:
        return None
    name = _large_name(text)
    found = None if name is None else items.get(name)
    return text.encode() if found is None else found


def _content(text: str | None, items: Items) -> Content:
    if text is None:
        return None
    said = _said(text)
    if "refs" in said or "lists" in said:
        return tuple([items.get(name) or _MISSING for name in _elements(said, items)])
    if "ref" in said:
        return items.get(said["ref"]) or _MISSING
    if text.startswith(_VALUE) and text.endswith("}"):
        return text[len(_VALUE) : -1].encode()
    return _MISSING


def _kept(fields: Mapping[str, Any], items: Items) -> Kept:
    kind, owner, seq = fields["k"], fields["owner"] or "", fields["seq"] or 0
    if kind == "trace":
        return Kept(_trace(fields, items), owner, seq)
    if kind == "span":
        return Kept(_span(fields, items), owner, seq)
    names = CountRecord._fields[1:]
    return Kept(CountRecord(kind, *(fields[name] for name in names)), owner, seq)


def _trace(fields: Mapping[str, Any], items: Items) -> TraceRecord:
    return TraceRecord(
        trace_id=fields["trace_id"],
        name=fields["name"] or "",
        group_id=fields["group_id"],
        metadata=_in_place(fields["metadata"], items),
        start_ns=fields["start_ns"] or 0,
        end_ns=fields["end_ns"],
        status=fields["status"] or "ok",
        error=_in_place(fields["error"], items),
        input=_single(_content(fields["input"], items)),
        output=_single(_content(fields["output"], items)),
    )


def _span(fields: Mapping[str, Any], items: Items) -> SpanRecord:
    content = {name: _content(fields[name], items) for name in _CONTENT}
    return SpanRecord(
        trace_id=fields["trace_id"],
        span_id=fields["span_id"] or "",
        parent_id=fields["parent_id"],
        trace_name=fields["trace_name"],
        group_id=fields["group_id"],
        metadata=_in_place(fields["metadata"], items),
        name=fields["name"] or "",
        type=fields["type"] or "custom",
        start_ns=fields["start_ns"] or 0,
        end_ns=fields["end_ns"],
        status=fields["status"] or "ok",
        error=_in_place(fields["error"], items),
        model=fields["model"],
        usage=Usage(*(fields[name] for name in Usage._fields)),
        **content,
        data=_in_place(fields["data"], items) or b"{}",
        attributes=dict(fields["attributes"] or {}),
        first_token_ns=fields["first_token_ns"],
    )


def _single(content: Content) -> bytes | None:
    if isinstance(content, tuple):
        return b"[" + b",".join(content) + b"]"
    return content
