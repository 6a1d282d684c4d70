"""Records out of a store into a file that stands alone.

A file is written as a draft beside its place and given its name when it is whole, so that nobody
meets half of it. Formats that people stream (JSON Lines, OTLP in JSON) may go to a stream as well.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import duckdb

from exporters.duckdb.layout import Layout, read_format, sync_file
from exporters.duckdb.transfer.single import write_database
from exporters.duckdb.transfer.source import dead_owners, read_records
from exporters.duckdb.transfer.tables import write_parquet
from exporters.otlp.encode import documents
from exporters.record import Kept, to_json
from exporters.store import StoreError

Format = Literal["jsonl", "parquet", "otlp", "duckdb"]
FORMATS: tuple[Format, ...] = ("jsonl", "parquet", "otlp", "duckdb")
STREAMED: tuple[Format, ...] = ("jsonl", "otlp")
_BY_EXTENSION: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".json": "otlp",
    ".duckdb": "duckdb",
    ".db": "duckdb",
}


@dataclass(slots=True)
class Exported:
    """How much was exported."""

    traces: int = 0
    spans: int = 0


def format_of(path: Path) -> Format | None:
    """The format that a file's name says; None where it says none."""
    if path.name.lower().endswith((".otlp.jsonl", ".otlp.ndjson")):
        return "otlp"
    return _BY_EXTENSION.get(path.suffix.lower())


def export_stream(
    store: str | os.PathLike[str],
    write: Callable[[bytes], object],
    format: Format = "jsonl",
    *,
    trace_ids: Collection[str] | None = None,
) -> Exported:
    """Write records to a stream, one line after the other.

    Args:
        store: The store's path.
        write: Takes a line, its end included.
        format: `jsonl` or `otlp`.
        trace_ids: The traces; by default everything.

    Raises:
        StoreError: If the store cannot be read.
    """
    done = _Counted()
    for line in _lines(done.counting(_records(store, trace_ids)), format):
        write(line + b"\n")
    return done.result()


def export_file(
    store: str | os.PathLike[str],
    path: Path,
    format: Format,
    *,
    trace_ids: Collection[str] | None = None,
    force: bool = False,
) -> Exported:
    """Write records to a file.

    Args:
        store: The store's path.
        path: The file, which must not be there.
        format: What to write.
        trace_ids: The traces; by default everything.
        force: Replace the file if it is there.

    Raises:
        StoreError: If the store cannot be read, or the file is there or cannot be written.
    """
    if not force and os.path.lexists(path):
        raise _exists(path)
    done = _Counted()
    records = done.counting(_records(store, trace_ids))
    try:
        # Beside its place, where it can be renamed from; hidden, as it may stay after a crash.
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            draft = scratch / path.name
            _write(store, records, draft, format)
            sync_file(draft)
            _publish(draft, path, force=force)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise StoreError(
            f"{str(path)!r} could not be written ({reason}). An export is written beside its "
            f"place first, and takes its name when it is whole. Make space or give permission "
            f"there, or name another place."
        ) from error
    return done.result()


class _Counted:
    """Counts what passes by."""

    def __init__(self) -> None:
        self._traces: set[str] = set()
        self._kinds: Counter[str] = Counter()

    def counting(self, records: Iterable[Kept]) -> Iterator[Kept]:
        """The records, counted."""
        for kept in records:
            self._kinds[kept.kind] += 1
            if kept.kind in ("trace", "span") and kept.record.trace_id is not None:
                self._traces.add(kept.record.trace_id)
            yield kept

    def result(self) -> Exported:
        """What has passed."""
        return Exported(len(self._traces), self._kinds["span"])


def _records(store: str | os.PathLike[str], trace_ids: Collection[str] | None) -> Iterator[Kept]:
    layout = Layout.of(store)
    read_format(layout)  # a store that cannot be read says so before a file is begun
    return read_records(layout, trace_ids)


def _lines(records: Iterable[Kept], format: Format) -> Iterator[bytes]:
    return documents(records) if format == "otlp" else map(to_json, records)


def _write(
    store: str | os.PathLike[str], records: Iterable[Kept], draft: Path, format: Format
) -> None:
    match format:
        case "parquet":
            write_parquet(records, draft)
        case "duckdb":
            write_database(records, draft, gone=dead_owners(Layout.of(store)))
        case _:
            with draft.open("wb") as file:
                _write_lines(file, _lines(records, format))


def _write_lines(file: BinaryIO, lines: Iterable[bytes]) -> None:
    for line in lines:
        file.write(line + b"\n")


def _publish(draft: Path, path: Path, *, force: bool) -> None:
    """Give a file its name; without `force` never that of another one."""
    if force:
        os.replace(draft, path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise _exists(path) from None
        os.rename(draft, path)


def _exists(path: Path) -> StoreError:
    return StoreError(
        f"{str(path)!r} is there already. An export replaces no file by itself. Name another "
        f"place, or replace it with --force."
    )
