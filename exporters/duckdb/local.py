"""The local store as a `TraceStore`: what the viewer and the command line read.

Lists come from one database in memory and SQL of users from another, so that a query that eats
its memory or its time takes nothing from them. Rows of traces are worked out once and kept until
something of the trace changes.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporters.duckdb import gate
from exporters.duckdb.catalog import ensure_catalog, statements
from exporters.duckdb.layout import Layout, read_format
from exporters.duckdb.reader import Reader
from exporters.duckdb.rows import detail_of, span_rows, trace_rows
from exporters.duckdb.schema import SCHEMA
from exporters.search import Cursor, matches
from exporters.store import (
    Changes,
    NotFoundError,
    SpanDetail,
    SpanRow,
    SqlResult,
    StoreError,
    StoreInfo,
    TracePage,
    TraceQuery,
    TraceRow,
)

_KEPT = 20_000  # rows of traces that are kept
_CHUNKS = (100, 400, 1600)  # traces that a search looks at in one go, the longer the more
_REMEMBERED = 100_000  # traces whose last change is remembered
_SLACK_NS = 60_000_000_000
_SIZE_SECONDS = 5.0


class DuckDBStore:
    """Reads the local store at a path; the folder need not exist yet.

    Raises:
        StoreError: If the path cannot be a store, or is one of a newer format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._layout = Layout.of(path)
        _check(self._layout)
        self._reader = Reader(self._layout, views=statements(raw=False, lists=True))
        self._asked: Reader | None = None
        self._lock = threading.RLock()
        self._rows: OrderedDict[str, TraceRow] = OrderedDict()
        self._starts: dict[str, tuple[int, str | None, str | None]] = {}
        self._order: list[tuple[int, str]] | None = None
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._version = 0
        self._id = secrets.token_hex(4)
        self._indexed = False
        self._maker: threading.Thread | None = None
        self._closed = False
        self._size = (0.0, 0)

    def info(self) -> StoreInfo:
        """Facts about the store."""
        self._sync()
        ((spans,),) = self._reader.query("select count(*) from _records where k = 'span'")
        losses = self._reader.query("select reason, sum(items)::bigint from losses group by reason")
        return StoreInfo(
            path=str(self._layout.catalog),
            size_bytes=self._bytes(),
            schema=SCHEMA,
            trace_count=len(self._starts),
            span_count=spans,
            losses=dict(losses),
        )

    def search(self, query: TraceQuery, /) -> TracePage:
        """Traces that match, newest start first, ties by id."""
        if query.limit < 1:
            raise StoreError(
                f"limit is {query.limit!r}. It counts traces on a page. Pass 1 or more."
            )
        after = Cursor.parse(query.cursor)
        self._sync()
        wanted = self._candidates(query, after)
        found: list[TraceRow] = []
        judged = bool(query.status or query.text)  # else every candidate matches
        size = iter(_CHUNKS if judged else ())
        step = query.limit
        while wanted and len(found) < query.limit + judged:
            step = next(size, step)
            chunk, wanted = wanted[:step], wanted[step:]
            found += [row for row in self._rows_of(chunk) if matches(row, query)]
        page = found[: query.limit]
        more = page and (len(found) > query.limit or (bool(wanted) and not judged))
        return TracePage(traces=page, next_cursor=str(Cursor.of(page[-1])) if more else None)

    def get(self, trace_id: str, /) -> TraceRow:
        """One trace; "last" is the one that started last."""
        self._sync()
        rows = self._rows_of([self._known(trace_id)])
        if not rows:
            raise _no_trace(trace_id)
        return rows[0]

    def spans(self, trace_id: str, /) -> Sequence[SpanRow]:
        """Every span of a trace in order of start, a parent before its children."""
        self._sync()
        return span_rows(self._reader, self._known(trace_id))

    def span(self, trace_id: str, span_id: str, /) -> SpanDetail:
        """One span with its payloads."""
        self._sync()
        found = detail_of(self._reader, self._known(trace_id), span_id)
        if found is None:
            raise NotFoundError(
                f"Trace {trace_id!r} has no span {span_id!r}. A span is found by its trace and its "
                f"id. List them with: SELECT span_id, name FROM spans WHERE trace_id = '{trace_id}'"
            )
        return found

    def sql(
        self,
        query: str,
        /,
        *,
        params: Sequence[Any] | Mapping[str, Any] = (),
        limit: int = 1000,
        timeout: float = 10.0,
    ) -> SqlResult:
        """Answers one reading statement."""
        self._check_open()
        with self._lock:
            if self._asked is None:
                self._asked = Reader(self._layout, views=(*statements(raw=False), *gate.shields()))
        self._asked.refresh()
        self._asked.take_changes()
        self._catalogue()
        return gate.answer(self._asked, query, params, limit=limit, timeout=timeout)

    def follow(self, cursor: str | None, /) -> Changes:
        """What changed since `cursor`; with None, a cursor for now and no ids."""
        self._sync()
        with self._lock:
            now = f"{self._id}.{self._version}.{time.time_ns()}"
            if cursor is None:
                return Changes(cursor=now, trace_ids=())
            name, version, moment = _parse_cursor(cursor)
            if name == self._id:
                changed = []
                for trace_id in reversed(self._versions):
                    if self._versions[trace_id] <= version:
                        break
                    changed.append(trace_id)
                return Changes(cursor=now, trace_ids=changed[::-1])
        # The cursor of another run of ours: go by the clock.
        rows = self._reader.query(
            "select trace_id from _records where greatest(start_ns, end_ns) >= ? "
            "and k in ('span', 'trace') group by trace_id order by max(greatest(start_ns, end_ns))",
            [moment - _SLACK_NS],
        )
        return Changes(cursor=now, trace_ids=[trace_id for (trace_id,) in rows])

    def close(self) -> None:
        """Lets go of files and memory; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._reader.close()
            if self._asked is not None:
                self._asked.close()
            self._rows.clear()
        if self._maker is not None and self._maker.is_alive():
            self._maker.join()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(
                f"The store {str(self._layout.catalog)!r} was closed. A closed store answers "
                f"nothing. Open it again with open_store()."
            )

    def _sync(self) -> None:
        """See what was recorded, and forget what we knew of traces that changed."""
        self._check_open()
        self._reader.refresh()
        with self._lock:
            changed, deleted = self._reader.take_changes()
            if deleted or not self._indexed:
                before = self._starts.keys()
                self._starts = dict(self._index(None))
                self._order, self._indexed = None, bool(self._starts)
                if deleted:
                    changed |= before
            elif changed:
                for trace_id, start in self._index(changed):
                    if self._starts.get(trace_id) != start:
                        self._starts[trace_id] = start
                        self._order = None
            if not changed:
                return
            self._version += 1
            for trace_id in changed:
                self._rows.pop(trace_id, None)
                self._versions[trace_id] = self._version
                self._versions.move_to_end(trace_id)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)
        self._catalogue()

    def _catalogue(self) -> None:
        """Make the catalog file if it is missing, beside what the caller is waiting for."""
        with self._lock:
            if self._maker is None and self._layout.exists:
                self._maker = threading.Thread(target=ensure_catalog, args=(self._layout,))
                if not self._layout.catalog.exists():
                    self._maker.start()

    def _index(
        self, only: Iterable[str] | None
    ) -> Iterable[tuple[str, tuple[int, str | None, str | None]]]:
        where, parameters = "", []
        if only is not None:
            where, parameters = "and trace_id in (select unnest(?::varchar[]))", [list(only)]
        rows = self._reader.query(
            "select trace_id, coalesce(any_value(nullif(start_ns, 0)) filter (where k = 'trace'), "
            "min(start_ns) filter (where k = 'span'), 0), "
            "coalesce(any_value(name) filter (where k = 'trace'), any_value(trace_name)), "
            "any_value(group_id) "
            f"from _records where k in ('span', 'trace') {where} group by trace_id",
            parameters,
        )
        return ((row[0], (row[1], row[2], row[3])) for row in rows)

    def _candidates(self, query: TraceQuery, after: Cursor | None) -> list[str]:
        """Ids that may match, in the order of a list."""
        with self._lock:
            if self._order is None:
                self._order = sorted((-start, key) for key, (start, *_) in self._starts.items())
            order, starts = self._order, self._starts
        since = query.since_ns if query.since_ns is not None else -(2**63)
        until = query.until_ns if query.until_ns is not None else 2**63
        beyond = (-after.start_ns, after.trace_id) if after is not None else (-(2**64), "")
        return [
            trace_id
            for key in order
            if key > beyond
            and since <= -key[0] <= until
            and (trace_id := key[1])
            and (query.name is None or starts[trace_id][1] == query.name)
            and (query.group_id is None or starts[trace_id][2] == query.group_id)
        ]

    def _known(self, trace_id: str) -> str:
        if trace_id == "last":
            with self._lock:
                newest = min(((-start, key) for key, (start, *_) in self._starts.items()),
                             default=None)  # fmt: skip
            if newest is None:
                raise NotFoundError(
                    f"The store {str(self._layout.catalog)!r} holds no trace, so there is no last "
                    f"one. Traces are recorded when agents run. Try: flightlog demo"
                )
            return newest[1]
        if trace_id not in self._starts:
            raise _no_trace(trace_id)
        return trace_id

    def _rows_of(self, trace_ids: Sequence[str]) -> list[TraceRow]:
        with self._lock:
            version = self._version
            rows = {key: self._rows[key] for key in trace_ids if key in self._rows}
        missing = [key for key in trace_ids if key not in rows]
        if missing:
            for row in trace_rows(self._reader, missing):
                rows[row.trace_id] = row
            with self._lock:
                for key in missing:
                    if key in rows and self._versions.get(key, 0) <= version:
                        self._rows[key] = rows[key]
                while len(self._rows) > _KEPT:
                    self._rows.popitem(last=False)
        return [rows[key] for key in trace_ids if key in rows]

    def _bytes(self) -> int:
        now = time.monotonic()
        at, size = self._size
        if now - at > _SIZE_SECONDS or not at:
            size = sum(_size(path) for path in self._layout.root.rglob("*"))
            self._size = (now, size)
        return size


def _check(layout: Layout) -> None:
    if layout.catalog.exists() and not layout.root.exists() and layout.catalog.is_file():
        raise StoreError(
            f"{str(layout.catalog)!r} is a file, but no store of flightlog: the folder "
            f"{layout.root.name!r} with the data is not beside it. A store is the two together. "
            f"Copy the folder too, or name another store."
        )
    if not layout.root.is_dir() or read_format(layout) is not None:
        return
    if any(layout.root.iterdir()) and not (layout.root / "hot").is_dir():
        raise StoreError(
            f"{str(layout.root)!r} is a folder, but not of flightlog: it has no file FORMAT. "
            f"A store's folder is made by recording. Name another store."
        )


def _parse_cursor(cursor: str) -> tuple[str, int, int]:
    try:
        name, version, moment = cursor.split(".")
        return name, int(version), int(moment)
    except ValueError:
        raise StoreError(
            f"{cursor!r} is no cursor. A cursor is what follow() gave. Begin again with None."
        ) from None


def _no_trace(trace_id: str) -> NotFoundError:
    return NotFoundError(
        f"No trace has the id {trace_id!r}. A trace is found by its whole id, or as 'last'. "
        f"List them with: flightlog list"
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
