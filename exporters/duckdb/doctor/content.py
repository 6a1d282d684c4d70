"""What a reader finds in a store, asked as any user would ask."""

from __future__ import annotations

import contextlib
import difflib
import re
import time
from collections.abc import Iterator
from typing import Any

from exporters.duckdb.doctor.facts import Content, Lost, Undelivered, Wanted
from exporters.duckdb.layout import Layout
from exporters.duckdb.local import DuckDBStore
from exporters.store import NotFoundError, StoreError, TraceQuery, TraceRow, TraceStore

_DAY_NS = 86_400_000_000_000
_LATELY_NS = 7 * _DAY_NS
_SLACK_NS = 60_000_000_000
_MOST_AHEAD = 1000
_MOST_NEAR = 3
_SIMILAR = 0.85
_ID = re.compile(r"trace_([0-9a-f]{12})[0-9a-f]{20}")

_LOST = """
    select exporter, reason, sum(items)::bigint, max(lost_ns) from losses
    where lost_ns > ? group by all order by 4 desc limit 50
"""
_UNDELIVERED = """
    select exporter, coalesce(any_value(reason), ''), sum(items)::bigint, max(delivered_ns)
    from deliveries as d
    where status = 'failed' and delivered_ns > ? and delivered_ns > coalesce((
        select max(delivered_ns) from deliveries
        where status = 'delivered' and exporter = d.exporter), 0)
    group by exporter order by 4 desc limit 50
"""


def content_facts(layout: Layout, wanted: str | None, *, now_ns: int) -> Content:
    """What is in a store, and whether the trace that is wanted is."""
    try:
        with contextlib.closing(DuckDBStore(layout.catalog)) as store:
            return _content(store, wanted, now_ns)
    except StoreError as error:
        return Content(error=str(error), wanted=_missing(wanted))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is a finding)
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return Content(error=text[:400], wanted=_missing(wanted))


def _content(store: TraceStore, wanted: str | None, now_ns: int) -> Content:
    info = store.info()
    newest = store.search(TraceQuery(limit=1)).traces
    future = store.search(TraceQuery(since_ns=now_ns + _SLACK_NS, limit=_MOST_AHEAD)).traces
    found = _wanted(store, wanted) if wanted else None
    oldest = _oldest(store) if found is not None and found.trace_id is None else None
    return Content(
        traces=info.trace_count,
        spans=info.span_count,
        oldest_ns=oldest,
        newest_ns=newest[0].start_ns if newest else None,
        ahead=len(future),
        ahead_s=max((row.start_ns - now_ns) / 1e9 for row in future) if future else 0.0,
        lost=tuple(Lost(exporter=row[0] or "", reason=row[1] or "", items=row[2], last_ns=row[3])
                   for row in _rows(store, _LOST, now_ns - _LATELY_NS)),
        undelivered=tuple(
            Undelivered(exporter=row[0] or "", reason=row[1], items=row[2], last_ns=row[3])
            for row in _rows(store, _UNDELIVERED, now_ns - _LATELY_NS)
        ),
        wanted=found,
    )  # fmt: skip


def _rows(store: TraceStore, query: str, *params: object) -> list[tuple[Any, ...]]:
    try:
        return list(store.sql(query, params=params).rows)
    except StoreError:  # a view that cannot be read takes nothing else with it
        return []


def _oldest(store: TraceStore) -> int | None:
    with contextlib.suppress(StoreError):
        rows = store.sql("select min(start_ns) from spans where start_ns > 0").rows
        return int(rows[0][0]) if rows and rows[0][0] is not None else None
    return None


def _wanted(store: TraceStore, name: str) -> Wanted:
    name = name.strip().strip("'\"`")
    for each in (name, f"trace_{name}"):
        with contextlib.suppress(NotFoundError):
            return _here(name, store.get(each))
    holders = holders_of(store, name)
    if len(holders) == 1:
        with contextlib.suppress(NotFoundError):
            return _here(name, store.get(holders[0]), span_id=name)
    near = dict(_alike(store, name))
    ends = [key for key, why in near.items() if why == "its id begins or ends so"]
    if len(ends) == 1:
        with contextlib.suppress(NotFoundError):
            return _here(name, store.get(ends[0]))
    return Wanted(name=name, started_ns=_begun(name), near=tuple(list(near.items())[:_MOST_NEAR]))


def holders_of(store: TraceStore, span_id: str) -> list[str]:
    """Ids of the traces that have a span of this id, as far as that can be read."""
    query = f"select distinct trace_id from spans where span_id = ? limit {_MOST_NEAR}"
    return [str(row[0]) for row in _rows(store, query, span_id)]


def _here(name: str, row: TraceRow, *, span_id: str | None = None) -> Wanted:
    return Wanted(
        name=name,
        trace_id=row.trace_id,
        span_id=span_id,
        status=row.status,
        started_ns=row.start_ns,
        incomplete=row.incomplete,
        last_sign=row.last_sign,
    )


def _missing(name: str | None) -> Wanted | None:
    return None if not name else Wanted(name=name, started_ns=_begun(name))


def _alike(store: TraceStore, name: str) -> Iterator[tuple[str, str]]:
    """Ids of traces that a name may mean, likeliest first, and why."""
    if not name:
        return
    for condition, why in (
        ("span_id = $1", "a span of it has this id"),
        ("starts_with(trace_id, $1)", "its id begins or ends so"),
        ("starts_with(trace_id, 'trace_' || $1)", "its id begins or ends so"),
        ("ends_with(trace_id, $1)", "its id begins or ends so"),
        ("group_id = $1", "it is of the group of this id"),
    ):
        query = f"select trace_id from spans where {condition} group by 1 limit {_MOST_NEAR}"
        with contextlib.suppress(StoreError):
            for (trace_id,) in store.sql(query, params=[name]).rows:
                yield trace_id, why
    for row in store.search(TraceQuery(name=name, limit=_MOST_NEAR)).traces:
        yield row.trace_id, "it has this name"
    recent = [row.trace_id for row in store.search(TraceQuery(limit=_MOST_AHEAD)).traces]
    for trace_id in difflib.get_close_matches(name, recent, n=1, cutoff=_SIMILAR):
        yield trace_id, "its id is much like this one"


def _begun(name: str) -> int | None:
    """When a trace of our own making started, as its id says."""
    match = _ID.fullmatch(name)
    begun = int(match[1], 16) * 1_000_000 if match else 0
    return begun if abs(begun - time.time_ns()) < 3650 * _DAY_NS else None
