"""Shedding: deleting segments unread, where they come faster than they can be made parts.

Compaction keeps up with 25,000 spans a second and more; a program that records faster for long, or
a machine with no time for compaction, would take the disk beyond its limit all the same. Then the
oldest of what waits goes, whole traces as ever. It takes no DuckDB, so recorders do it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from exporters.duckdb import purges
from exporters.duckdb.choice import Candidate, choose
from exporters.duckdb.heads import heads
from exporters.duckdb.layout import Layout, SegmentName, is_locked, live_owners, scan
from exporters.duckdb.pins import pinned
from exporters.duckdb.purges import Purge

BACKLOG = 0.3  # of the limit: what may wait for compaction


def is_backlog(size: int, max_bytes: int) -> bool:
    """Whether segments of so many bytes are too much for a store of that limit."""
    return size > max_bytes * BACKLOG


def shed(layout: Layout, max_bytes: int, *, steps: Callable[[str], None]) -> frozenset[str]:
    """Delete the oldest sealed segments that are too much; gives the traces that go with them.

    What goes is remembered like any purge, for a trace may have rows elsewhere, also in a part
    that is just being made of such a segment. So nobody needs the store's lock for it. Steps:
    `remembered`, `shed` for each segment.

    Raises:
        OSError: If the store cannot be changed.
    """
    listing = scan(layout)
    sealed = {
        name: path.stat().st_size
        for name in listing.live_segments
        if (path := layout.segment(name)).exists() and not is_locked(path)
    }
    size = sum(sealed.values())
    if not is_backlog(size, max_bytes):
        return frozenset()
    kept = pinned(layout).union(
        *(heads(layout, name).traces for name in listing.live_segments if name not in sealed)
    )
    found = _candidates(layout, sorted(sealed), kept)
    chosen = choose(found, before_ns=0, excess=size - max_bytes * BACKLOG)
    gone = frozenset(trace.trace_id for trace in chosen)
    if not gone:
        return gone
    purges.submit(layout, Purge(gone))
    steps("remembered")
    for name in sealed:
        some = heads(layout, name)
        if not some.more and some.traces.keys() <= gone:
            layout.segment(name).unlink(missing_ok=True)
            steps("shed")
    return gone


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
