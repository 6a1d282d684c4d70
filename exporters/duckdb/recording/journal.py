"""The journal: where one process writes its lines, whatever the disk does.

A line is appended in the caller's thread, with one `write`. What may take long is done by one
daemon thread: syncing, sealing a segment that is large or old and opening the next one, trying
again after a failed write, noting losses and deliveries, starting somebody who compacts or makes
the catalog of a new store. It starts with the first line.

When a write fails the line is kept in memory (64 MiB at most) and tried again; after a second and
a half, or at once when the store cannot be opened at all, recording goes on in the fallback (see
`places`). Half a minute later the store itself is tried again, or sooner if the fallback fails as
well. Only when neither takes them and the memory is full are lines dropped; they are counted. Where
the system limits how large a file may be the next one goes on; what none could hold is dropped.

Whatever was appended survives the death of the process. A loss of power it survives by the policy
`sync`. `write`: when `append` returns, the line and the names of its file and folders are synced.
`batch`: the daemon syncs them half a second after the first line that is not, so that what is
older than a second survives, on a disk that syncs in less than half a one. `off`: when the kernel
gets to it, 30 s or so; the store stays readable. See docs/durability.md.

A forked child begins a segment and an identity of its own. It closes its copy of the parent's
file, which neither writes to it nor unlocks it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pile import has_piled_up, relieve, start_helper
from exporters.duckdb.recording.counts import NAME, Counts
from exporters.duckdb.recording.lifetime import accompany, is_ending
from exporters.duckdb.recording.lines import Line, encode_item, encode_line
from exporters.duckdb.recording.places import Places
from exporters.duckdb.recording.rotation import SEGMENT_LIMIT, Rotation
from exporters.duckdb.recording.segment import Files, Segment
from exporters.duckdb.recording.waiting import MEMORY_LIMIT, Waiting
from tracer.config import Sync, usable_settings
from tracer.logger import logger
from tracer.losses import losses

DROPPED = "store not writable"
TOO_LARGE = "larger than a file may be"
_MOST_LEAVING, _MOST_LEAVING_LIMITED = 8, 2
_BATCH = 4 * 1024 * 1024
_SYNC_SECONDS = 0.5
_HOUSEKEEPING_SECONDS = 5.0


class Journal:
    """Appends the lines of this process to a store. Safe in threads, signal handlers and forks.

    Nothing here raises but what a signal's handler raises; nothing is opened before the first
    line.
    """

    def __init__(
        self,
        store: Path,
        *,
        fallback: Path | None,
        sync: Sync = "batch",
        segment_limit: int = SEGMENT_LIMIT,
        files: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A journal of the store at a path, and of the fallback where there is one."""
        self._places = Places(store, fallback, files or Files(), clock)
        self._counts = Counts()
        self._sync_mode: Sync = sync
        self._gathers = sync == "batch"  # otherwise the daemon has nothing to do for a line
        self._limit = segment_limit
        self._clock = clock
        self._begin()
        accompany(self)

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self._lock = threading.RLock()
        self._sealing = threading.RLock()  # never waited for by who appends
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._seq = itertools.count(1)
        self._segment: Segment | None = None
        self._parked: Segment | None = None
        self._leaving: list[Segment] = []
        self._rotation = Rotation(self._limit, self._clock)
        self._dirty = False
        self._looked = False  # whether somebody was asked for the catalog of a new store
        self._waiting = Waiting(self._clock)

    @property
    def store(self) -> Layout:
        """The store that lines belong in."""
        return self._places.store

    @property
    def fallback(self) -> Layout | None:
        """The store that takes them while that one cannot be written."""
        return self._places.fallback

    @property
    def owner(self) -> str:
        """The identity of this process's recorder, as its segments and rows carry it."""
        return self._places.owner

    @property
    def path(self) -> Path | None:
        """The segment that is being written."""
        return None if self._segment is None else self._segment.path

    def append(self, line: Line) -> None:
        """Append a line; when this returns, it is on file or kept in memory or counted as lost."""
        line.fields["seq"] = next(self._seq)
        if line.lost:
            self._counts.oversize(line.fields, line.lost)
        with self._lock:
            # A signal's handler may record while this thread is inside: let it wait its turn.
            if self._busy or self._waiting.lines:
                self._keep(line)
            else:
                self._busy, written = True, False
                try:
                    written = self._write((line,))
                finally:  # what a signal's handler raises here must not cost the line
                    self._busy = False
                    if not written:
                        self._keep(line)
        if self._thread is None or (self._gathers and not self._dirty):
            self._dirty = self._dirty or self._gathers
            self._start()
        if self._places.notes:
            self._log()

    def flush(self) -> None:
        """Write what is kept and the losses counted since, and make it survive a loss of power."""
        with self._lock:
            self._drain()
            self._write_counts()
        self._sync()
        self._log()

    def close(self) -> None:
        """Flush, seal the segment and stop the daemon; the next line begins again.

        While the program ends it only flushes: what exporters deliver by then is yet to be noted.
        """
        if is_ending():
            self.flush()
        else:
            self._close()

    def finish(self) -> None:
        """The program has ended."""
        self._close()
        start_helper(self.store)

    def _close(self) -> None:
        thread = self._stop()
        with self._lock:
            self._drain_elsewhere()
            self._drop_all()
            self._write_counts()
            self._drop_all()
        with self._lock:
            last = [one for one in (self._segment, self._parked) if one is not None]
            self._leaving += last
            self._segment = self._parked = None
            self._dirty = False
        self._seal_leaving()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        self._log()

    # Writing. All of these are called with the lock held.

    def _write(self, lines: Sequence[Line]) -> bool:
        segment = self._segment
        if (
            segment is None
            or not segment.takes_more()
            or (segment.size > self._limit and self._rotation.is_overfull(segment))
        ):
            behind = segment is not None and not segment.broken
            segment = self._next()
            if segment is None:
                return False
            if behind:
                relieve(self.store, usable_settings().max_disk)
        carried = segment.carried
        data, fresh = self._compose(lines, segment)
        try:
            segment.append(data)
        except OSError as error:
            segment.carried = carried
            if error.errno == errno.EFBIG and (segment.size or len(lines) == 1):
                return self._write_limited(lines, segment)
            self._places.complain(self._places.current, error)
            return False
        if fresh:
            segment.known.update(fresh)
        self._rotation.appended()
        if self._sync_mode == "write":
            self._sync_now(segment)
        if segment.size > self._limit and self._rotation.is_full(segment):
            self._wake.set()
        return True

    def _write_limited(self, lines: Sequence[Line], segment: Segment) -> bool:
        """The system limits how large a file may be: write to the next one what one can hold."""
        if not segment.size:
            self._drop(lines[0], TOO_LARGE)
            return True
        following = self._next()
        self._wake.set()
        return following is not None and following is not segment and self._write(lines)

    def _sync_now(self, segment: Segment) -> None:
        try:
            segment.sync()
            segment.sync_name()
            self._places.sync_names()
        except OSError as error:
            self._places.complain(self._places.current, error)
            self._dirty = True  # the daemon's to try again

    def _compose(self, lines: Sequence[Line], segment: Segment) -> tuple[bytes, Sequence[str]]:
        """The bytes of lines, each after the items that the segment lacks; and their hashes."""
        if len(lines) == 1 and segment.known.issuperset(lines[0].items):
            return self._encoded(lines[0], segment), ()
        fresh: list[str] = []
        chunks: list[bytes] = []
        for line in lines:
            items = line.items
            if items and not segment.known.issuperset(items):
                lacking = [name for name in items if name not in segment.known]
                if fresh:
                    lacking = [name for name in lacking if name not in fresh]
                chunks += [encode_item(name, items[name], next(self._seq)) for name in lacking]
                fresh += lacking
                self._rotation.weigh(segment, items, lacking)
            chunks.append(self._encoded(line, segment))
        return b"".join(chunks), fresh

    def _encoded(self, line: Line, segment: Segment) -> bytes:
        line.fields["owner"] = segment.owner
        data, lost = encode_line(line)
        if lost:
            self._counts.oversize(line.fields, lost)
        return data

    def _next(self) -> Segment | None:
        """Go over to a new segment, in the store or else in the fallback."""
        opened = self._places.open()
        if opened is not None:
            self._adopt(*opened)
        elif self._segment is not None and self._segment.broken:
            self._segment.release()
            self._segment = None
        return self._segment

    def _adopt(self, place: Layout, segment: Segment) -> None:
        """Make a segment the one that is written; the one before it is the daemon's to let go.

        The store's own last segment stays locked while recording goes on in the fallback, so that
        what this process has open there is not taken for interrupted.
        """
        before, self._segment = self._segment, segment
        moved, self._places.current = place != self._places.current, place
        self._rotation.opened(before)
        if before is not None and moved and place == self.fallback:
            self._parked, before = before, None
        elif moved and place == self.store and self._parked is not None:
            self._leaving.append(self._parked)
            self._parked = None
        if before is not None:
            self._leaving.append(before)
        limited = self._limit < SEGMENT_LIMIT
        most = _MOST_LEAVING_LIMITED if limited else _MOST_LEAVING
        if len(self._leaving) > most:  # the daemon hangs, or there is none
            self._seal(self._leaving.pop(0))

    def _keep(self, line: Line) -> None:
        waiting = self._waiting
        if not waiting.has_room(line) and not self._busy and waiting.lines:
            self._divert()
            if self._drain():
                waiting.add(line)
                self._drain()
                return
        if not waiting.has_room(line):
            self._drop(line)
        elif waiting.add(line):
            self._wake.set()

    def _drain(self) -> bool:
        """Write what waits, in order; says whether nothing is left."""
        if self._busy:
            return not self._waiting.lines
        self._busy = True
        try:
            limit = _BATCH
            while self._waiting.lines:
                batch = self._waiting.oldest(limit)
                if self._write(batch):
                    self._waiting.written(batch)
                elif len(batch) > 1:
                    limit = 0  # there may be room for one line where there is none for many
                else:
                    return False
            return True
        finally:
            self._busy = False

    def _drain_elsewhere(self) -> None:
        """Write what waits, in new segments as long as those have room for some of it."""
        left = -1
        while not self._drain() and len(self._waiting.lines) != left:
            left = len(self._waiting.lines)
            self._divert()

    def _divert(self) -> None:
        """Stop trying the store for a while, or the fallback, where that is no better."""
        if self._places.current == self.store or self._segment is None:
            self._places.put_off()
        else:
            self._places.relent()
        self._next()

    def _drop(self, line: Line, reason: str = DROPPED) -> None:
        if self._counts.take_back(line.fields):
            return
        losses.count(NAME, reason, trace_id=line.fields.get("trace_id"))
        if reason == TOO_LARGE:
            self._places.notes.append(
                "Records are being lost: the system limits how large a file of this process may "
                "be (`ulimit -f`), and they are larger. They are dropped and counted. Raise it."
            )
            return
        self._places.notes.append(
            f"Records are being lost: neither the store {str(self.store.catalog)!r} nor its "
            f"fallback can be written, and {MEMORY_LIMIT >> 20} MiB are waiting. What does not "
            f"fit is dropped and counted. Make space or give permission there."
        )

    def _drop_all(self) -> None:
        for line in self._waiting.clear():
            self._drop(line)

    def _write_counts(self) -> None:
        for line in self._counts.more():
            line.fields["seq"] = next(self._seq)
            self._waiting.add(line)
        if self._waiting.lines:
            self._drain()

    def _log(self) -> None:
        """Log outside of the lock: a handler may itself record, or hold locks of its own."""
        with self._lock:
            notes, self._places.notes = self._places.notes, []
        for note in dict.fromkeys(notes):
            if note.startswith("Records are being lost"):
                losses.warn(DROPPED, note)
            else:
                logger.warning("%s", note)

    # The daemon.

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is not None:
                    return
                thread = threading.Thread(target=self._run, name="flightlog-store", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is going down, or there are too many
                    return
                self._thread = thread
        self._wake.set()

    def _stop(self) -> threading.Thread | None:
        with self._lock:
            thread, self._thread = self._thread, None
            wake, self._wake = self._wake, threading.Event()
        wake.set()
        return thread

    def _run(self) -> None:
        wake = self._wake
        me = threading.current_thread()
        while True:
            wake.wait(self._delay())
            wake.clear()
            if self._dirty and not self._waiting.lines:
                wake.wait(_SYNC_SECONDS)  # let a batch gather; what is urgent wakes us
                wake.clear()
            with self._lock:
                if self._thread is not me and self._wake is not wake:
                    return
            try:
                self.tend()
            except Exception:  # noqa: BLE001 (the daemon must outlive any surprise)
                losses.warn(
                    "duckdb daemon", "The store's daemon failed; it goes on.", exc_info=True
                )

    def _delay(self) -> float:
        if self._waiting.lines:
            return max(0.01, self._waiting.retry_at - self._clock())
        return _HOUSEKEEPING_SECONDS

    def tend(self) -> None:
        """What the daemon does each time it wakes."""
        if self._waiting.lines and self._clock() >= self._waiting.retry_at:
            self._retry()
        self._seal_leaving()
        if self._dirty:
            self._sync()
        with self._lock:
            self._write_counts()
        self._look_at_first()
        segment = self._segment
        if segment is not None and self._rotation.is_due(segment):
            in_burst = self._rotation.is_full(segment)
            if self.seal(segment):
                self._look_after(in_burst)
        self._log()

    def _look_at_first(self) -> None:
        """Have the catalog of a new store made at once, burst or not, and ask for it once.

        Who opens its path with DuckDB while it is missing makes an empty database there.
        """
        with self._lock:
            if self._looked or self._segment is None or self._places.current != self.store:
                return
            self._looked = True
        if not os.path.lexists(self.store.catalog):
            start_helper(self.store)

    def _look_after(self, in_burst: bool) -> None:
        """Have somebody compact what piled up; in a burst a missing catalog can wait."""
        looked_at = os.path.lexists(self.store.catalog) or self._limit < SEGMENT_LIMIT
        if in_burst and not looked_at and not has_piled_up(self.store):
            return
        start_helper(self.store)

    def _retry(self) -> None:
        with self._lock:
            if not self._drain() and self._waiting.failed():
                self._divert()
                self._drain()

    def _sync(self) -> None:
        with self._lock:
            segment, self._dirty = self._segment, False
        if segment is None:
            return
        try:
            segment.sync()
            segment.sync_name()
            self._places.sync_names()
        except OSError as error:
            with self._lock:
                if segment is self._segment and not segment.closed:
                    self._places.complain(self._places.current, error)

    def seal(self, segment: Segment | None = None) -> bool:
        """Seal the segment; an empty one follows it, which says that this process lives.

        Args:
            segment: The one that is meant: nothing is done where another is written by now.

        Returns:
            Whether this call sealed it: of two threads that are at it one does.
        """
        with self._lock:
            due = self._segment
            if due is None or (segment is not None and segment is not due):
                return False
            opened = self._places.open()
        if opened is None:
            return False
        place, following = opened
        if self._sync_mode != "off":
            with contextlib.suppress(OSError):
                following.sync_name()
        with self._lock:
            ours = self._segment is due
            if ours:
                self._adopt(place, following)
            else:
                self._leaving.append(following)
        self._seal_leaving()
        return ours

    def _seal_leaving(self) -> None:
        with self._sealing:  # whoever comes second finds them sealed
            with self._lock:
                leaving, self._leaving = self._leaving, []
            for segment in leaving:
                self._seal(segment)

    def _seal(self, segment: Segment) -> None:
        """Sync and close a segment that nothing is written to any more."""
        if segment.size and self._sync_mode != "off":
            with contextlib.suppress(OSError):
                segment.sync()
                segment.sync_name()
        segment.discard_if_empty()
        segment.release()

    # Forks.

    def hold(self) -> None:
        """Before a fork: come to rest."""
        self._lock.acquire()

    def let_go(self) -> None:
        """After a fork, in the parent."""
        self._lock.release()

    def begin_anew(self) -> None:
        """After a fork, in the child, whose counters of losses have begun anew before."""
        for segment in (self._segment, self._parked, *self._leaving):
            if segment is not None:
                segment.release()
        self._places.begin()
        self._counts.begin()
        self._begin()
