"""Retention: the oldest traces go when the store is too large or they are too old.

Whole traces go, oldest start first. A trace that is pinned or still runs stays, and so does one of
which a segment has rows that no part has yet. How much of the disk a trace takes is estimated by
its share of its parts' rows, so what was taken is measured and more taken where it is not enough.

What goes is remembered in a file before any of it is touched (`purges`). A crash can therefore
leave a trace with some rows gone, until the next call: then it is whole or gone. Steps, for tests:
`remembered` (decided, nothing deleted), `shed` (a segment is deleted), those of `removal.remove`
for each part, `cleared` (what was replaced is off the disk), `settled` (the purge is forgotten).

The caller holds the store's lock.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from exporters.duckdb.footprint import Footprint, footprint, size_of
from exporters.duckdb.layout import (
    OPEN,
    Layout,
    Listing,
    PartName,
    live_owners,
    scan,
)
from exporters.duckdb.limits import purges
from exporters.duckdb.limits.choice import Candidate, choose
from exporters.duckdb.limits.heads import held_traces
from exporters.duckdb.limits.pins import pinned
from exporters.duckdb.limits.purges import Purge, is_purge_due
from exporters.duckdb.limits.shedding import is_too_much, shed
from exporters.duckdb.parts import PartError, Steps, listed, nothing, read_manifest, workspace
from exporters.duckdb.upkeep import removal
from exporters.wording import size
from tracer.config import usable_settings

_FULL, _TARGET = 0.9, 0.8  # of the limit: begin to delete, and stop
_PRESSED_FULL, _PRESSED_TARGET = 0.8, 0.65  # the same where more is coming: it needs room
_PRESSED = 0.1  # of the limit: so much that is in no part yet
_CROWDED = 0.5  # of the limit: what is replaced has no time of grace any more
_ROUNDS = 6
_LOOK_SECONDS = 600.0
_FETCH = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; None for all of it.

    Attributes:
        max_bytes: What the store's folder may take of the disk.
        max_age_s: Traces that started longer ago than this go.
    """

    max_bytes: int | None = None
    max_age_s: float | None = None


@dataclass(slots=True)
class Purged:
    """What one call did.

    Attributes:
        deleted: Ids of the traces that were deleted.
        parts: How many parts were unlinked or written again without them.
        leftovers: Files and folders deleted from quarantine and backups.
        bytes_before: What the store took.
        bytes_after: What it takes.
        waiting: Ids that were to be deleted and are still being written to; they go later.
        problems: What went wrong and is left for the next time, one sentence each.
    """

    deleted: set[str] = field(default_factory=set)
    parts: int = 0
    leftovers: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    waiting: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)

    @property
    def traces(self) -> int:
        """How many traces were deleted."""
        return len(self.deleted)

    def add(self, later: Purged) -> None:
        """Count in what a later call did."""
        self.deleted |= later.deleted
        self.parts += later.parts
        self.leftovers += later.leftovers
        self.bytes_before = self.bytes_before or later.bytes_before
        self.bytes_after, self.waiting = later.bytes_after, later.waiting
        self.problems += [said for said in later.problems if said not in self.problems]


def configured() -> Limits:
    """The limits that the settings have."""
    chosen = usable_settings()
    return Limits(chosen.max_disk, chosen.max_age)


def excess_of(limits: Limits, kept: int, *, purging: bool = False, pressed: bool = False) -> int:
    """Bytes that have to go, if so many are kept: none below the limit, and then some more.

    While `purging` no more is waited for than the target, so that it is not begun all the time.
    Room is made sooner, and more of it, where it is `pressed` by what comes in: what is oldest
    should go, and not what finds no room.
    """
    if limits.max_bytes is None:
        return 0
    full, target = (_PRESSED_FULL, _PRESSED_TARGET) if pressed else (_FULL, _TARGET)
    if not purging and kept <= limits.max_bytes * full:
        return 0
    return max(0, kept - int(limits.max_bytes * target))


def is_retention_due(layout: Layout, limits: Limits) -> bool:
    """Whether there is something to delete, by names and sizes; too old is looked at now and then.

    What is old and pinned stays old, and must not start somebody over and over.
    """
    if is_purge_due(layout):
        return True
    if limits.max_bytes is not None and footprint(layout).total > limits.max_bytes * _FULL:
        return True
    if limits.max_age_s is None:
        return False
    pause = min(_LOOK_SECONDS, limits.max_age_s / 10)
    return _since(layout.lock) >= pause and _is_older(layout, _horizon(limits))


def has_room(layout: Layout, limits: Limits, more: int) -> bool:
    """Whether so much more may be made without coming near the limit of the disk."""
    if limits.max_bytes is None:
        return True
    return not is_too_much(footprint(layout).total + more, limits.max_bytes)


def retain(layout: Layout, limits: Limits, *, steps: Steps = nothing) -> Purged:
    """Finish the purges that are remembered, and keep the store within its limits.

    Looks at names and sizes only, unless there is something to do.

    Raises:
        OSError: If the store cannot be changed.
        duckdb.Error: If DuckDB cannot work at all.
    """
    done = Purged(bytes_before=footprint(layout).total)
    remembered = purges.open_purges(layout)
    if remembered:
        done.waiting = tuple(sorted(_carry_out(layout, remembered, limits, done, steps)))
    purging = False
    for turn in range(_ROUNDS):
        _make_room(layout, limits, done, steps)
        found = footprint(layout)
        excess = excess_of(limits, found.kept, purging=purging, pressed=_is_pressed(limits, found))
        before_ns = _horizon(limits) if turn == 0 else 0
        if not excess and not _is_older(layout, before_ns):
            break
        purging = purging or excess > 0
        if not _purge_some(layout, limits, before_ns, excess, done, steps):
            break
    done.bytes_after = footprint(layout).total
    return done


def _purge_some(
    layout: Layout, limits: Limits, before_ns: int, excess: int, done: Purged, steps: Steps
) -> bool:
    """Choose and delete once; says whether it may be worth doing again."""
    chosen = _choose(layout, before_ns, excess)
    if not chosen:
        return excess > 0 and _shed_some(layout, limits, done, steps)
    last = max(trace.start_ns for trace in chosen)
    gone = frozenset(trace.trace_id for trace in chosen)
    purge = purges.submit(layout, Purge(gone, max(before_ns, last if excess else 0)))
    steps("remembered")
    failed = len(done.problems)
    _carry_out(layout, [purge], limits, done, steps)
    return len(done.problems) == failed


def _shed_some(layout: Layout, limits: Limits, done: Purged, steps: Steps) -> bool:
    """Delete of what is in no part yet, where that is all there is; says whether there was some."""
    assert limits.max_bytes is not None
    gone = shed(layout, limits.max_bytes, steps=steps)
    if not gone:
        _tell_full(layout, limits, done)
        return False
    done.deleted |= gone
    _carry_out(layout, purges.open_purges(layout), limits, done, steps)
    return True


def _carry_out(
    layout: Layout, remembered: Sequence[Purge], limits: Limits, done: Purged, steps: Steps
) -> frozenset[str]:
    """Delete the traces of purges; gives those that cannot go yet."""
    wanted = frozenset[str]().union(*(purge.traces for purge in remembered))
    held = held_traces(layout, wanted)
    now = Purge(wanted - held, max(purge.before_ns for purge in remembered))
    with workspace(layout) as (con, _):
        listing = scan(layout)
        removal.summarize(con, layout, listing)
        affected = _affected(con, layout, listing, now)
        there = _there(con)
    touched, failed = 0, len(done.problems)
    for part in affected:
        try:
            touched += removal.remove(layout, part, now, steps=steps)
        except (duckdb.Error, PartError, OSError) as error:
            said = str(error).splitlines()[0][:200]
            done.problems.append(f"Traces could not be taken out of {part.dirname}: {said}")
        if _is_over(layout, limits):
            removal.clear_replaced(layout, patient=False, steps=steps)
    if any(purge.leftovers for purge in remembered):
        done.leftovers += _delete_leftovers(layout, None)
    found = footprint(layout)
    removal.clear_replaced(
        layout,
        patient=limits.max_bytes is None or not is_too_much(found.total, limits.max_bytes),
        waits=not _is_pressed(limits, found),
        steps=steps,
    )
    steps("cleared")
    if touched:
        done.deleted |= there
        done.parts += touched
    purges.settle(remembered, held if len(done.problems) == failed else wanted)
    steps("settled")
    return held


def _affected(
    con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing, purge: Purge
) -> list[PartName]:
    """Parts that a purge is about, and those without any rows; oldest first."""
    con.execute("create temp table wanted (trace_id varchar)")
    con.execute("insert into wanted select unnest(?::varchar[])", [sorted(purge.traces)])
    found = con.execute(
        "select distinct part from summary where trace_id in (select trace_id from wanted)"
    ).fetchall()
    names = {name for (name,) in found}
    return [
        part
        for part in sorted(listing.live_parts, key=lambda part: part.from_s)
        if part.dirname in names
        or part.from_s * 1_000_000_000 < purge.before_ns
        or removal.is_empty(layout, part)
    ]


def _there(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Which of the wanted traces parts have."""
    found = con.execute(
        "select distinct trace_id from summary where trace_id in (select trace_id from wanted)"
    ).fetchall()
    return {trace_id for (trace_id,) in found}


def _choose(layout: Layout, before_ns: int, excess: int) -> list[Candidate]:
    """The decision, on what the parts say of their traces."""
    listing = scan(layout)
    with workspace(layout) as (con, _):
        removal.summarize(con, layout, listing)
        sizes = [
            (part.dirname, size_of(layout.part(part)), part.act_ms * 1_000_000)
            for part in listing.live_parts
        ]
        if not sizes:
            return []
        con.execute("create temp table size (part varchar, bytes bigint, act_ns bigint)")
        con.executemany("insert into size values (?, ?, ?)", sizes)
        kept = pinned(layout) | _running(con, layout, listing) | held_traces(layout)
        return choose(_candidates(con, kept), before_ns=before_ns, excess=excess)


def _candidates(con: duckdb.DuckDBPyConnection, kept: Collection[str]) -> Iterator[Candidate]:
    """Traces of the parts, oldest first; one whose start is unknown started before its part."""
    rows = con.execute(
        "select trace_id, min(if(start_ns > 0, start_ns, act_ns)) as start_ns, "
        "sum(bytes * weight / total) as bytes from summary join size using (part) "
        "join (select part, sum(weight) as total from summary group by part) using (part) "
        "group by trace_id order by start_ns, trace_id"
    )
    while found := rows.fetchmany(_FETCH):
        for trace_id, start_ns, bytes_ in found:
            yield Candidate(trace_id, start_ns, bytes_, trace_id in kept)


def _running(con: duckdb.DuckDBPyConnection, layout: Layout, listing: Listing) -> frozenset[str]:
    """Traces without an end whose recorder lives."""
    con.execute("create temp table started (trace_id varchar, owner varchar)")

    def note(paths: Sequence[Path]) -> None:
        con.execute(
            f"insert into started select distinct trace_id, owner from "
            f"read_parquet({listed(paths)}, union_by_name=true) "
            f"where owner is not null and trace_id in "
            f"(select trace_id from summary group by trace_id having not bool_or(ended))"
        )

    opens = [layout.part(part) / OPEN for part in listing.open_parts if _has_open(layout, part)]
    removal.readable([path for path in opens if path.exists()], note)
    started = con.execute("select trace_id, owner from started").fetchall()
    alive = live_owners(layout, {owner for _, owner in started})
    return frozenset(trace_id for trace_id, owner in started if owner in alive)


def _has_open(layout: Layout, part: PartName) -> bool:
    try:
        return bool(read_manifest(layout, part).get("open", 1))
    except (OSError, ValueError):
        return True


def _make_room(layout: Layout, limits: Limits, done: Purged, steps: Steps) -> None:
    """Delete what costs nobody a trace: what is replaced, then the oldest of what is left over.

    What is replaced goes long before the limit is near: else it would fill the store up to where
    recorders delete traces, with nobody there to tell them apart.
    """
    if limits.max_bytes is None:
        return
    found = footprint(layout)
    if found.total <= limits.max_bytes * _CROWDED:
        return
    pressed = _is_pressed(limits, found)
    full = found.total > limits.max_bytes * (_PRESSED_FULL if pressed else _FULL)
    if found.replaced or (full and size_of(layout.tmp)):
        patient = not is_too_much(found.total, limits.max_bytes)
        removal.clear_replaced(layout, patient=patient, waits=full and not pressed, steps=steps)
        steps("cleared")
    if not full:
        return
    excess = excess_of(limits, footprint(layout).kept, pressed=pressed)
    if excess:
        done.leftovers += _delete_leftovers(layout, excess)


def _delete_leftovers(layout: Layout, excess: int | None) -> int:
    """Delete from quarantine and backups, oldest first: all of it, or until enough is gone."""
    entries = [
        (entry.stat(follow_symlinks=False).st_mtime, entry.path)
        for folder in (layout.quarantine, layout.backup)
        if folder.is_dir()
        for entry in os.scandir(folder)
    ]
    deleted = 0
    for _, path in sorted(entries):
        if excess is not None and excess <= 0:
            break
        taken = size_of(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
        excess = None if excess is None else excess - taken
        deleted += 1
    return deleted


def _is_pressed(limits: Limits, found: Footprint) -> bool:
    """Whether much comes in: more than a tenth of the limit is in no part yet."""
    return limits.max_bytes is not None and found.waiting > limits.max_bytes * _PRESSED


def _is_over(layout: Layout, limits: Limits) -> bool:
    return limits.max_bytes is not None and footprint(layout).total > limits.max_bytes


def _since(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _horizon(limits: Limits) -> int:
    if limits.max_age_s is None:
        return 0
    return max(0, time.time_ns() - int(limits.max_age_s * 1e9))


def _is_older(layout: Layout, before_ns: int) -> bool:
    """Whether a part may hold a trace that is too old: by its name."""
    return any(part.from_s * 1_000_000_000 < before_ns for part in scan(layout).live_parts)


def _tell_full(layout: Layout, limits: Limits, done: Purged) -> None:
    left = footprint(layout).kept
    if limits.max_bytes is not None and left > limits.max_bytes:
        done.problems.append(
            f"The store {str(layout.catalog)!r} takes {size(left)}, and FLIGHTLOG_MAX_DISK allows "
            f"{size(limits.max_bytes)}. What is left is pinned, running or not compacted yet, and "
            f"none of that is deleted. Unpin traces with flightlog pin --remove, or raise the "
            f"limit."
        )
