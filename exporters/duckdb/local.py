"""The local store as a `TraceStore`: what the viewer and the command line read.

Lists come from a database in memory and SQL of users from processes of their own, so that a query
that eats its memory or its time takes nothing from them. Rows of traces are worked out once and
kept until something of the trace changes.
"""

from __future__ import annotations

import os
import secrets
import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, TypeVar

from exporters.duckdb.layout import Layout, read_format
from exporters.duckdb.reading.fragments import Found, Narrow, newest
from exporters.duckdb.reading.index import Index
from exporters.duckdb.reading.rows import detail_of, details_of, span_rows, trace_rows
from exporters.duckdb.reading.tail import OPEN, TROUBLE
from exporters.duckdb.schema import SCHEMA
from exporters.duckdb.sql.asking import Asker
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.search import Cursor, matches
from exporters.store import (
    Changes,
    NotFoundError,
    SpanDetail,
    SpanRow,
    SqlResult,
    Stop,
    StoreError,
    StoreInfo,
    TracePage,
    TraceQuery,
    TraceRow,
)

_KEPT = 5_000  # rows of traces that are kept
_CHUNKS = (100, 400, 1600)  # traces that a search looks at in one go, the longer the more
_REMEMBERED = 100_000  # traces whose last change is remembered
_SLACK_NS = 60_000_000_000
# What a status may come of: of the others, every trace is looked at.
_FLAGS = {"error": TROUBLE, "blocked": TROUBLE, "running": OPEN, "interrupted": OPEN}
_SIZE_SECONDS = 5.0

T = TypeVar("T")


class DuckDBStore:
    """Reads the local store at a path; the folder need not exist yet.

    Raises:
        StoreError: If the path cannot be a store, or is one of a newer format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._layout = Layout.of(path)
        _check(self._layout)
        self._index = Index(self._layout)
        self._asker = Asker(self._layout)
        self._lock = threading.RLock()
        self._rows: OrderedDict[str, TraceRow] = OrderedDict()
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._version = 0
        self._id = secrets.token_hex(4)
        self._maker: threading.Thread | None = None
        self._closed = False
        self._size = (0.0, 0)

    def info(self) -> StoreInfo:
        """Facts about the store."""
        self._sync()
        traces, spans = self._reading(self._index.counts)
        return StoreInfo(
            path=str(self._layout.catalog),
            size_bytes=self._bytes(),
            schema=SCHEMA,
            trace_count=traces,
            span_count=spans,
            losses=self._index.losses(),
        )

    def search(self, query: TraceQuery, /) -> TracePage:
        """Traces that match, newest start first, ties by id."""
        if query.limit < 1:
            raise StoreError(
                f"limit is {query.limit!r}. It counts traces on a page. Pass 1 or more."
            )
        after = Cursor.parse(query.cursor)
        self._sync()
        return self._reading(lambda: self._page(query, after))

    def get(self, trace_id: str, /) -> TraceRow:
        """One trace; "last" is the one that started last."""
        self._sync()
        return self._reading(lambda: self._get(trace_id))

    def spans(self, trace_id: str, /) -> Sequence[SpanRow]:
        """Every span of a trace in order of start, a parent before its children."""
        self._sync()
        return self._reading(lambda: span_rows(self._index, self._known(trace_id)))

    def span(self, trace_id: str, span_id: str, /) -> SpanDetail:
        """One span with its payloads."""
        self._sync()
        found = self._reading(lambda: detail_of(self._index, self._known(trace_id), span_id))
        if found is None:
            raise NotFoundError(
                f"Trace {trace_id!r} has no span {span_id!r}. A span is found by its trace and its "
                f"id. List them with: SELECT span_id, name FROM spans WHERE trace_id = '{trace_id}'"
            )
        return found

    def details(self, trace_id: str, /) -> Sequence[SpanDetail]:
        """Every span of a trace with its payloads, in the order of `spans`.

        Raises:
            NotFoundError: If the trace is unknown.
        """
        self._sync()
        return self._reading(lambda: list(details_of(self._index, self._known(trace_id))))

    def sql(
        self,
        query: str,
        /,
        *,
        params: Sequence[Any] | Mapping[str, Any] = (),
        limit: int = 1000,
        timeout: float = 10.0,
        stop: Stop | None = None,
    ) -> SqlResult:
        """Answers one reading statement."""
        self._check_open()
        self._catalogue()
        return self._asker.ask(query, params, limit=limit, timeout=timeout, stop=stop)

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
        ids = self._reading(lambda: self._index.fragments.since(moment - _SLACK_NS))
        return Changes(cursor=now, trace_ids=ids)

    def close(self) -> None:
        """Lets go of files and memory; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._index.close()
            self._asker.close()
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
        self._index.refresh()
        self._catalogue()
        with self._lock:
            changed = self._index.take_changes()
            if not changed:
                return
            self._version += 1
            for trace_id in changed:
                self._rows.pop(trace_id, None)
                self._versions[trace_id] = self._version
                self._versions.move_to_end(trace_id)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)

    def _catalogue(self) -> None:
        """See to the catalog file and its views, beside what the caller is waiting for."""
        with self._lock:
            if self._maker is None and self._layout.exists:
                self._maker = threading.Thread(target=ensure_catalog, args=(self._layout,))
                self._maker.start()

    def _reading(self, ask: Callable[[], T]) -> T:
        return self._index.reading(ask)

    def _get(self, trace_id: str) -> TraceRow:
        rows = self._rows_of([self._known(trace_id)])
        if not rows:
            raise _no_trace(trace_id)
        return rows[0]

    def _page(self, query: TraceQuery, after: Cursor | None) -> TracePage:
        judged = bool(query.status or query.text)  # else nearly every candidate matches
        size = iter(_CHUNKS if judged else ())
        step = query.limit + 1
        found: list[TraceRow] = []
        wanted: list[str] = []
        for run in self._candidates(query, after):
            wanted += run
            while wanted and len(found) <= query.limit:
                step = next(size, step)
                chunk, wanted = wanted[:step], wanted[step:]
                found += [row for row in self._rows_of(chunk) if matches(row, query)]
            if len(found) > query.limit:
                break
        page = found[: query.limit]
        more = len(found) > query.limit
        return TracePage(traces=page, next_cursor=str(Cursor.of(page[-1])) if more else None)

    def _candidates(self, query: TraceQuery, after: Cursor | None) -> Iterator[list[str]]:
        """Ids that may match, in the order of a list, a run of them at a time."""
        flags = [_FLAGS.get(status, 0) for status in query.status]
        narrow = Narrow(
            name=query.name,
            group=query.group_id,
            flags=reduce(or_, flags, 0) if all(flags) else 0,
            since=query.since_ns,
            until=query.until_ns,
        )
        if narrow.flags & TROUBLE:
            self._index.refine()
        behind = Found(after.start_ns, after.trace_id) if after is not None else None
        runs = newest(self._index.fragments, narrow, behind, query.limit)
        if query.text:
            runs = self._with_text(query.text, runs, narrow)
        for run in runs:
            yield [found.trace_id for found in run]

    def _with_text(
        self, text: str, runs: Iterator[list[Found]], narrow: Narrow
    ) -> Iterator[list[Found]]:
        """Of runs of traces the first as it is, where a text mostly is, and what may have it."""
        first = next(runs, None)
        if first is None:
            return
        yield first
        may = self._index.mentioning(text)
        if may is None:
            yield from runs
        elif narrow.flags or narrow.name is not None or narrow.group is not None:
            for run in runs:
                yield [found for found in run if found.trace_id in may]
        else:  # there may be too many runs to go through
            last = (-first[-1].start_ns, first[-1].trace_id)
            few = self._index.fragments.among(may, narrow.since or 0, first[-1].start_ns)
            yield [found for found in few if (-found.start_ns, found.trace_id) > last]

    def _known(self, trace_id: str) -> str:
        if trace_id == "last":
            for run in newest(self._index.fragments, Narrow(), None, 1):
                return run[0].trace_id
            raise NotFoundError(
                f"The store {str(self._layout.catalog)!r} holds no trace, so there is no last "
                f"one. Traces are recorded when agents run. Try: flightlog demo"
            )
        if not self._index.fragments.is_known(trace_id):
            raise _no_trace(trace_id)
        return trace_id

    def _rows_of(self, trace_ids: Sequence[str]) -> list[TraceRow]:
        with self._lock:
            version = self._version
            rows = {key: self._rows[key] for key in trace_ids if key in self._rows}
        missing = [key for key in trace_ids if key not in rows]
        if missing:
            for row in trace_rows(self._index, missing):
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
    if os.path.isfile(layout.catalog) and not os.path.exists(layout.root):
        raise StoreError(
            f"{str(layout.catalog)!r} is a file, but no store of flightlog: the folder "
            f"{layout.root.name!r} with the data is not beside it. A store is the two together. "
            f"Copy the folder too, or name another store. What flightlog export --single wrote is "
            f"one file: flightlog import {shlex.quote(str(layout.catalog))} --store NEW.duckdb"
        )
    if not os.path.isdir(layout.root) or read_format(layout) is not None:
        return
    if any(layout.root.iterdir()) and not os.path.isdir(layout.hot):
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
