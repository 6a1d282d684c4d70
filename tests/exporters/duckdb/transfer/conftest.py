"""Stores that hold given records, and what the views of a store show."""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from exporters.duckdb.layout import Layout, create
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.recording.lines import (
    Line,
    encode_item,
    encode_line,
    loss_line,
    span_line,
    trace_line,
)
from exporters.duckdb.views.catalog import statements
from exporters.record import Kept
from tracer.encoding import encode
from tracer.snapshot import SpanRecord, TraceRecord, Usage

BASE_NS = 1_763_700_000_000_000_000
OWNER = "elsewhere-7-00000007"
VIEWS = sorted(
    {
        name
        for text in statements(raw=False)
        for name in re.findall(r"create (?:or replace )?view (\w+)", text)
        if not name.startswith("_") and name != "README"
    }
)


def lines_of(kept: Kept) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the recorder would write of a record."""
    record = kept.record
    if isinstance(record, TraceRecord):
        line = trace_line(record)
    elif isinstance(record, SpanRecord):
        line = span_line(record)
    else:
        line = loss_line(
            record.exporter or "", record.reason or "", record.items or 0, record.trace_id,
            record.start_ns,
        )  # fmt: skip
    return {**line.fields, "owner": kept.owner, "seq": kept.seq}, line.items


def put(store: Path, found: Sequence[Kept]) -> Path:
    """Have a store hold these records, in a segment whose writer is gone."""
    layout = Layout.of(store)
    create(layout)
    counter = itertools.count(1)
    name = f"1763700000{next(counter):03d}-elsewhere-7-{secrets.token_hex(4)}.ndjson"
    with (layout.hot / name).open("wb") as file:
        for kept in found:
            fields, items = lines_of(kept)
            for key, value in items.items():
                file.write(encode_item(key, value, next(counter)))
            file.write(encode_line(Line(fields, {}))[0])
    return store


def plain(value: Any) -> Any:
    """A value of a row; a JSON text in one form, as some characters can be written in two."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.dumps(orjson.loads(value))
    return value


def shown(store: Path) -> dict[str, list[str]]:
    """Every row of every public view, without the file that it comes from."""
    reader = Reader(Layout.of(store))
    try:
        reader.refresh()
        cursor = reader.cursor()
        found = {}
        for view in VIEWS:
            result = cursor.execute(f"from {view}")
            names = [column[0] for column in result.description or ()]
            found[view] = sorted(
                repr({key: plain(row[at]) for at, key in enumerate(names) if key != "source"})
                for row in result.fetchall()
            )
        cursor.close()
        return found
    finally:
        reader.close()


@pytest.fixture(name="shown")
def _shown() -> Callable[[Path], dict[str, list[str]]]:
    """What every public view of a store shows."""
    return shown


@pytest.fixture
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes stores with records, each in a folder of its own."""

    def make(found: Sequence[Kept] = ()) -> Path:
        path = tmp_path_factory.mktemp("store") / "traces.duckdb"
        return put(path, found) if found else path

    return make


class Make:
    """Makes records: `make.trace("t")`, `make.span("t", "s", input=…)`."""

    def __init__(self) -> None:
        self._seq = itertools.count(1)

    def trace(self, trace_id: str = "t", *, end: int | None = 10, **fields: Any) -> Kept:
        """A trace from 0 to `end` milliseconds."""
        record = TraceRecord(
            trace_id=trace_id,
            name=trace_id,
            group_id=None,
            metadata=None,
            start_ns=BASE_NS,
            end_ns=None if end is None else BASE_NS + end * 1_000_000,
            status="running" if end is None else "ok",
            error=None,
            input=None,
            output=None,
        )
        return Kept(record._replace(**fields), OWNER, next(self._seq))

    def span(
        self, trace_id: str = "t", span_id: str = "s", *, end: int | None = 5, **fields: Any
    ) -> Kept:
        """A span from 0 to `end` milliseconds; content is given as JSON bytes."""
        record = SpanRecord(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=None,
            trace_name=trace_id,
            group_id=None,
            metadata=None,
            name=span_id,
            type="custom",
            start_ns=BASE_NS,
            end_ns=None if end is None else BASE_NS + end * 1_000_000,
            status="running" if end is None else "ok",
            error=None,
            model=None,
            usage=Usage(),
            input=None,
            output=None,
            instructions=None,
            tools=None,
            data=encode({}),
            attributes={},
        )
        return Kept(record._replace(**fields), OWNER, next(self._seq))


@pytest.fixture
def make() -> Make:
    """Makes records."""
    return Make()
