"""Purging on demand: find what a user wants deleted, and see to it that it is.

What is to go is remembered first (`purges`), and compaction carries it out: ours, or that of who
is at it already. A trace in a segment that a program still writes waits until that is sealed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from exporters.duckdb import scratch
from exporters.duckdb.footprint import footprint, size_of
from exporters.duckdb.layout import Layout, create, scan
from exporters.duckdb.limits import purges
from exporters.duckdb.limits.heads import heads
from exporters.duckdb.limits.pins import pinned, unpin
from exporters.duckdb.limits.purges import Purge
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.removal import summarize
from exporters.duckdb.upkeep.retention import Limits
from exporters.store import StoreError

_PAUSE = 0.1
_FOUND = "select trace_id, name, status = 'running', span_count, start_ns from traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which traces a user wants deleted; what is left out narrows nothing.

    Attributes:
        traces: Ids.
        group_id: The group.
        before_ns: What started before this.
        everything: All of it, and what belongs to no trace: losses, quarantine, backups.
        pinned_too: Whether pinned traces go as well.
    """

    traces: Sequence[str] = ()
    group_id: str | None = None
    before_ns: int | None = None
    everything: bool = False
    pinned_too: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A trace that was selected."""

    trace_id: str
    name: str
    spans: int
    start_ns: int


@dataclass(slots=True)
class Plan:
    """What a selection comes to.

    Attributes:
        goes: Traces to delete.
        pinned: Traces that stay because they are pinned.
        running: Traces that stay because they run.
        missing: Ids that were asked for and are not there.
        bytes: About how much of the disk the traces take: the share of each part that goes by rows,
            and what segments have of them. With everything selected, all that comes free.
        spare: What compaction has replaced already, and what goes with any trace; not in `bytes`.
        selection: What was asked for.
    """

    selection: Selection
    goes: list[Found] = field(default_factory=list)
    pinned: list[Found] = field(default_factory=list)
    running: list[Found] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    bytes: int = 0
    spare: int = 0

    @property
    def spans(self) -> int:
        """How many spans go."""
        return sum(trace.spans for trace in self.goes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a purge.

    Attributes:
        bytes_before: What the store took.
        bytes_after: What it takes.
        waiting: Ids of traces in segments that are still written; they go later.
        busy: Another process compacts, and has not done it yet; it or the next one does.
        problems: What went wrong and is tried again, one sentence each.
    """

    bytes_before: int
    bytes_after: int
    waiting: tuple[str, ...] = ()
    busy: bool = False
    problems: tuple[str, ...] = ()


def plan(layout: Layout, selection: Selection) -> Plan:
    """Find out what would be deleted; changes nothing.

    Raises:
        StoreError: If the store cannot be read.
    """
    folder = scratch.made()  # a backlog may be larger than memory
    reader = Reader(layout, spill=None if folder is None else folder.path)
    try:
        reader.refresh()
        reader.gather()
        where, parameters = _where(selection)
        rows = reader.query(f"{_FOUND} where {where} order by start_ns, trace_id", parameters)
    finally:
        reader.close()
        if folder is not None:
            folder.close()
    kept = frozenset[str]() if selection.pinned_too else pinned(layout)
    found = Plan(selection)
    for trace_id, name, running, spans, start_ns in rows:
        trace = Found(trace_id, name or "", spans, start_ns or 0)
        if trace_id in kept:
            found.pinned.append(trace)
        elif running:
            found.running.append(trace)
        else:
            found.goes.append(trace)
    there = {trace_id for trace_id, *_ in rows}
    found.missing = [trace_id for trace_id in selection.traces if trace_id not in there]
    found.bytes = _bytes_of(layout, found)
    spare = footprint(layout).replaced
    if selection.everything:
        found.bytes += spare
    elif found.goes:
        found.spare = spare
    return found


def purge(layout: Layout, planned: Plan, *, patience_s: float = 60.0) -> Outcome:
    """Delete what was planned, and wait for a compaction that is under way.

    Args:
        layout: The store.
        planned: What goes.
        patience_s: How long to wait for another process.

    Raises:
        StoreError: If the store cannot be written.
    """
    before = footprint(layout).total
    everything = planned.selection.everything
    goes = frozenset(trace.trace_id for trace in planned.goes)
    create(layout)
    try:
        remembered = purges.submit(
            layout, Purge(goes, time.time_ns() if everything else 0, leftovers=everything)
        )
    except OSError as error:
        raise StoreError(
            f"Nothing was deleted from the store {str(layout.catalog)!r} ({error.strerror}). What "
            f"is to go is noted in its folder first. Make space or give permission there."
        ) from error
    _unpin(layout, planned)
    deadline = time.monotonic() + patience_s
    while True:
        # As large or as old as it may be: a user who deletes one trace means that one.
        report = compact(layout.catalog, limits=Limits())
        done = remembered.path is None or not remembered.path.exists()
        if done or not report.busy or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE)
    return Outcome(
        before,
        footprint(layout).total,
        tuple(sorted(goes.intersection(report.purged.waiting))),
        busy=report.busy and not done,
        problems=tuple(report.problems),
    )


def _bytes_of(layout: Layout, planned: Plan) -> int:
    goes = {trace.trace_id for trace in planned.goes}
    if not goes and not planned.selection.everything:
        return 0
    listing = scan(layout)
    total = 0.0
    if planned.selection.everything:
        total += size_of(layout.quarantine) + size_of(layout.backup)
    with contextlib.suppress(OSError):
        for name in listing.live_segments:
            total += sum(
                head.bytes for trace, head in heads(layout, name).traces.items() if trace in goes
            )
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        summarize(con, layout, listing)
        con.execute("create temp table gone as select unnest(?::varchar[]) as id", [list(goes)])
        shares = con.execute(
            "select part, sum(weight) filter (trace_id in (select id from gone)) / sum(weight) "
            "from summary group by part"
        ).fetchall()
    total += sum(size_of(layout.parts / part) * (share or 0) for part, share in shares)
    return int(total)


def _unpin(layout: Layout, planned: Plan) -> None:
    """Take the pins out of what goes; a pin in a trace that is not there any more keeps nothing."""
    if not planned.selection.pinned_too:
        return
    with contextlib.suppress(OSError):  # a pin that stays harms nobody
        names = {trace.trace_id for trace in planned.goes}
        if planned.selection.everything:
            names |= pinned(layout) - {trace.trace_id for trace in planned.running}
        for name in names:
            unpin(layout, name)


def _where(selection: Selection) -> tuple[str, list[Any]]:
    conditions = ["true"]
    parameters: list[Any] = []
    if selection.traces:
        conditions.append("list_contains(?, trace_id)")
        parameters.append(list(selection.traces))
    if selection.group_id is not None:
        conditions.append("group_id = ?")
        parameters.append(selection.group_id)
    if selection.before_ns is not None:
        conditions.append("start_ns < ?")
        parameters.append(selection.before_ns)
    return " and ".join(conditions), parameters
