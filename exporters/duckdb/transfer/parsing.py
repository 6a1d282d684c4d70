"""Files of traces, whatever their format: it is told by what they begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import duckdb
import orjson

from exporters.duckdb.parts import quoted
from exporters.duckdb.schema import RECORD
from exporters.duckdb.transfer.unpacking import read_single
from exporters.otlp.decode import decode_document, is_document
from exporters.record import BadRecordError, Kept, from_fields, from_json
from exporters.store import StoreError

_JSON_COLUMNS = {field.name for field in RECORD if field.type == "JSON"}
_ROWS = 256
_EXPECTED = "It takes JSON Lines, Parquet or DuckDB as flightlog exports them, or OTLP in JSON"
_PARQUET, _DATABASE = b"PAR1", b"DUCK"
_LONGEST = 512 * 1024 * 1024  # bytes of a line, or of a document


class Bad(NamedTuple):
    """Something in a file that is no record: in which line or row, and why."""

    path: Path
    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}, {self.place}: {self.why}"


def parse_file(path: Path) -> Iterator[Kept | Bad]:
    """The records of a file, and what in it is none.

    Raises:
        StoreError: If the file cannot be read, or is none of the formats.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head.startswith(_PARQUET):
                yield from _parquet(path)
            elif head.endswith(_DATABASE):
                yield from read_single(path)
            else:
                yield from _json(path, file)
    except OSError as error:
        raise StoreError(
            f"{str(path)!r} cannot be read ({error.strerror}). {_EXPECTED}. Give the path of such "
            f"a file."
        ) from error


def _json(path: Path, file: BinaryIO) -> Iterator[Kept | Bad]:
    """Lines that are records or OTLP documents each, or one document over many lines."""
    document = _one_document(file)
    if document is not None:
        yield from _decoded(path, "", document)
        return
    file.seek(0)
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        place = f"line {number}"
        if len(line) >= _LONGEST:
            yield Bad(path, place, f"it is longer than {_LONGEST} bytes, and so is what follows")
            return
        if text := line.strip():
            yield from _line(path, place, text)


def _line(path: Path, place: str, text: bytes) -> Iterator[Kept | Bad]:
    # What begins like a record is parsed once only.
    if not text.startswith(b'{"k":') and is_document(document := _loads(text)):
        yield from _decoded(path, f"{place}, ", document)
        return
    try:
        yield from_json(text)
    except BadRecordError as error:
        yield Bad(path, place, str(error))


def _decoded(path: Path, prefix: str, document: Any) -> Iterator[Kept | Bad]:
    for found in decode_document(document):
        if isinstance(found, Kept):
            yield found
        else:
            yield Bad(path, f"{prefix}{found.place}", found.why)


def _one_document(file: BinaryIO) -> Any:
    """What a file holds that is one OTLP document over many lines; None where it is not."""
    first = file.readline(_LONGEST).strip()
    while not first and (more := file.readline(_LONGEST)):
        first = more.strip()
    if len(first) >= _LONGEST or _loads(first) is not None:
        return None
    file.seek(0, 2)
    if file.tell() > _LONGEST:
        return None
    file.seek(0)
    document = _loads(file.read())
    return document if is_document(document) else None


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _parquet(path: Path) -> Iterator[Kept | Bad]:
    con = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    try:
        source = f"read_parquet({quoted(path)})"
        con.execute("set enable_progress_bar = false")  # it goes to stdout, which is the user's
        con.execute("set TimeZone = 'UTC'")
        columns = {row[0] for row in con.execute(f"describe select * from {source}").fetchall()}
        if "k" not in columns:
            raise StoreError(
                f"{str(path)!r} is a Parquet file without a column 'k', which says what a row is. "
                f"{_EXPECTED}. Give one that flightlog export has written."
            )
        names = [field.name for field in RECORD if field.name in columns]
        quoted_names = ", ".join(f'"{name}"' for name in names)
        result = con.execute(f"select {quoted_names} from {source}")
        number = 0
        while rows := result.fetchmany(_ROWS):
            for row in rows:
                number += 1
                yield _row(path, number, dict(zip(names, row, strict=True)))
    except duckdb.Error as error:
        raise StoreError(
            f"{str(path)!r} cannot be read as Parquet ({str(error).splitlines()[0][:200]}). "
            f"{_EXPECTED}. Export it again, or fetch it again if it came over a network."
        ) from error
    finally:
        con.close()


def _row(path: Path, number: int, fields: dict[str, Any]) -> Kept | Bad:
    try:
        for name in _JSON_COLUMNS & fields.keys():
            text = fields[name]
            if text is not None:
                fields[name] = orjson.loads(text)
        return from_fields(fields)
    except BadRecordError as error:
        return Bad(path, f"row {number}", str(error))
    except (orjson.JSONDecodeError, TypeError):
        return Bad(path, f"row {number}", "a column of it that has to be JSON is none")
