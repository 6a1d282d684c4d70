"""Reading a trace from where the index says it is: rows and shared content, of parts and segments.

Only the files that have something of the trace are read. Rows are those of the record, whatever
they come from; a row that two sources hold, or that started in one and ended in another, is one.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from exporters.duckdb import layout as folder
from exporters.duckdb.layout import Layout, PartName, SegmentName
from exporters.duckdb.parts import listed
from exporters.duckdb.reading.fragments import Fragments, Place
from exporters.duckdb.reading.tail import OPEN, chunks, is_item, is_record, read_places, sound
from tracer.encoding import decode

_SKELETON = (
    "k", "rev", "seq", "owner", "trace_id", "span_id", "parent_id", "trace_name", "group_id",
    "metadata", "name", "type", "start_ns", "end_ns", "status", "error", "model", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens", "data",
)  # fmt: skip
_CONTENT = ("input", "output", "instructions", "tools", "attributes")
_JSON = frozenset({"metadata", "error", "data", "input", "output", "instructions", "tools"})
_TALKING = "k = 'trace' or type in ('generation', 'response')"
_LISTS = 64  # segments whose items' places are remembered
_SMALL = 64 * 1024
_KEPT_BYTES = 16 * 1024 * 1024

Source = PartName | SegmentName
LOST = {"flightlog.lost": "content not found"}


class Vanished(Exception):
    """A source is not there any more, because another one has replaced it: look again."""


class Damaged(Exception):
    """A part is there and cannot be read."""

    def __init__(self, part: PartName, file: str, error: duckdb.Error) -> None:
        super().__init__(f"{part.dirname}/{file}: {error}")
        self.part = part
        self.file = file
        self.error = error


class Row(NamedTuple):
    """A line of the record, JSON decoded; what was not asked for is None. `at` is where it is."""

    k: str
    rev: int
    seq: int
    owner: str
    trace_id: str
    span_id: str | None
    parent_id: str | None
    trace_name: str | None
    group_id: str | None
    metadata: Any
    name: str
    type: str
    start_ns: int
    end_ns: int | None
    status: str
    error: Any
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    data: Any
    input: Any
    output: Any
    instructions: Any
    tools: Any
    attributes: Mapping[str, str] | None
    at: Source


class Sources:
    """Reads rows and items. Safe in any thread; what a number means is told by `names`."""

    def __init__(self, layout: Layout, fragments: Fragments, names: Mapping[int, Source]) -> None:
        self._layout = layout
        self._fragments = fragments
        self._names = names
        self._lock = threading.Lock()
        self._places: OrderedDict[SegmentName, _Places] = OrderedDict()
        self._items: OrderedDict[str, Any] = OrderedDict()
        self._items_bytes = 0

    def skeletons(self, places: Mapping[str, Sequence[Place]]) -> dict[str, list[Row]]:
        """The rows of traces without their content.

        Raises:
            Vanished: If a source was replaced meanwhile.
            Damaged: If a part cannot be read.
        """
        return self._rows(places, _SKELETON, "true")

    def talk(self, places: Mapping[str, Sequence[Place]]) -> dict[str, list[Row]]:
        """Of traces and their model calls, what went in and came out."""
        columns = (*_SKELETON[:6], "type", "start_ns", "end_ns", "input", "output")
        return self._rows(places, columns, _TALKING)

    def asked(self, places: Mapping[str, Sequence[Place]]) -> dict[str, list[Row]]:
        """Of traces, what their own rows say went in and came out."""
        columns = (*_SKELETON[:6], "start_ns", "end_ns", "input", "output")
        return self._rows(places, columns, "k = 'trace'")

    def whole(
        self, places: Mapping[str, Sequence[Place]], span_id: str | None = None
    ) -> dict[str, list[Row]]:
        """Rows of traces with their content by reference; of one span, if it is given."""
        where, given = ("span_id = ?", [span_id]) if span_id is not None else ("true", [])
        return self._rows(places, (*_SKELETON, *_CONTENT), where, given)

    def items(self, hashes: Collection[str], at: Collection[Source]) -> dict[str, Any]:
        """Shared content by hash, from sources that refer to it; what is lost says so."""
        with self._lock:
            found = {name: self._items[name] for name in hashes if name in self._items}
            for name in found:
                self._items.move_to_end(name)
        missing = {name for name in hashes if name not in found}
        for source in at:
            if missing and isinstance(source, SegmentName):
                fresh = self._hot_items(source, missing)
                self._remember(fresh)
                found |= {name: value for name, (value, _) in fresh.items()}
                missing -= fresh.keys()
        parts = [source for source in at if isinstance(source, PartName)]
        if missing and parts:
            fresh = self._part_items(parts, missing)
            self._remember(fresh)
            found |= {name: value for name, (value, _) in fresh.items()}
            missing -= fresh.keys()
        return found | dict.fromkeys(missing, LOST)

    def forget(self, segments: Iterable[SegmentName]) -> None:
        """Sources that are gone."""
        with self._lock:
            for name in segments:
                self._places.pop(name, None)

    def _rows(
        self,
        places: Mapping[str, Sequence[Place]],
        columns: Sequence[str],
        where: str,
        given: Sequence[Any] = (),
    ) -> dict[str, list[Row]]:
        newest: dict[str, dict[tuple[str, str], Row]] = {key: {} for key in places}
        for row in (*self._cold(places, columns, where, given), *self._hot(places)):
            rows = newest[row.trace_id]
            key = (row.k, row.span_id or "")
            other = rows.get(key)
            if other is None or _rank(row) > _rank(other):
                rows[key] = row
        return {key: list(rows.values()) for key, rows in newest.items()}

    def _hot(self, places: Mapping[str, Sequence[Place]]) -> Iterator[Row]:
        wanted: dict[SegmentName, list[tuple[int, int]]] = {}
        for some in places.values():
            for place in some:
                name = self._names.get(place.source)
                if name is None:
                    raise Vanished
                if isinstance(name, SegmentName) and place.places is not None:
                    wanted.setdefault(name, []).extend(read_places(place.places))
        for name, lines in wanted.items():
            for line in self._read(name, sorted(lines)):
                fields = sound(line)
                if fields is None or not is_record(fields):
                    raise Vanished  # emptied, or no more what it was when it was looked at
                if fields["trace_id"] in places:
                    yield _row(fields, name)

    def _read(self, name: SegmentName, lines: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        try:
            with self._layout.segment(name).open("rb") as file:
                for offset, length in lines:
                    file.seek(offset)
                    yield file.read(length)
        except OSError as error:
            raise Vanished from error

    def _cold(
        self,
        places: Mapping[str, Sequence[Place]],
        columns: Sequence[str],
        where: str,
        given: Sequence[Any],
    ) -> Iterator[Row]:
        files, starts = self._part_files(places)
        if not files:
            return
        ids = ", ".join("?" * len(places))
        wanted = ", ".join(name if name in columns else "null" for name in Row._fields[:-1])
        query = (
            f"select {wanted}, filename from read_parquet({{files}}, "
            f"union_by_name = true, filename = true) "
            f"where trace_id in ({ids}) and k in ('span', 'trace') and {starts} and ({where})"
        )
        parts = {str(path): part for path, part in files.items()}
        for *values, path in self._query(files, query, [*places, *given]):
            for field in _JSON_PLACES:
                if values[field] is not None:
                    values[field] = decode(values[field])
            yield Row._make((*values, parts[path]))

    def _part_files(
        self, places: Mapping[str, Sequence[Place]]
    ) -> tuple[dict[Path, PartName], str]:
        """Files of parts that have rows of traces, and between which starts these are, in SQL.

        The starts prune what is read where ids are not in order of time.
        """
        low, high, still = 2**63 - 1, 0, False
        files: dict[Path, PartName] = {}
        seen: set[tuple[int, bool]] = set()
        for place in itertools.chain.from_iterable(places.values()):
            name = self._names.get(place.source)
            if name is None:
                raise Vanished
            if not isinstance(name, PartName):
                continue
            low, high = min(low, place.start_ns), max(high, place.end_ns, place.start_ns)
            is_open = place.flags & OPEN != 0
            if (place.source, is_open) not in seen:  # to make a path takes long
                seen.add((place.source, is_open))
                files[self._layout.part(name) / folder.DATA] = name
                if is_open:
                    still = True
                    files[self._layout.part(name) / folder.OPEN] = name
        bounded = low > 0 and not still
        return files, f"start_ns between {low} and {high}" if bounded else "true"

    def _query(
        self, files: Mapping[Path, PartName], query: str, given: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        try:
            return self._fragments.ask(query.format(files=listed(files)), given)
        except duckdb.Error as error:
            raise self._blame(files, query, given, error) from error

    def _blame(
        self,
        files: Mapping[Path, PartName],
        query: str,
        given: Sequence[Any],
        error: duckdb.Error,
    ) -> Exception:
        """Which part is at fault for an error over several, if one is."""
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.InterruptException):
            return error
        for path, part in files.items():
            if not self._layout.part(part).exists():
                return Vanished()
            try:
                self._fragments.ask(query.format(files=listed([path])), given)
            except duckdb.Error as own:
                if not self._layout.part(part).exists():
                    return Vanished()
                return Damaged(part, path.name, own)
        return Vanished()

    def _part_items(
        self, parts: Sequence[PartName], hashes: Collection[str]
    ) -> dict[str, tuple[Any, int]]:
        paths = [self._layout.part(part) / folder.ITEMS for part in parts]
        query = (
            "select hash, value, strlen(value) from read_parquet({files}) "
            f"where hash in ({', '.join('?' * len(hashes))})"
        )
        given = sorted(hashes)
        try:
            rows = self._fragments.ask(query.format(files=listed(paths)), given)
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            rows = []
            for part, path in zip(parts, paths, strict=True):
                if not self._layout.part(part).exists():
                    raise Vanished from error
                with contextlib.suppress(duckdb.Error):  # its content shows as lost
                    rows += self._fragments.ask(query.format(files=listed([path])), given)
        # JSON's null is NULL in a part, as DuckDB reads it from a segment.
        return {
            name: (None if value is None else decode(value), size or 0)
            for name, value, size in rows
        }

    def _hot_items(self, name: SegmentName, hashes: Collection[str]) -> dict[str, tuple[Any, int]]:
        places = self._item_places(name)
        lines = {place: key for key in hashes if (place := places.get(key)) is not None}
        found: dict[str, tuple[Any, int]] = {}
        in_order = sorted(lines)
        for place, line in zip(in_order, self._read(name, in_order), strict=True):
            fields = sound(line)
            if fields is not None and fields.get("hash") == lines[place]:
                found[lines[place]] = (fields.get("value"), place[1])
        return found

    def _item_places(self, name: SegmentName) -> dict[str, tuple[int, int]]:
        """Where the items of a segment are, as far as it is written now."""
        with self._lock:
            known = self._places.setdefault(name, _Places())
            self._places.move_to_end(name)
            while len(self._places) > _LISTS:
                self._places.popitem(last=False)
        try:
            with known.lock:
                for offset, data in chunks(self._layout.segment(name), known.offset):
                    known.add(offset, data)
                return known.items
        except OSError as error:
            raise Vanished from error

    def _remember(self, items: Mapping[str, tuple[Any, int]]) -> None:
        with self._lock:
            for name, (value, size) in items.items():
                if size <= _SMALL and name not in self._items:
                    self._items[name] = value
                    self._items_bytes += size + 256
            while self._items_bytes > _KEPT_BYTES and self._items:
                # Sizes of single items are not kept: the average does.
                self._items_bytes -= self._items_bytes // len(self._items)
                self._items.popitem(last=False)


class _Places:
    """Where the items of one segment are."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.offset = 0
        self.items: dict[str, tuple[int, int]] = {}

    def add(self, offset: int, data: bytes) -> None:
        """More of the segment."""
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            if is_item(data[start : start + 40]):
                at = data.find(b'"hash":"', start, start + 120)
                name = data[at + 8 : at + 40].decode("ascii", "replace")
                self.items[name] = (offset + start, end - start)
            elif not data.startswith(b'"k":"', start + 18) and end > start:
                fields = sound(data[start:end])
                if fields is not None and fields.get("k") == "item":
                    self.items[str(fields.get("hash"))] = (offset + start, end - start)
            start = end + 1
        self.offset = offset + len(data)


def _rank(row: Row) -> tuple[int, bool, int]:
    return row.rev, row.end_ns is not None, row.seq


def _row(fields: Mapping[str, Any], at: Source) -> Row:
    """A row of a segment's line."""
    return Row._make((*(fields.get(name) for name in Row._fields[:-1]), at))


_JSON_PLACES = tuple(place for place, name in enumerate(Row._fields) if name in _JSON)
