"""Compaction: sealed segments become parts, and small parts become larger ones.

Any process may do it and only one does: it takes the store's lock without waiting. A segment may
be taken when its writer has let go of it, by sealing it or by dying. Rows keep their highest
`rev`; a row that has not ended is carried in `open.parquet` until its end turns up. What cannot
be read is copied to `quarantine/` and counted by a row of kind `loss`.

    python -m exporters.duckdb.upkeep.compaction --store PATH
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import (
    Layout,
    Listing,
    PartName,
    SegmentName,
    create,
    is_locked,
    read_format,
    scan,
)
from exporters.duckdb.limits.pile import share
from exporters.duckdb.parts import PartError, Sizes, Steps, ensure_schema_part, nothing
from exporters.duckdb.upkeep.alone import alone, renew
from exporters.duckdb.upkeep.attempts import Attempts, read_attempts, write_attempts
from exporters.duckdb.upkeep.collect import Collected, collect, is_collection_due
from exporters.duckdb.upkeep.loading import Sieved, sieve
from exporters.duckdb.upkeep.merging import merge, mergeable, weights
from exporters.duckdb.upkeep.packing import CORRUPT, pack
from exporters.duckdb.upkeep.retention import (
    Limits,
    Purged,
    configured,
    has_room,
    is_retention_due,
    retain,
)
from exporters.duckdb.upkeep.salvage import Mended, examine, mend
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.store import StoreError

__all__ = ["CORRUPT", "CompactionReport", "Sealed", "batches", "compact", "due", "is_due",
           "main", "sealed_segments"]  # fmt: skip

BATCH_BYTES = 128 * 1024 * 1024
DUE_BYTES = 16 * 1024 * 1024
DUE_MS = 30_000
DUE_FILES = 40
_LINGER_SECONDS = 3.0
_ROUNDS = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_FULL_SAID = re.compile(r"No space left|quota exceeded|File too large|Read-only file system", re.I)


@dataclass(slots=True)
class CompactionReport:
    """What one call did.

    Attributes:
        busy: Another process holds the lock; nothing was done.
        segments: How many segments were replaced.
        bytes: How large they were.
        rows: Rows that ended, written to new parts.
        open: Rows without an end, written or carried.
        items: Items written.
        bad_lines: Lines that could not be read.
        parts: Names of new parts that hold what was in segments.
        merged: Names of new parts that replace small parts.
        collected: What was deleted.
        purged: What retention did.
        mended: What was damaged, and what became of it.
        problems: What went wrong and was left for later, one sentence each.
        seconds: How long it took.
        merge_seconds: How much of that went into merging.
    """

    busy: bool = False
    segments: int = 0
    bytes: int = 0
    rows: int = 0
    open: int = 0
    items: int = 0
    bad_lines: int = 0
    parts: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    collected: Collected = field(default_factory=Collected)
    purged: Purged = field(default_factory=Purged)
    mended: Mended = field(default_factory=Mended)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    merge_seconds: float = 0.0


class _FullError(Exception):
    """There is no room, so that going on makes no sense."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What one compaction goes by."""

    layout: Layout
    report: CompactionReport
    attempts: Attempts
    limits: Limits
    steps: Steps


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that may be compacted."""

    name: SegmentName
    size: int


def compact(
    store: str | os.PathLike[str],
    *,
    steps: Steps = nothing,
    grace_s: float | None = None,
    limits: Limits | None = None,
) -> CompactionReport:
    """Compact, merge and collect what there is to do, unless another process is at it.

    Args:
        store: The store's path.
        steps: Told of each step of the protocol.
        grace_s: Collect now, with this many seconds of grace, whenever the last time was.
        limits: How much is kept; as the settings say where it is None.

    Raises:
        StoreError: If the path is no store of ours, or cannot be written.
    """
    layout = Layout.of(store)
    limits = configured() if limits is None else limits
    report = CompactionReport()
    if read_format(layout) is None:
        return report
    create(layout)
    began = time.perf_counter()
    try:
        with alone(layout) as ours:
            if not ours:
                report.busy = True
                return report
            work = _Work(layout, report, read_attempts(layout), limits, steps)
            steps("locked")
            ensure_schema_part(layout)
            mend(layout, report.mended, steps)
            if grace_s is not None:
                report.collected = collect(layout, grace_s=grace_s, steps=steps)
            elif is_collection_due(layout):
                report.collected = collect(layout, steps=steps)
            with contextlib.suppress(_FullError):
                _pack_within_limits(work)
                _merge_all(work)
            _retain(work)
            os.utime(layout.lock)
            if limits.max_bytes is None:  # else nothing may hold up the next one
                ensure_catalog(layout)
            report.problems += report.mended.problems
            work.attempts.problems = report.problems
            write_attempts(layout, work.attempts)
    except (OSError, duckdb.Error) as error:
        raise StoreError(
            f"The store {str(layout.catalog)!r} could not be compacted ({_said(error)}). "
            f"Compaction needs to write about as much as it reads; segments stay as they are "
            f"meanwhile. Make space or give permission there; it is tried again by itself."
        ) from error
    finally:
        report.seconds = time.perf_counter() - began
    return report


def _pack_within_limits(work: _Work) -> None:
    """Make parts of what is sealed; with a limit of the disk there is room for few at a time."""
    if work.limits.max_bytes is None:
        _pack_all(work, sys.maxsize)
        return
    _retain(work)
    while _pack_all(work, 1) and not work.report.problems:
        _retain(work)


def _pack_all(work: _Work, most: int) -> bool:
    """Make parts of so many batches of what is sealed; says whether there is more.

    Again where a damaged part gave back what it was made of.
    """
    layout, report = work.layout, work.report
    for _ in range(_ROUNDS):
        suspects: set[PartName] = set()
        with _sieves(layout) as sieves:
            todo = list(batches(_openable(work), work.limits.max_bytes))
            left = bool(todo[most:])
            del todo[most:]
            sieves.begin(todo[:1])
            for number, batch in enumerate(todo):
                current = sieves.next(batch)
                sieves.begin(todo[number + 1 : number + 2])
                _pack(work, batch, suspects, current)
                renew(layout)
        if not examine(layout, sorted(suspects), report.mended, work.steps):
            return left
    return False


def _pack(
    work: _Work, batch: Sequence[Sealed], suspects: set[PartName], sieved: Callable[[], Sieved]
) -> None:
    """Make a part of a batch; of half of it at a time where that fails, down to the culprit."""
    report = work.report
    try:
        packed = pack(work.layout, sieved(), work.steps)
    except (PartError, duckdb.Error, OSError) as error:
        if _is_full(error):
            report.problems.append(_no_room(work.layout, error))
            raise _FullError from error
        if len(batch) == 1:
            if not work.layout.segment(batch[0].name).exists():
                return  # a recorder had to make room, see `shedding`
            report.problems.append(
                f"The segment {batch[0].name.filename} could not be compacted ({_said(error)}). "
                f"It stays as it is, and is read as it is. It is tried again the next time."
            )
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            with _sieves(work.layout) as sieves:
                _pack(work, half, suspects, sieves.next(half))
        return
    suspects |= packed.suspects
    report.parts.append(packed.part.dirname)
    report.segments += len(batch)
    report.bytes += sum(segment.size for segment in batch)
    report.bad_lines += packed.bad_lines
    _add(report, packed.sizes)


class _Sieves:
    """Sieves one batch while another is packed: that one waits for the disk, this for Python."""

    def __init__(self, layout: Layout, folder: Path, pool: ThreadPoolExecutor) -> None:
        self._layout = layout
        self._folder = folder
        self._pool = pool
        self._begun: dict[SegmentName, Future[Sieved]] = {}

    def begin(self, todo: Sequence[Sequence[Sealed]]) -> None:
        """Start on these."""
        for batch in todo:
            names = [segment.name for segment in batch]
            self._begun[names[0]] = self._pool.submit(sieve, self._layout, names, self._folder)

    def next(self, batch: Sequence[Sealed]) -> Callable[[], Sieved]:
        """Gives what was sieved of a batch, when it is asked for."""
        if (begun := self._begun.pop(batch[0].name, None)) is not None:
            return begun.result
        names = [segment.name for segment in batch]
        return lambda: sieve(self._layout, names, self._folder)


@contextlib.contextmanager
def _sieves(layout: Layout) -> Iterator[_Sieves]:
    folder = layout.tmp / f"sieve-{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        with ThreadPoolExecutor(1) as pool:
            yield _Sieves(layout, folder, pool)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _merge_all(work: _Work) -> None:
    """Put small parts together; those that cannot be are left alone for a while."""
    layout, report = work.layout, work.report
    began = time.perf_counter()
    try:
        while group := mergeable(
            weights(layout),
            scan(layout),
            work.limits.max_bytes,
            skip=work.attempts.resting.keys() | report.mended.unreadable,
        ):
            if not _has_room(work, group):
                break
            _merge(work, group)
            renew(layout)
    finally:
        report.merge_seconds += time.perf_counter() - began


def _has_room(work: _Work, group: Sequence[PartName]) -> bool:
    """Whether parts may be put together now: for a while they take their place twice."""
    if work.limits.max_bytes is None:
        return True
    _retain(work)
    there = set(scan(work.layout).live_parts)
    return there.issuperset(group) and has_room(
        work.layout, work.limits, sum(size_of(work.layout.part(part)) for part in group)
    )


def _merge(work: _Work, group: Sequence[PartName]) -> None:
    layout, report = work.layout, work.report
    try:
        report.merged.append(merge(layout, group, work.steps).dirname)
    except (PartError, duckdb.Error, OSError) as error:
        if _is_full(error):
            report.problems.append(_no_room(layout, error))
            raise _FullError from error
        if not set(group) <= set(scan(layout).live_parts):
            return  # somebody has moved a damaged one meanwhile
        if not examine(layout, group, report.mended, work.steps):
            work.attempts.rest(group)
            report.problems.append(
                f"{len(group)} parts from {group[0].dirname} on could not be merged "
                f"({_said(error)}). They are read as they are. It is tried again in a day."
            )


def _openable(work: _Work) -> list[Sealed]:
    """What may be compacted, without what may not be read."""
    found = []
    for segment in sealed_segments(work.layout, scan(work.layout)):
        path = work.layout.segment(segment.name)
        if os.access(path, os.R_OK):
            found.append(segment)
        else:
            report = work.report.mended
            report.problems.append(
                f"The segment {str(path)!r} may not be read. What is in it is left out. Give "
                f"yourself permission to read it."
            )
    return found


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return _FULL_SAID.search(str(error)) is not None


def _no_room(layout: Layout, error: Exception) -> str:
    return (
        f"A part of the store {str(layout.catalog)!r} could not be written ({_said(error)}). "
        f"Compaction needs about as much room as it reads; segments stay as they are, and are "
        f"read as they are. Make space there; it is tried again by itself."
    )


def _said(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
    return (said or type(error).__name__)[:200]


def _retain(work: _Work) -> None:
    """Keep the store within its limits."""
    purged = retain(work.layout, work.limits, steps=work.steps)
    work.report.purged.add(purged)
    new = [said for said in purged.problems if said not in work.report.problems]
    work.report.problems += new


def due(store: str | os.PathLike[str], limits: Limits | None = None) -> bool:
    """Whether compaction is worth its while now; with limits, also whether these are passed."""
    limits = Limits() if limits is None else limits
    layout = Layout.of(store)
    sealed = sealed_segments(layout, scan(layout))
    return is_due(sealed, time.time_ns() // 1_000_000) or is_retention_due(layout, limits)


def is_due(sealed: Sequence[Sealed], now_ms: int) -> bool:
    """The decision, on what may be compacted: enough bytes, enough files, or old enough."""
    return (
        sum(segment.size for segment in sealed) >= DUE_BYTES
        or len(sealed) >= DUE_FILES
        or any(now_ms - segment.name.ms >= DUE_MS for segment in sealed)
    )


def sealed_segments(layout: Layout, listing: Listing) -> list[Sealed]:
    """Segments that count, hold something, and whose writer has let go of them; oldest first."""
    found = []
    for name in listing.live_segments:
        path = layout.segment(name)
        with contextlib.suppress(OSError):
            # The size after the lock: who still held it may have been writing.
            if not is_locked(path) and (size := path.stat().st_size):
                found.append(Sealed(name, size))
    return found


def batches(sealed: Sequence[Sealed], max_disk: int | None = None) -> Iterator[list[Sealed]]:
    """Segments in groups of at most `BATCH_BYTES`, one part each; less with a limit of the disk."""
    limit = share(BATCH_BYTES, 10, max_disk)
    batch: list[Sealed] = []
    size = 0
    for segment in sealed:
        if batch and size + segment.size > limit:
            yield batch
            batch, size = [], 0
        batch.append(segment)
        size += segment.size
    if batch:
        yield batch


def _add(report: CompactionReport, sizes: Sizes) -> None:
    report.rows += sizes.rows
    report.open += sizes.open
    report.items += sizes.items


def main(arguments: Sequence[str] | None = None) -> int:
    """Compact once, giving way to everything else on the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.upkeep.compaction",
        description="Turn a store's sealed segments into parts, once.",
        epilog="example: python -m exporters.duckdb.upkeep.compaction --store traces.duckdb",
    )
    parser.add_argument("--store", required=True, help="path of the store's catalog file")
    parser.add_argument(
        "--no-limits",
        action="store_true",
        help="leave out FLIGHTLOG_MAX_DISK and FLIGHTLOG_MAX_AGE",
    )
    options = parser.parse_args(arguments)
    limits = Limits() if options.no_limits else configured()
    if limits.max_bytes is None:  # else giving way might mean to fall behind
        with contextlib.suppress(OSError):
            os.nice(10)
    while True:
        try:
            report = compact(options.store, limits=limits)
        except StoreError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        for problem in report.problems:
            sys.stderr.write(f"{problem}\n")
        if report.problems or report.busy or not _presses(Layout.of(options.store), limits):
            _tidy(Layout.of(options.store), limits)
            ensure_catalog(Layout.of(options.store))
            return 1 if report.problems else 0


def _presses(layout: Layout, limits: Limits) -> bool:
    """Whether so much was sealed meanwhile that a limit of the disk cannot wait for the next.

    Stays a while where there is a limit: whoever records would start another one in a moment, and
    what is sealed at a program's end must not be left to nobody.
    """
    if limits.max_bytes is None:
        return False
    deadline = time.monotonic() + _LINGER_SECONDS
    while time.monotonic() < deadline:
        size = sum(segment.size for segment in sealed_segments(layout, scan(layout)))
        if size > share(DUE_BYTES, 20, limits.max_bytes) or is_retention_due(layout, limits):
            return True
        time.sleep(_LINGER_SECONDS / 10)
    return False


def _tidy(layout: Layout, limits: Limits) -> None:
    """With a limit of the disk, do not leave to nobody what was replaced in the last seconds."""
    if limits.max_bytes is None or not layout.exists:
        return
    with contextlib.suppress(OSError, duckdb.Error), alone(layout) as ours:
        if ours:
            retain(layout, limits)


if __name__ == "__main__":
    sys.exit(main())
