"""The index of a store: which trace is where, kept as the store grows.

Each source has a number. Parts tell what they have by their summaries; segments are tailed, and
each byte of one is looked at once. What a source had leaves the index with it. A part that cannot
be read is left out, and set aside where the store may be written.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

import duckdb

from exporters.duckdb import layout as folder
from exporters.duckdb.layout import Layout, PartName, SegmentName
from exporters.duckdb.parts import quoted
from exporters.duckdb.reading.damage import set_aside, warn_once
from exporters.duckdb.reading.fragments import Fragments, of_rows, of_summary
from exporters.duckdb.reading.inventory import Counting, Inventory
from exporters.duckdb.reading.mentions import mentioning, words_of
from exporters.duckdb.reading.sources import Damaged, Source, Sources, Vanished
from exporters.duckdb.reading.tail import Chunk, Loss, chunks, losses_by_reason, scan_chunk
from exporters.duckdb.upkeep.packing import CORRUPT
from exporters.store import Lost, StoreError

_RETRIES = 20
_RETIRED = 1000

T = TypeVar("T")


class Index:
    """Knows where every trace of a store is. Safe in any thread.

    A store that does not exist reads as an empty one, and is found when it comes into being.
    """

    def __init__(self, layout: Layout) -> None:
        folder.check_path(layout)
        self._layout = layout
        self._lock = threading.Lock()
        self._inventory = Inventory(layout)
        self._counting = Counting()
        self._numbers: dict[Source, int] = {}
        self._names: dict[int, Source] = {}
        self._next = itertools.count()
        self._offsets: dict[SegmentName, int] = {}
        self._bad: Counter[SegmentName] = Counter()
        self._started: dict[int, dict[tuple[str, str], str]] = {}  # to the owner
        self._losses: dict[int, list[Loss]] = {}
        self._changed: dict[str, None] = {}
        self._refined: set[int] = set()
        self._retired: deque[int] = deque()
        self._looked = self._found = False
        self._counts: tuple[int, int] | None = None
        self.gone: frozenset[str] = frozenset()
        self.fragments = Fragments()
        self.sources = Sources(layout, self.fragments, self._names)

    def close(self) -> None:
        """Let go of everything."""
        self.fragments.close()

    def refresh(self) -> None:
        """See what was recorded since the last time.

        Raises:
            StoreError: If the store has become one of a newer format, or cannot be read.
        """
        with self._lock:
            if not self._found and folder.read_format(self._layout) is None:
                self._looked = True
                return
            self._found = True
            try:
                self._catch_up()
                owners = frozenset(
                    owner for started in self._started.values() for owner in started.values()
                )
                self.gone &= owners
                suspects = owners - self.gone
                dead = suspects - folder.live_owners(self._layout, suspects) if suspects else None
                if dead:
                    self._catch_up()  # what they wrote between our look and their end
                    self._bury(dead)
            except (OSError, duckdb.Error) as error:
                raise unreadable(self._layout, error) from error
            self._looked = True

    def take_changes(self) -> list[str]:
        """Ids of traces that changed since this was last called, the oldest change first."""
        with self._lock:
            changed, self._changed = list(self._changed), {}
            return changed

    def counts(self) -> tuple[int, int]:
        """How many traces and spans there are."""
        with self._lock:
            if self._counts is None:
                traces, ended = self.fragments.counts()
                still = sum(1 for started in self._started.values() for _, span in started if span)
                self._counts = traces, ended + still
            return self._counts

    def refine(self) -> None:
        """Look closer at the traces of parts in which something failed, once a part."""
        with self._lock:
            for part in self._counting.parts:
                number = self._numbers[part]
                if number not in self._refined:
                    self._refined.add(number)
                    with contextlib.suppress(duckdb.Error):  # then it stays as it is
                        self.fragments.refine(number, self._layout.part(part) / folder.DATA)

    def mentioning(self, text: str) -> set[str] | None:
        """Ids of the traces that may mention a text; None where that cannot be told without rows.

        What segments have something of is among them, as they are not looked into.
        """
        words = words_of(text)
        if not words:
            return None
        with self._lock:
            parts = [self._layout.part(part) for part in self._counting.parts]
            segments = [
                number for number, name in self._names.items() if isinstance(name, SegmentName)
            ]
        try:
            found = mentioning(self.fragments, parts, words)
        except duckdb.Error:  # replaced meanwhile, damaged, or without a summary
            return None
        return found.union(self.fragments.traces_of(segments))

    def losses(self) -> dict[str, int]:
        """How many items were lost for which reason.

        A damaged line that is not compacted yet is counted as compaction will count it.
        """
        with self._lock:
            counted = losses_by_reason([loss for some in self._losses.values() for loss in some])
            if self.bad_lines:
                counted[CORRUPT] += self.bad_lines
            return dict(counted)

    def lost(self, trace_ids: Collection[str]) -> dict[str, list[Lost]]:
        """What these traces lost, the most first; those that lost nothing are left out."""
        sums: dict[str, Counter[tuple[str, str]]] = {}
        with self._lock:
            for loss in itertools.chain.from_iterable(self._losses.values()):
                trace_id = loss.trace_id
                if trace_id is not None and trace_id in trace_ids and loss.items > 0:
                    sums.setdefault(trace_id, Counter())[loss.exporter, loss.reason] += loss.items
        return {
            trace_id: [
                Lost(exporter=exporter, reason=reason, items=items)
                for (exporter, reason), items in by_cause.most_common()
            ]
            for trace_id, by_cause in sums.items()
        }

    @property
    def bad_lines(self) -> int:
        """How many lines of segments that count are damaged."""
        return sum(self._bad.values())

    def reading(self, ask: Callable[[], T]) -> T:
        """What `ask` reads; asked again where a source was replaced, or had to be left out.

        Raises:
            StoreError: If the store cannot be read.
        """
        for attempt in itertools.count(1):
            try:
                return ask()
            except Vanished as error:
                if attempt >= _RETRIES:
                    raise unreadable(self._layout, error) from error
            except Damaged as damaged:
                try:
                    self._set_aside(damaged)
                except duckdb.Error as error:
                    raise unreadable(self._layout, error) from error
            except duckdb.Error as error:
                raise unreadable(self._layout, error) from error
            self.refresh()
        raise AssertionError("unreachable")

    def _catch_up(self) -> None:
        """Bring the index to what the folder holds."""
        while True:  # ends: each time round a part is replaced by another, or left out
            now = self._inventory.look()
            try:
                if now != self._counting:
                    self._take(self._counting, now)
                break
            except _Again:
                continue
        for name in now.segments:
            self._tail(name)

    def _take(self, before: Counting, now: Counting) -> None:
        """Other sources count than before."""
        seen = {part.dirname for part in (*before.parts, *now.parts)}
        there = {*now.parts, *now.segments}
        left = [name for name in self._numbers if name not in there]
        read = {n.filename for n in left if isinstance(n, SegmentName) and self._is_read(n)}
        unheard: list[int] = []
        for part in now.parts:
            if part in self._numbers:
                continue
            self._add_part(part, still=part in now.opens)
            covers = self._inventory.covers(part)
            if not covers or not all(
                source in read or source.partition("/")[0] in seen for source in covers
            ):
                unheard.append(self._numbers[part])
        for part in set(before.opens) - set(now.opens):
            self._started.pop(self._numbers[part], None)
        numbers = [self._numbers.pop(name) for name in left]
        uncovered = [
            self._names[number]
            for number in numbers
            if not self._inventory.is_covered(_text(self._names[number]))
        ]
        if uncovered:
            lost = [n for n in numbers if self._names[n] in uncovered]
            self._note(self.fragments.traces_of(lost))
        self._note(self.fragments.drop(numbers))
        for number in numbers:
            name = self._names[number]
            self._retired.append(number)
            self._started.pop(number, None)
            self._losses.pop(number, None)
            self._refined.discard(number)
            if isinstance(name, SegmentName):
                self._offsets.pop(name, None)
                self._bad.pop(name, None)
        self.sources.forget(name for name in left if isinstance(name, SegmentName))
        if self._looked:
            self._note(self.fragments.traces_of(unheard))
        # Who is reading from their places may go on, as long as the files are there.
        while len(self._retired) > _RETIRED:
            del self._names[self._retired.popleft()]
        self._counting = now
        self._counts = None

    def _add_part(self, part: PartName, *, still: bool) -> None:
        """A part that is new to us.

        Raises:
            _Again: If it was replaced meanwhile, or cannot be read and is left out from now on.
        """
        path = self._layout.part(part)
        number = next(self._next)
        self._names[number] = part
        data, opens = path / folder.DATA, path / folder.OPEN
        try:
            losses = self.fragments.ask(
                "select reason, coalesce(items, 0), trace_id, exporter "
                f"from read_parquet({quoted(data)}) where k = 'loss'"
            )
            still_open = self._open_rows(part)
            counts = Counter(trace for trace, span, _ in still_open or () if span)
            try:
                self.fragments.add_part(number, of_summary(path / folder.TRACES), counts)
            except duckdb.Error:
                rows = [data] if still_open is None else [data, opens]
                self.fragments.add_part(number, of_rows(rows), counts)
        except (OSError, duckdb.Error) as error:
            set_aside(self._layout, self._inventory, part, error)
            raise _Again from error
        if still_open is None:
            self.fragments.close_part(number)
        self._numbers[part] = number
        if still and still_open:
            self._started[number] = {(trace, span): owner for trace, span, owner in still_open}
        if losses:
            self._losses[number] = [
                Loss(str(why), count, trace, str(by)) for why, count, trace, by in losses
            ]

    def _open_rows(self, part: PartName) -> list[tuple[str, str, str]] | None:
        """Trace, span and owner of what a part has open; None if that cannot be read."""
        path = self._layout.part(part) / folder.OPEN
        try:
            found = self.fragments.ask(
                "select trace_id, coalesce(span_id, ''), coalesce(owner, '') "
                f"from read_parquet({quoted(path)}) where k in ('span', 'trace')"
            )
        except duckdb.Error:
            if not self._layout.part(part).exists():
                raise
            warn_once(
                f"{str(path)!r} cannot be read. What had not ended when the part was made is left "
                f"out. Compaction mends what can be mended."
            )
            return None
        return [(trace, span, owner) for trace, span, owner in found]

    def _tail(self, name: SegmentName) -> None:
        """What a segment has grown by."""
        path = self._layout.segment(name)
        offset = self._offsets.setdefault(name, 0)
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = next(self._next)
            self._names[number] = name
        try:
            size = os.stat(path).st_size
            if size < offset:  # its writer took a failed write back
                self._offsets[name] = size
            if size <= offset:
                return
            for at, data in chunks(path, offset):
                self._add_chunk(name, number, scan_chunk(data, at))
                self._offsets[name] = at + len(data)
        except FileNotFoundError:
            return
        except OSError as error:  # a folder, or not ours to read
            warn_once(
                f"{str(path)!r} cannot be read ({error.strerror}). A segment is a file that its "
                f"reader may read. It is left out; give yourself permission, or move it away."
            )

    def _add_chunk(self, name: SegmentName, number: int, chunk: Chunk) -> None:
        self._counts = None
        self._bad[name] += chunk.bad
        if chunk.losses:
            self._losses.setdefault(number, []).extend(chunk.losses)
        self.fragments.add_pieces(number, chunk.pieces)
        if self._looked:
            self._note(loss.trace_id for loss in chunk.losses if loss.trace_id is not None)
            self._note(chunk.pieces)
        started = self._started.setdefault(number, {})
        for trace_id, piece in chunk.pieces.items():
            for span in piece.began:
                started[trace_id, span] = name.owner
            for span in piece.late:
                for others in self._started.values():
                    others.pop((trace_id, span), None)
        if not started:
            del self._started[number]

    def _is_read(self, name: SegmentName) -> bool:
        try:
            return os.stat(self._layout.segment(name)).st_size <= self._offsets.get(name, 0)
        except OSError:
            return False

    def _note(self, trace_ids: Iterable[str]) -> None:
        for trace_id in trace_ids:
            self._changed.pop(trace_id, None)
            self._changed[trace_id] = None

    def _bury(self, dead: frozenset[str]) -> None:
        self.gone |= dead
        if self._looked:
            self._note(
                trace_id
                for started in self._started.values()
                for (trace_id, _), owner in started.items()
                if owner in dead
            )

    def _set_aside(self, damaged: Damaged) -> None:
        with self._lock:
            if damaged.part not in self._numbers:
                return
            if damaged.file == folder.OPEN:
                self.fragments.close_part(self._numbers[damaged.part])
                return
            set_aside(self._layout, self._inventory, damaged.part, damaged.error)


class _Again(Exception):
    """What was listed is no longer so."""


def _text(name: Source) -> str:
    return name.dirname if isinstance(name, PartName) else name.filename


def unreadable(layout: Layout, error: Exception) -> StoreError:
    """What a store that cannot be read is told as."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreError(
        f"The store {str(layout.catalog)!r} cannot be read: {reason[:400]}. Its folder has to be "
        f"one that this process may read. Give yourself permission, or see: flightlog doctor"
    )
