"""Shedding: deleting segments unread, where they come faster than room can be made for them.

A store near its limit first loses what is oldest, which parts have; that and making parts is work
for a process of its own. A program that records faster than that for long, or a machine with no
time for it, would take the disk beyond its limit all the same. Then the oldest of what is in no
part yet goes, whole traces as ever. It takes no DuckDB and not the store's lock, so recorders do
it themselves.

Only the size of the whole counts: as long as there is room, any share of it may wait.

A trace that goes may also have rows in a part, or in a segment with traces that stay: the one at
the edge nearly always has. Those rows are shown, without the ones that are gone, until compaction
carries out the purge. It is started at once for that (`pile.needed`), and whoever compacts already
does it after the part in hand; where neither comes to it, the purge is due a minute later.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import (
    Layout,
    Listing,
    SegmentName,
    is_locked,
    live_owners,
    parse_part,
    read_covers,
    scan,
    sync_folder,
)
from exporters.duckdb.limits import purges
from exporters.duckdb.limits.choice import Candidate, choose
from exporters.duckdb.limits.heads import heads, other_lines
from exporters.duckdb.limits.pins import pinned
from exporters.duckdb.limits.purges import Purge

_FULL, _TARGET = 0.92, 0.84  # of the limit: begin to shed, and stop


def is_too_much(size: int, max_bytes: int) -> bool:
    """Whether a store of so many bytes is so near its limit that it cannot wait."""
    return size > max_bytes * _FULL


def shed(layout: Layout, max_bytes: int, *, steps: Callable[[str], None]) -> frozenset[str]:
    """Delete the oldest sealed segments if the store is too large; gives the traces that go.

    Segments and parts that a part has replaced go before any trace does. What goes is remembered
    like any purge, for a trace may have rows elsewhere, also in a part that is just being made of
    such a segment. So nobody needs the store's lock for it. Steps: `remembered`, `shed` for each
    segment.

    Raises:
        OSError: If the store cannot be changed.
    """
    size = size_of(layout.root)
    if not is_too_much(size, max_bytes):
        return frozenset()
    listing = scan(layout)
    at_once = size > max_bytes
    size -= _empty_replaced(layout, listing, at_once=at_once)
    size -= _bury_replaced(layout, listing, at_once=at_once)
    if not is_too_much(size, max_bytes):
        return frozenset()
    live = listing.live_segments
    sealed = [name for name in live if not is_locked(layout.segment(name))]
    kept = pinned(layout).union(
        *(heads(layout, name).traces for name in set(live).difference(sealed))
    )
    oldest, gone = _choose(layout, sealed, kept, size - max_bytes * _TARGET)
    if not gone:
        return gone
    purges.submit(layout, Purge(gone))
    steps("remembered")
    for name in oldest:
        if (some := heads(layout, name)).traces and some.traces.keys() <= gone:
            _delete(layout, name)
            steps("shed")
    return gone


def _empty_replaced(layout: Layout, listing: Listing, *, at_once: bool) -> int:
    """Empty the segments that parts cover, as collection does later; says how much that gives.

    Whoever holds the store's lock may be at it too, which needs no care: a segment is covered once
    it is sealed and the part that has its rows was verified and has its name, nobody writes to it
    again, and no other one gets its name. The part's name is made to survive a loss of power
    first, as its writer may not have come to that; and what it covers is asked of the part itself
    afterwards, as it may have been put aside since it was listed.

    SQL over the files sees a part when it is active. Until then it misses what is emptied, so
    that is only done `at_once` where the limit is passed. What is left for the two seconds until
    then is counted as given all the same: no trace has to go for it.
    """
    now_ms = time.time() * 1000
    given: dict[str, int] = {}
    if listing.covered:
        sync_folder(layout.parts)
    for part in listing.parts:
        replaced = read_covers(layout, part)
        for name in listing.segments:
            path = layout.segment(name)
            if name.filename not in replaced or not (size := size_of(path)) or is_locked(path):
                continue
            with contextlib.suppress(FileNotFoundError):
                if part.act_ms <= now_ms or at_once:
                    os.truncate(path, 0)
                given[name.filename] = size
    return sum(given.values())


def _bury_replaced(layout: Layout, listing: Listing, *, at_once: bool) -> int:
    """Delete the parts that a part covers, as collection does later; says how much that gives.

    The same care is enough as for segments. Whoever reads one of them meets a path that is gone,
    and looks again.
    """
    now_ms = time.time() * 1000
    given: dict[str, int] = {}
    for part in listing.parts:
        for source in read_covers(layout, part):
            name = parse_part(source)
            if name is None or not (size := size_of(layout.part(name))):
                continue
            grave = layout.tmp / f"dead-{secrets.token_hex(8)}"
            with contextlib.suppress(FileNotFoundError):
                if part.act_ms <= now_ms or at_once:
                    os.rename(layout.part(name), grave)  # all of it vanishes at once
                given[source] = size
            shutil.rmtree(grave, ignore_errors=True)
    return sum(given.values())


def _delete(layout: Layout, name: SegmentName) -> None:
    """Delete a segment; what it counts beside its traces goes on in a segment of its own.

    Whoever dies in between leaves both, and a line that is there twice counts once. Two who do it
    at a time make the same file.
    """
    path = layout.segment(name)
    if heads(layout, name).more:
        with contextlib.suppress(FileNotFoundError):
            draft = layout.tmp / f"rest-{secrets.token_hex(8)}"
            draft.write_bytes(other_lines(layout, name))
            os.rename(draft, layout.segment(name._replace(rand=f"{name.rand}0")))
    path.unlink(missing_ok=True)


def _choose(
    layout: Layout, sealed: Sequence[SegmentName], kept: Collection[str], excess: float
) -> tuple[Sequence[SegmentName], frozenset[str]]:
    """The decision, with the segments that it looked at: no more of the oldest than it takes.

    A trace whose end is in a segment that was not looked at counts as running.
    """
    sizes = [size_of(layout.segment(name)) for name in sealed]
    most = 2 * excess
    while True:
        count, read = 0, 0.0
        while count < len(sealed) and read < most:
            read += sizes[count]
            count += 1
        oldest = sealed[:count]
        chosen = choose(_candidates(layout, oldest, kept), before_ns=0, excess=excess)
        if count == len(sealed) or sum(trace.bytes for trace in chosen) >= excess:
            return oldest, frozenset(trace.trace_id for trace in chosen)
        most *= 2


def _candidates(
    layout: Layout, sealed: Sequence[SegmentName], kept: Collection[str]
) -> list[Candidate]:
    """Traces of segments in the order of the segments; those that may still run are kept."""
    alive = live_owners(layout, {name.owner for name in sealed})
    began: dict[str, int] = {}
    sizes: dict[str, int] = {}
    ended: set[str] = set()
    running: set[str] = set()
    for name in sealed:
        for trace_id, head in heads(layout, name).traces.items():
            began.setdefault(trace_id, name.ms * 1_000_000)
            sizes[trace_id] = sizes.get(trace_id, 0) + head.bytes
            if head.ended:
                ended.add(trace_id)
            elif name.owner in alive:
                running.add(trace_id)
    stay = (running - ended).union(kept)
    return [
        Candidate(trace_id, start, sizes[trace_id], trace_id in stay)
        for trace_id, start in began.items()
    ]
