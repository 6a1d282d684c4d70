"""The table of fragments: which part or segment has something of which trace, and from when.

A fragment is what one source has of one trace. A store of ten million spans has about a million
of them, some 100 MB in memory, and every question a list asks is one pass over a column or two.
Beyond that the table is spilled to a private folder.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from exporters.duckdb import scratch
from exporters.duckdb.parts import listed, quoted
from exporters.duckdb.reading.tail import ENDED, OPEN, TROUBLE, Piece

MEMORY = "256MB"
_SPILL_ROWS = 200_000
_RUN = 64
_LATEST = 2**63 - 1
_REBUILD_ROWS = 100_000
_REFINE_FROM = 200
_NAMED = "(hash({0}) & 4294967295)::uinteger"
_START = "coalesce(min(nullif(start_ns, 0)), 0)"
_FRAGMENT = """
key ubigint, source integer, start_ns bigint, end_ns bigint, spans uinteger, flags utinyint,
name uinteger, grp uinteger, trace_id varchar, places blob
"""


class Found(NamedTuple):
    """A trace in the order of lists."""

    start_ns: int
    trace_id: str


class Place(NamedTuple):
    """A source that has something of a trace; `places` are those of its lines in a segment."""

    source: int
    start_ns: int
    end_ns: int
    spans: int
    flags: int
    places: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """What a list is narrowed to before rows are worked out; it may let through too much.

    Attributes:
        name: The trace's name.
        group: The trace's group.
        flags: Traces with any of TROUBLE and OPEN (here: no source has their end), if not 0.
        since: The earliest start.
        until: The latest start.
    """

    name: str | None = None
    group: str | None = None
    flags: int = 0
    since: int | None = None
    until: int | None = None


def of_summary(path: Path) -> str:
    """The summary that a part has."""
    return f"select * from read_parquet({quoted(path)})"


def of_rows(paths: Collection[Path]) -> str:
    """The summary that a part's rows make, for a part of schema 1, which has none."""
    return (
        "select trace_id, coalesce(any_value(name) filter (where k = 'trace'), "
        "any_value(trace_name)) as name, any_value(group_id) as group_id, "
        "count(*) filter (where k = 'span') as spans, "
        f"{_START} as start_ns, max(end_ns) as end_ns, "
        "bool_or(k = 'trace' and end_ns is not null) as ended, bool_or(end_ns is null) as open, "
        "bool_or(coalesce(status = 'error' or type = 'guardrail', false)) as trouble "
        f"from read_parquet({listed(paths)}, union_by_name = true) "
        "where k in ('span', 'trace') and trace_id is not null group by trace_id"
    )


class Fragments:
    """The table. Many threads may read while one writes."""

    def __init__(self) -> None:
        self._database = duckdb.connect(
            ":memory:",
            config={
                "threads": 2,
                "memory_limit": MEMORY,
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        # It would go to stdout, which is the user's.
        self._database.execute("set enable_progress_bar = false")
        self._database.execute("set global parquet_metadata_cache = true")
        self._database.execute(f"create table fragment ({_FRAGMENT})")
        self._local = threading.local()
        self._dead = self._rows = 0
        self._spill: scratch.Scratch | None = None
        self._spills = False

    def close(self) -> None:
        """Let go of memory and of what was spilled."""
        self._database.close()
        if self._spill is not None:
            self._spill.close()

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query, on this thread's own cursor."""
        try:
            return self.cursor().execute(sql, parameters).fetchall()
        except UnicodeDecodeError as error:  # the message quotes what a damaged file holds
            text = bytes(error.object).decode("utf-8", "replace")
            raise duckdb.InvalidInputException(text) from error

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._database.cursor()
        return cursor

    def add_pieces(self, source: int, pieces: Mapping[str, Piece]) -> None:
        """What a chunk of a segment has."""
        if not pieces:
            return
        values = list(pieces.values())
        self.ask(
            f"insert into fragment select hash(t), {source}, s, e, n, f, {_NAMED.format('na')}, "
            f"{_NAMED.format('g')}, t, p from (select unnest($1::varchar[]) as t, "
            "unnest($2::bigint[]) as s, unnest($3::bigint[]) as e, unnest($4::uinteger[]) as n, "
            "unnest($5::utinyint[]) as f, unnest($6::varchar[]) as na, "
            "unnest($7::varchar[]) as g, unnest($8::blob[]) as p)",
            [
                list(pieces),
                [piece.start for piece in values],
                [piece.end for piece in values],
                [len(piece.ended - {""}) for piece in values],
                [piece.flags | (OPEN if piece.began else 0) for piece in values],
                [piece.name for piece in values],
                [piece.group for piece in values],
                [piece.places() for piece in values],
            ],
        )
        self._grew(len(values))

    def add_part(self, source: int, rows: str, still: Mapping[str, int]) -> None:
        """What a part has.

        Args:
            source: The part's number.
            rows: What gives its summary in SQL: `of_summary` or `of_rows`.
            still: How many of its spans of a trace are open; they are counted elsewhere.

        Raises:
            duckdb.Error: If a file cannot be read.
        """
        counted, beside = "t.spans", ""
        given: list[Any] = []
        if still:
            counted = "greatest(t.spans - coalesce(o.spans, 0), 0)"
            beside = (
                "left join (select unnest(?::varchar[]) as trace_id, "
                "unnest(?::bigint[]) as spans) as o on o.trace_id = t.trace_id "
            )
            given = [list(still), list(still.values())]
        # The newest first: who wants the newest ones then soon has them, and passes the others by.
        ((added,),) = self.ask(
            f"insert into fragment select hash(t.trace_id), {source}, t.start_ns, "
            f"coalesce(t.end_ns, 0), {counted}, "
            f"t.ended::int * {ENDED} + t.open::int * {OPEN} + t.trouble::int * {TROUBLE}, "
            f"{_NAMED.format('t.name')}, {_NAMED.format('t.group_id')}, t.trace_id, null "
            f"from ({rows}) as t {beside}order by t.start_ns desc",
            given,
        )
        self._grew(added)

    def refine(self, source: int, rows: Path) -> None:
        """Take the mark of trouble from traces of a part whose every error was handled.

        That is where only tool calls failed, each below a span that did not. A search for failed
        traces then has not to work out the rows of all those in which a tool failed.

        Raises:
            duckdb.Error: If the part cannot be read.
        """
        ((marked,),) = self.ask(
            f"select count(*) from fragment where source = ? and flags & {TROUBLE} <> 0", [source]
        )
        if marked < _REFINE_FROM:
            return
        data = f"read_parquet({quoted(rows)})"
        self.ask(
            f"update fragment set flags = flags & {ENDED | OPEN} where source = ? "
            f"and flags & {TROUBLE} <> 0 and trace_id not in (select b.trace_id from ("
            f"select trace_id, parent_id, type in ('function', 'mcp_tools') as tool from {data} "
            "where status = 'error' or (type = 'guardrail' and "
            "(contains(data, '\"triggered\":true') or contains(data, '$ref')))) as b "
            f"left join (select trace_id, span_id from {data} where k = 'span' and "
            "status <> 'error') as p on p.trace_id = b.trace_id and p.span_id = b.parent_id "
            "where b.trace_id is not null and (p.span_id is null or not coalesce(b.tool, false)))",
            [source],
        )

    def close_part(self, source: int) -> None:
        """A part whose open rows are not to be read."""
        self.ask(
            f"update fragment set flags = flags & {ENDED | TROUBLE} where source = ?", [source]
        )

    def drop(self, sources: Collection[int]) -> list[str]:
        """Take sources out; gives the traces that nothing else has."""
        if not sources:
            return []
        dead = ", ".join(map(str, sources))
        gone = self.ask(
            f"select distinct trace_id from fragment where source in ({dead}) and key not in "
            f"(select key from fragment where source not in ({dead}))"
        )
        ((count,),) = self.ask(f"select count(*) from fragment where source in ({dead})")
        self.ask(f"delete from fragment where source in ({dead})")
        self._dead += count
        self._rows -= count
        # Memory of deleted rows comes back slowly by itself; a new table gives it back at once.
        if self._dead > max(_REBUILD_ROWS, self._rows):
            self.ask("create or replace table fragment as from fragment")
            self._dead = 0
        return [trace_id for (trace_id,) in gone]

    def traces_of(self, sources: Iterable[int]) -> list[str]:
        """Ids of the traces that sources have something of."""
        wanted = ", ".join(map(str, sources))
        if not wanted:
            return []
        rows = self.ask(f"select distinct trace_id from fragment where source in ({wanted})")
        return [trace_id for (trace_id,) in rows]

    def places(self, trace_ids: Collection[str]) -> dict[str, list[Place]]:
        """Where something of traces is; those that are unknown are left out."""
        if len(trace_ids) == 1:
            where = "key = hash(?::varchar) and trace_id = ?"
            given: list[Any] = list(trace_ids) * 2
        else:
            where = "key in (select hash(unnest(?::varchar[])))"
            given = [list(trace_ids)]
        rows = self.ask(
            "select trace_id, source, start_ns, end_ns, spans, flags, places from fragment "
            f"where {where}",
            given,
        )
        found: dict[str, list[Place]] = {}
        wanted = set(trace_ids)
        for trace_id, *place in rows:
            if trace_id in wanted:
                found.setdefault(trace_id, []).append(Place(*place))
        return found

    def is_known(self, trace_id: str) -> bool:
        """Whether any source has something of a trace."""
        return bool(
            self.ask(
                "select 1 from fragment where key = hash(?::varchar) and trace_id = ? limit 1",
                [trace_id, trace_id],
            )
        )

    def counts(self) -> tuple[int, int]:
        """How many traces there are, and how many spans that ended."""
        ((traces, spans),) = self.ask(
            "select count(distinct key), coalesce(sum(spans), 0)::bigint from fragment"
        )
        return traces, spans

    def since(self, moment_ns: int) -> list[str]:
        """Traces that started or ended at or after a moment, the one that did first foremost."""
        rows = self.ask(
            "select trace_id from fragment where greatest(start_ns, end_ns) >= ? "
            "group by trace_id order by max(greatest(start_ns, end_ns))",
            [moment_ns],
        )
        return [trace_id for (trace_id,) in rows]

    def window(self, low: int, high: int, size: int) -> tuple[list[Found], int | None]:
        """Traces that started at or before `high`, newest first, and down to where it is sure.

        Looks at the newest `size` fragments and gives the traces whose true start, that of their
        earliest fragment, is among them: above the floor that comes with them, which is None
        where nothing is left below. `low` bounds the starts.
        """
        rows = self.ask(
            "select key, start_ns from fragment where start_ns between ? and ? "
            "order by start_ns desc limit ?",
            [low, high, size],
        )
        floor = rows[-1][1] if len(rows) == size else None
        found = self.ask(
            f"select {_START} as start, any_value(trace_id) from fragment "
            "where key in (select unnest(?::ubigint[])) group by key",
            [list({key for key, _ in rows})],
        )
        sure = low - 1 if floor is None else floor
        return in_order(Found(*row) for row in found if sure < row[0] <= high), floor

    def among(self, trace_ids: Collection[str], low: int, high: int) -> list[Found]:
        """Those of these traces that started between two moments, newest first."""
        rows = self.ask(
            f"select {_START} as start, any_value(trace_id) from fragment "
            "where key in (select hash(unnest(?::varchar[]))) group by key "
            "having start between ? and ?",
            [list(trace_ids), low, high],
        )
        return in_order(Found(*row) for row in rows)

    def narrowed(self, narrow: Narrow, high: int, size: int) -> list[Found]:
        """The newest `size` traces from `high` on that a list may be narrowed to, newest first.

        With the last of them come all that started when it did.
        """
        wanted, given = [], []
        for column, value in (("name", narrow.name), ("grp", narrow.group)):
            if value is not None:
                wanted.append(f"{column} = {_NAMED.format('?::varchar')}")
                given.append(value)
        some = [f"flags & {TROUBLE} <> 0"] if narrow.flags & TROUBLE else []
        having = [f"bit_or(flags) & {TROUBLE} <> 0"] if some else []
        if narrow.flags & OPEN:
            some.append(f"flags & {ENDED} = 0")
            having.append(f"bit_or(flags) & {ENDED} = 0")
        if some:
            wanted.append(f"({' or '.join(some)})")
        rows = self.ask(
            f"with few as (select key, {_START} as start from fragment "
            f"where key in (select key from fragment where {' and '.join(wanted)}) group by key "
            f"having start between ? and ? {'and (' + ' or '.join(having) + ')' if having else ''} "
            "qualify rank() over (order by start desc) <= ?) "
            "select distinct few.start, f.trace_id from few join fragment as f on f.key = few.key",
            [*given, _low(narrow), high, size],
        )
        return in_order(Found(*row) for row in rows)

    def _grew(self, rows: int) -> None:
        self._rows += rows
        if self._rows > _SPILL_ROWS and not self._spills:
            self._spills = True
            self._spill = scratch.made()
            if self._spill is not None:
                self.ask(f"set global temp_directory = {quoted(self._spill.path)}")


def _low(narrow: Narrow) -> int:
    return 0 if narrow.since is None else narrow.since


def in_order(found: Iterable[Found]) -> list[Found]:
    """Newest first, ties by id."""
    return sorted(found, key=lambda trace: (-trace.start_ns, trace.trace_id))


def newest(
    fragments: Fragments, narrow: Narrow, after: Found | None, size: int
) -> Iterator[list[Found]]:
    """Traces in the order of a list, a run of them at a time; with `after`, those behind it."""
    high = _LATEST if narrow.until is None else min(narrow.until, _LATEST)
    if after is None or after.start_ns > high:
        after = Found(high, "")
    if narrow.flags or narrow.name is not None or narrow.group is not None:
        return _narrowed(fragments, narrow, after, max(_RUN, 2 * size))
    return _windows(fragments, narrow, after, max(_RUN, 2 * size))


def _narrowed(
    fragments: Fragments, narrow: Narrow, after: Found, size: int
) -> Iterator[list[Found]]:
    high, last = after.start_ns, (-after.start_ns, after.trace_id)
    while found := fragments.narrowed(narrow, high, size):
        if run := [trace for trace in found if (-trace.start_ns, trace.trace_id) > last]:
            yield run
        if len(found) < size:
            return
        high, size = found[-1].start_ns - 1, 4 * size  # each run is a pass over the table


def _windows(
    fragments: Fragments, narrow: Narrow, after: Found, size: int
) -> Iterator[list[Found]]:
    high: int | None = after.start_ns
    last = (-after.start_ns, after.trace_id)
    while high is not None:
        found, floor = fragments.window(_low(narrow), high, size)
        run = [trace for trace in found if (-trace.start_ns, trace.trace_id) > last]
        if run:
            yield run
        if floor == high or not run:
            size *= 4  # so many fragments start at one moment, or later than their traces
        high = floor
