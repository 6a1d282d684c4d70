"""Records on their way into a store: as lines in files of their own, some tens of megabytes each.

The lines are those of a segment but for their checksum. Each file holds every item that its lines
refer to, so that each can become a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import duckdb
import orjson

from exporters.duckdb.parts import create_tables, listed
from exporters.duckdb.recording.lines import Line, span_line, trace_line
from exporters.duckdb.schema import ITEM, RECORD, SCHEMA
from exporters.record import CountRecord, Kept
from tracer.snapshot import TraceRecord

CHUNK_BYTES = 64 * 1024 * 1024
_COLUMNS = "{" + ", ".join(f"'{f.name}': '{f.type}'" for f in (*RECORD, *ITEM)) + "}"
_NAMES = ", ".join(f'"{field.name}"' for field in RECORD)
_KEYS = "k, coalesce(trace_id, ''), coalesce(span_id, '')"
IDENTITY = f"{_KEYS}, case when k in ('span', 'trace') then '' else owner || '/' || seq end"
"""What tells rows apart: a span or trace is one row, anything else is told by who wrote it."""


class Chunk(NamedTuple):
    """A file of staged records.

    Attributes:
        path: The file.
        longest: Length of its longest line.
        whole: How large its records are with their content put back in.
    """

    path: Path
    longest: int
    whole: int


class Stage:
    """Writes records to files in a folder; closing it finishes the last one.

    Args:
        folder: Where the files go.
        chunk_bytes: Begin the next file when one is as large as this.
        whole_traces: Only where another trace begins, so that a trace is in one file.

    Attributes:
        chunks: The files that are finished, in order.
        lost: How many values were too large for a store to keep.
    """

    def __init__(
        self, folder: Path, *, chunk_bytes: int = CHUNK_BYTES, whole_traces: bool = False
    ) -> None:
        self.chunks: list[Chunk] = []
        self.lost = 0
        self._folder = folder
        self._limit = chunk_bytes
        self._whole_traces = whole_traces
        self._trace_id: str | None = None
        self._file: BinaryIO | None = None
        self._number = 0
        self._written = self._longest = self._whole = 0
        self._items: set[str] = set()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish()

    def add(self, kept: Kept) -> None:
        """Write a record, with the items that its file does not have yet."""
        trace_id = kept.record.trace_id
        if self._written >= self._limit and (not self._whole_traces or trace_id != self._trace_id):
            self._finish()
        self._trace_id = trace_id
        line = line_of(kept)
        self.lost += line.lost
        if self._file is None:
            self._file = (self._folder / f"chunk-{self._number}.ndjson").open("wb")
            self._number += 1
        for name, value in line.items.items():
            self._whole += len(value)
            if name not in self._items:
                self._items.add(name)
                self._write(b'{"k":"item","hash":"%b","value":%b}\n' % (name.encode(), value))
        self._write(orjson.dumps(line.fields) + b"\n")

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        self._file.write(line)
        self._written += len(line)
        self._longest = max(self._longest, len(line))

    def _finish(self) -> None:
        if self._file is not None:
            self._file.close()
            whole = self._whole + self._written
            self.chunks.append(Chunk(Path(self._file.name), self._longest, whole))
            self._file = None
            self._written = self._longest = self._whole = 0
            self._items.clear()


def chunks_of(records: Iterable[Kept], folder: Path) -> Iterator[Chunk]:
    """Files of records, each as soon as it is finished; a trace is in one file."""
    with Stage(folder, whole_traces=True) as staged:
        for kept in records:
            staged.add(kept)
            yield from staged.chunks
            staged.chunks.clear()
    yield from staged.chunks


def line_of(kept: Kept) -> Line:
    """A record as a store keeps it: content that is shared or large goes by reference."""
    record = kept.record
    if isinstance(record, CountRecord):
        fields: dict[str, Any] = {"k": record.kind, "v": SCHEMA, "rev": 1, **record._asdict()}
        del fields["kind"]
        line = Line(fields, {})
    else:
        line = trace_line(record) if isinstance(record, TraceRecord) else span_line(record)
    fields = {key: value for key, value in line.fields.items() if value is not None}
    return line._replace(fields=fields | {"owner": kept.owner, "seq": kept.seq})


def load_chunk(con: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
    """Fill the tables `record` and `item` anew with a file's records, the newest of each."""
    create_tables(con)
    con.execute(
        f"create or replace temp table line as select * from read_json({listed([chunk.path])}, "
        f"format='newline_delimited', columns={_COLUMNS}, "
        f"maximum_object_size={chunk.longest + 65536})"
    )
    con.execute(
        f"insert into record select {_NAMES} from line where k <> 'item' qualify row_number() "
        f"over (partition by {IDENTITY} order by rev desc, (end_ns is not null) desc, seq desc) = 1"
    )
    con.execute("insert into item select hash, value from line where k = 'item'")
    con.execute("drop table line")
