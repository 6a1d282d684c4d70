"""The journal: where one process writes its lines, whatever the disk does.

A line is appended in the caller's thread, with one `write`. What may take long is done by one
daemon thread: syncing, sealing a segment that is large or old and opening the next one, trying
again after a failed write, noting losses. It starts with the first line.

When a write fails the line is kept in memory (64 MiB at most) and tried again; after a second and
a half, or at once when the store cannot be opened at all, recording goes on in the fallback: a
whole store of its own, in the user's folder of state data, which every command reads with
`--store`. The log names it. Half a minute later the store itself is tried again. Only when the
fallback fails as well, and the memory is full, are lines dropped; they are counted.

A forked child begins a segment and an identity of its own. It closes its copy of the parent's
file, which neither writes to it nor unlocks it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from exporters.duckdb.layout import Layout, SegmentName, create, host_name
from exporters.duckdb.lines import OVERSIZE, Line, encode_item, encode_line, loss_line
from exporters.duckdb.pile import start_helper
from exporters.duckdb.segment import Files, Segment
from exporters.store import StoreError
from tracer.config import Sync
from tracer.logger import logger
from tracer.losses import Loss, losses

NAME = "duckdb"
DROPPED = "store not writable"
MEMORY_LIMIT = 64 * 1024 * 1024
SEGMENT_LIMIT = 8 * 1024 * 1024
_HARD_LIMIT = 4 * SEGMENT_LIMIT  # sealed by the caller's thread if the daemon is held up
_BATCH = 4 * 1024 * 1024
_ROTATE_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_SYNC_SECONDS = 0.5
_HOUSEKEEPING_SECONDS = 5.0
_BACK_OFF_SECONDS = 0.1
_PATIENCE = 4  # 0.1 + 0.2 + 0.4 + 0.8 s
_STORE_AGAIN_SECONDS = 30.0
_LINE_OVERHEAD = 2048

_journals: weakref.WeakSet[Journal] = weakref.WeakSet()
_held: list[Journal] = []
_forking = threading.Lock()


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
        files: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A journal of the store at a path, and of the fallback where there is one."""
        self.store = Layout.of(store)
        self.fallback = None if fallback is None else Layout.of(fallback)
        self._sync_mode: Sync = sync
        self._files = files or Files()
        self._clock = clock
        self._reported: dict[Loss, int] = dict(losses.totals())
        self._complained: set[str] = set()
        self._notes: list[str] = []
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._rand = secrets.token_hex(6)
        self._seq = itertools.count(1)
        self._last_ms = 0
        self._segment: Segment | None = None
        self._parked: Segment | None = None
        self._place = self.store
        self._ready: set[Layout] = set()
        self._opened_at = self._appended_at = 0.0
        self._dirty = self._unnamed = False
        self._waiting: deque[Line] = deque()
        self._waiting_bytes = 0
        self._failures = 0
        self._retry_at = 0.0
        self._store_again_at = 0.0

    @property
    def owner(self) -> str:
        """The identity of this process's recorder, as its segments and rows carry it."""
        return f"{host_name()}-{os.getpid()}-{self._rand}"

    @property
    def path(self) -> Path | None:
        """The segment that is being written."""
        return None if self._segment is None else self._segment.path

    def append(self, line: Line) -> None:
        """Append a line; when this returns, it is on file or kept in memory or counted as lost."""
        fields = line.fields
        fields["seq"] = next(self._seq)
        if line.lost:
            losses.count(NAME, OVERSIZE, line.lost, trace_id=fields.get("trace_id"))
        with self._lock:
            # A signal's handler may record while this thread is inside: let it wait its turn.
            if self._busy or self._waiting:
                self._keep(line)
            else:
                self._busy, written = True, False
                try:
                    written = self._write((line,))
                finally:  # what a signal's handler raises here must not cost the line
                    self._busy = False
                    if not written:
                        self._keep(line)
        if not self._dirty or self._thread is None:
            self._dirty = True
            self._start()
        if self._notes:
            self._log()

    def flush(self) -> None:
        """Write what is kept and the losses counted since, and make it survive a loss of power."""
        with self._lock:
            self._drain()
            self._write_losses()
        self._sync()
        self._log()

    def close(self) -> None:
        """Flush, seal the segment and stop the daemon; the next line begins again."""
        thread = self._stop()
        with self._lock:
            self._drain_elsewhere()
            self._drop_all()
            self._write_losses()
            self._drop_all()
        if self._sync_mode != "off":
            self._sync()
        with self._lock:
            for segment in (self._segment, self._parked):
                _seal(segment)
            self._segment = self._parked = None
            self._dirty = False
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        self._log()

    # Writing. All of these are called with the lock held.

    def _write(self, lines: Sequence[Line]) -> bool:
        segment = self._segment
        if segment is None or segment.size > _HARD_LIMIT or not segment.is_ours() or segment.broken:
            segment = self._next()
            if segment is None:
                return False
        data, fresh = self._compose(lines, segment)
        try:
            segment.append(data)
        except OSError as error:
            self._complain(self._place, error)
            return False
        segment.known.update(fresh)
        self._appended_at = self._clock()
        if self._sync_mode == "write":
            with contextlib.suppress(OSError):
                segment.sync()
        elif segment.size > SEGMENT_LIMIT:
            self._wake.set()
        return True

    def _compose(self, lines: Sequence[Line], segment: Segment) -> tuple[bytes, set[str]]:
        """The bytes of lines, each after the items that the segment lacks; and their hashes."""
        fresh: set[str] = set()
        chunks: list[bytes] = []
        for line in lines:
            if not segment.known.issuperset(line.items):
                for name, value in line.items.items():
                    if name not in segment.known and name not in fresh:
                        fresh.add(name)
                        chunks.append(encode_item(name, value, next(self._seq)))
            line.fields["owner"] = segment.name.owner
            data, lost = encode_line(line)
            chunks.append(data)
            if lost:
                losses.count(NAME, OVERSIZE, lost, trace_id=line.fields.get("trace_id"))
        return b"".join(chunks) if len(chunks) > 1 else chunks[0], fresh

    def _next(self) -> Segment | None:
        """Go over to a new segment, in the store or else in the fallback."""
        opened = self._open()
        if opened is not None:
            self._adopt(*opened)
        elif self._segment is not None and self._segment.broken:
            self._segment.release()
            self._segment = None
        return self._segment

    def _adopt(self, place: Layout, segment: Segment) -> None:
        """Make a segment the one that is written, then let go of the one before it.

        The store's own last segment stays locked while recording goes on in the fallback, so that
        what this process has open there is not taken for interrupted.
        """
        before, self._segment = self._segment, segment
        moved, self._place = place != self._place, place
        self._opened_at = self._clock()
        self._unnamed = True
        if before is not None and self._dirty and self._sync_mode != "off":
            with contextlib.suppress(OSError):
                before.sync()
        if before is not None and moved and place == self.fallback:
            self._parked, before = before, None
        elif moved and place == self.store:
            self._parked, parked = None, self._parked
            _seal(parked)
        _seal(before)

    def _open(self) -> tuple[Layout, Segment] | None:
        places = [self.store]
        if self.fallback is not None:
            tried = self._clock() < self._store_again_at  # and found wanting, a moment ago
            places.insert(0 if tried else 1, self.fallback)
        for place in places:
            try:
                return place, self._segment_in(place)
            except (OSError, StoreError) as error:
                self._ready.discard(place)
                self._complain(place, error)
        return None

    def _segment_in(self, place: Layout) -> Segment:
        if place not in self._ready or not place.hot.is_dir():
            create(place)
            self._ready.add(place)
        self._last_ms = max(time.time_ns() // 1_000_000, self._last_ms + 1)
        name = SegmentName(self._last_ms, host_name(), os.getpid(), self._rand)
        return Segment(place, name, self._files)

    def _keep(self, line: Line) -> None:
        size = _size(line)
        if self._waiting_bytes + size > MEMORY_LIMIT and not self._busy and self._waiting:
            self._divert()
            if self._drain():
                self._waiting.append(line)
                self._waiting_bytes += size
                self._drain()
                return
        if self._waiting_bytes + size > MEMORY_LIMIT:
            self._drop(line)
            return
        if not self._waiting:
            self._retry_at = self._clock() + _BACK_OFF_SECONDS
            self._wake.set()
        self._waiting.append(line)
        self._waiting_bytes += size

    def _drain(self) -> bool:
        """Write what waits, in order; says whether nothing is left."""
        if self._busy:
            return not self._waiting
        self._busy = True
        try:
            limit = _BATCH
            while self._waiting:
                batch = self._first(limit)
                if self._write(batch):
                    for line in batch:
                        self._waiting.popleft()
                        self._waiting_bytes -= _size(line)
                    self._failures = 0
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
        while not self._drain() and len(self._waiting) != left:
            left = len(self._waiting)
            self._divert()

    def _first(self, limit: int) -> list[Line]:
        """What has waited longest: as many lines as a limit of bytes allows, at least one."""
        batch: list[Line] = []
        size = 0
        for line in self._waiting:
            size += _size(line)
            if batch and size > limit:
                break
            batch.append(line)
        return batch

    def _divert(self) -> None:
        """Stop trying the store for a while."""
        if self._place == self.store or self._segment is None:
            self._store_again_at = self._clock() + _STORE_AGAIN_SECONDS
            self._next()

    def _drop(self, line: Line) -> None:
        fields = line.fields
        if fields["k"] == "loss":  # not lost: its counter still stands, for who records next
            loss = Loss(fields["exporter"], fields["reason"], fields["trace_id"])
            self._reported[loss] = self._reported.get(loss, 0) - fields["items"]
            return
        losses.count(NAME, DROPPED, trace_id=line.fields.get("trace_id"))
        self._notes.append(
            f"Records are being lost: neither the store {str(self.store.catalog)!r} nor its "
            f"fallback can be written, and {MEMORY_LIMIT >> 20} MiB are waiting. What does not "
            f"fit is dropped and counted. Make space or give permission there."
        )

    def _drop_all(self) -> None:
        while self._waiting:
            self._drop(self._waiting.popleft())
        self._waiting_bytes = 0

    def _write_losses(self) -> None:
        totals = losses.totals()
        for loss, total in totals.items():
            before = self._reported.get(loss, 0)
            more = total - before if total >= before else total
            self._reported[loss] = total
            if more:
                line = loss_line(loss.exporter, loss.reason, more, loss.trace_id, time.time_ns())
                line.fields["seq"] = next(self._seq)
                self._waiting.append(line)
                self._waiting_bytes += _LINE_OVERHEAD
        if self._waiting:
            self._drain()

    def _complain(self, place: Layout, error: Exception) -> None:
        where = str(place.catalog)
        if isinstance(error, StoreError):
            text = str(error)
        else:
            reason = getattr(error, "strerror", None) or type(error).__name__
            text = (
                f"The store {where!r} cannot be written ({reason}). Every record is kept in "
                f"memory until it can. Make space or give permission there."
            )
        if place == self.store and self.fallback is not None:
            text += f" Meanwhile recording goes on in {str(self.fallback.catalog)!r}."
        if text not in self._complained:
            self._complained.add(text)
            self._notes.append(text)

    def _log(self) -> None:
        """Log outside of the lock: a handler may itself record, or hold locks of its own."""
        with self._lock:
            notes, self._notes = self._notes, []
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
            if self._dirty and not self._waiting and self._sync_mode == "batch":
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
        if self._waiting:
            return max(0.01, self._retry_at - self._clock())
        return _HOUSEKEEPING_SECONDS

    def tend(self) -> None:
        """What the daemon does each time it wakes."""
        if self._waiting and self._clock() >= self._retry_at:
            self._retry()
        if self._sync_mode != "off":
            self._sync()
        else:
            self._dirty = False
        with self._lock:
            self._write_losses()
        if self._is_due():
            self.seal()
        self._log()

    def _retry(self) -> None:
        with self._lock:
            if self._drain():
                return
            self._failures += 1
            pause = min(_BACK_OFF_SECONDS * 2**self._failures, _HOUSEKEEPING_SECONDS)
            self._retry_at = self._clock() + pause
            if self._failures >= _PATIENCE:
                self._divert()
                self._drain()

    def _sync(self) -> None:
        with self._lock:
            segment, dirty, unnamed = self._segment, self._dirty, self._unnamed
            self._dirty = self._unnamed = False
        if segment is None:
            return
        try:
            if dirty:
                segment.sync()
            if unnamed:
                segment.sync_name()
        except OSError as error:
            with self._lock:
                if segment is self._segment and not segment.closed:
                    self._complain(self._place, error)

    def _is_due(self) -> bool:
        segment = self._segment
        if segment is None:
            return False
        if segment.gone:
            return True
        now = self._clock()
        silent = now - self._appended_at
        old = now - self._opened_at >= _ROTATE_SECONDS and silent < _ROTATE_SECONDS
        return segment.size > SEGMENT_LIMIT or (
            segment.size > 0 and (old or silent >= _IDLE_SECONDS)
        )

    def seal(self) -> None:
        """Seal the segment; an empty one follows it, which says that this process lives."""
        with self._lock:
            due = self._segment
            opened = None if due is None else self._open()
        if opened is None:
            return
        place, segment = opened
        with contextlib.suppress(OSError):
            segment.sync_name()
        with self._lock:
            if self._segment is due and due is not None:
                self._adopt(place, segment)
                return
        _seal(segment)

    # Forks.

    def hold(self) -> None:
        """Before a fork: come to rest."""
        self._lock.acquire()

    def let_go(self) -> None:
        """After a fork, in the parent."""
        self._lock.release()

    def begin_anew(self) -> None:
        """After a fork, in the child, whose counters of losses have begun anew before."""
        for segment in (self._segment, self._parked):
            if segment is not None:
                segment.release()
        self._reported = dict(losses.totals())
        self._notes = []
        self._begin()


def _size(line: Line) -> int:
    """About how much memory a line takes; what is over 64 KiB in it is an item."""
    return _LINE_OVERHEAD + sum(map(len, line.items.values()))


def _seal(segment: Segment | None) -> None:
    if segment is not None:
        segment.discard_if_empty()
        segment.release()


def _before_fork() -> None:
    _forking.acquire()
    _held.extend(_journals)
    for journal in _held:
        journal.hold()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().let_go()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = threading.Lock()
    while _held:
        _held.pop().begin_anew()


def _at_exit() -> None:
    for journal in list(_journals):
        journal.close()
        start_helper(journal.store)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
atexit.register(_at_exit)
