"""A store's folder written from the format alone, without the recorder or the compactor."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import SCHEMA_PART, Layout, create
from exporters.duckdb.schema import ITEM, RECORD

BASE_NS = 1_763_700_000_000_000_000
_DERIVED = """make_timestamptz(start_ns // 1000) as start_time,
    make_timestamptz(end_ns // 1000) as end_time, (end_ns - start_ns) / 1e6 as duration_ms"""


class Spool:
    """Writes segments and parts as the format says, one recorder process (`owner`) at a time.

    Content is shared as the recorder shares it: lists given as tuples become items.
    """

    def __init__(self, store: Path) -> None:
        self.layout = Layout.of(store)
        create(self.layout)
        self._counter = itertools.count(1)
        self._open: dict[str, int] = {}
        self._still: dict[str, list[dict[str, Any]]] = {}
        self._still_items: list[dict[str, Any]] = []
        self._part(SCHEMA_PART, [], [], [], [])

    def owner(self, number: int = 1) -> str:
        """The name of a recorder."""
        return f"testhost-{number}-{number:08x}"

    def segment(self, rows: Sequence[dict[str, Any]], *, owner: int = 1, alive: bool = True) -> str:
        """A new segment of these rows; it stays locked while its owner lives."""
        name = f"{1_763_700_000_000 + next(self._counter):013d}-{self.owner(owner)}.ndjson"
        path = self.layout.hot / name
        fd = os.open(path.with_suffix(".tmp"), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        if alive:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open[name] = fd
        path.with_suffix(".tmp").rename(path)
        os.write(fd, self.encode(rows, owner))
        if not alive:
            os.close(fd)
        return name

    def append(self, name: str, data: bytes | Sequence[dict[str, Any]], owner: int = 1) -> None:
        """More of a segment: bytes as they are, or rows."""
        raw = data if isinstance(data, bytes) else self.encode(data, owner)
        with (self.layout.hot / name).open("ab") as file:
            file.write(raw)

    def die(self, name: str) -> None:
        """The segment's owner is gone."""
        os.close(self._open.pop(name))

    def close(self) -> None:
        """Every owner is gone."""
        for name in list(self._open):
            self.die(name)

    def encode(self, rows: Sequence[dict[str, Any]], owner: int = 1) -> bytes:
        """Lines of rows, items first."""
        lines, seen = [], set()
        for row, items in (self._shared(row) for row in rows):
            for name, value in items.items():
                if name not in seen:
                    seen.add(name)
                    lines.append({"k": "item", "v": 1, "seq": next(self._counter), "hash": name,
                                  "value": value})  # fmt: skip
            lines.append({"v": 1, "seq": next(self._counter), "owner": self.owner(owner), **row})
        return b"".join(_line(line) for line in lines)

    def _shared(self, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        items: dict[str, Any] = {}

        def keep(value: Any) -> str:
            name = blake2b(_json(value), digest_size=16).hexdigest()
            items[name] = value
            return name

        kept = dict(row)
        for field in ("input", "output", "instructions", "tools"):
            value = row.get(field)
            if isinstance(value, tuple):
                kept[field] = {"refs": [keep(element) for element in value]}
            elif value is not None and (field == "instructions" or len(_json(value)) > 65536):
                kept[field] = {"ref": keep(value)}
            elif value is not None:
                kept[field] = {"value": value}
        for field in ("metadata", "error", "data"):
            if field in row and len(_json(row[field])) > 65536:
                kept[field] = {"$ref": keep(row[field])}
        return kept, items

    def compact(self, names: Sequence[str], *, act_ms: int = 1_763_700_100_000) -> str:
        """A part of these segments and of open rows of parts, which stay where they are."""
        lines: dict[tuple[Any, ...], dict[str, Any]] = {}
        items: dict[str, Any] = {}
        sources = [[json.loads(raw) for raw in (self.layout.hot / name).read_bytes().splitlines()]
                   for name in names]  # fmt: skip
        carried = [*self._still.values(), self._still_items]
        covers = [*names, *(f"{part}/open" for part in self._still)]
        for source in (*carried, *sources):
            for line in source:
                if line["k"] == "item":
                    items[line["hash"]] = line
                    continue
                key = (line["k"], line.get("trace_id"), line.get("span_id"),
                       line["seq"] if line["k"] == "loss" else 0)  # fmt: skip
                if key not in lines or line["rev"] >= lines[key]["rev"]:
                    lines[key] = line
        starts = [line["start_ns"] // 10**9 for line in lines.values()] or [0]
        part = f"p-{act_ms:013d}-{min(starts)}-{max(starts)}-{next(self._counter):08x}"
        ended = [line for line in lines.values() if line["rev"] or line["k"] == "loss"]
        still = [line for line in lines.values() if not line["rev"] and line["k"] != "loss"]
        self._still, self._still_items = {part: still}, list(items.values())
        self._part(part, ended, still, list(items.values()), covers)
        return part

    def _part(
        self,
        name: str,
        ended: Sequence[dict[str, Any]],
        still: Sequence[dict[str, Any]],
        items: Sequence[dict[str, Any]],
        covers: Sequence[str],
    ) -> None:
        draft = self.layout.tmp / name
        draft.mkdir(parents=True)
        record = {field.name: field.type for field in RECORD}
        item = {field.name: field.type for field in ITEM}
        connection = duckdb.connect()
        for file, rows, columns in (
            ("data", ended, record), ("open", still, record), ("items", items, item),
        ):  # fmt: skip
            source = draft / f"{file}.ndjson"
            source.write_bytes(b"".join(_json(row) + b"\n" for row in rows))
            types = "{" + ", ".join(f"'{key}': '{value}'" for key, value in columns.items()) + "}"
            derived = f", {_DERIVED}" if file != "items" else ""
            connection.execute(
                f"copy (select *{derived} from read_json('{source}', "
                f"format='newline_delimited', columns={types}, maximum_object_size=67108864)) "
                f"to '{draft / file}.parquet' (format parquet, compression zstd)"
            )
            source.unlink()
        connection.close()
        (draft / "covers.csv").write_text("".join(f"{cover}\n" for cover in covers))
        draft.rename(self.layout.parts / name)

    def forget(self, part_or_segment: str) -> None:
        """Delete a covered source, as the collection does."""
        hot, part = self.layout.hot / part_or_segment, self.layout.parts / part_or_segment
        shutil.rmtree(part) if part.is_dir() else hot.unlink()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _line(fields: dict[str, Any]) -> bytes:
    body = _json(fields)[1:]
    return b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body)


def trace_row(trace: str, *, at: int = 0, end: int | None = 10, **fields: Any) -> dict[str, Any]:
    """A trace from `at` to `end`, in milliseconds."""
    return _row("trace", at, end, {"trace_id": trace, "trace_name": trace, "name": trace, **fields})


def span_row(
    trace: str, span: str, *, at: int = 0, end: int | None = 5, **fields: Any
) -> dict[str, Any]:
    """A span from `at` to `end`, in milliseconds."""
    known = {"trace_id": trace, "span_id": span, "trace_name": trace, "name": span}
    return _row("span", at, end, {**known, "type": "custom", "data": {}, **fields})


def loss_row(reason: str, items: int, trace: str | None = None) -> dict[str, Any]:
    """A loss."""
    row = {"exporter": "duckdb", "reason": reason, "items": items, "trace_id": trace}
    return {**_row("loss", 0, 0, row), "status": None}


def _row(kind: str, at: int, end: int | None, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "k": kind,
        "rev": 0 if end is None else 1,
        "start_ns": BASE_NS + at * 1_000_000,
        "end_ns": None if end is None else BASE_NS + end * 1_000_000,
        "status": "running" if end is None else "ok",
        **fields,
    }


class Rows:
    """Makes rows: `rows.trace(…)`, `rows.span(…)`, `rows.loss(…)`; and lines of them."""

    @staticmethod
    def encode(rows: Sequence[dict[str, Any]]) -> bytes:
        """Lines of rows that share no content."""
        return b"".join(_line({"v": 1, "seq": 1, "owner": "x-1-1", **row}) for row in rows)

    trace = staticmethod(trace_row)
    span = staticmethod(span_row)
    loss = staticmethod(loss_row)


@pytest.fixture
def rows() -> Rows:
    """Makes rows of a segment."""
    return Rows()


@pytest.fixture
def new_spool(tmp_path: Path) -> Iterator[Callable[[], Spool]]:
    """Makes stores in folders of their own."""
    spools: list[Spool] = []

    def make() -> Spool:
        spools.append(Spool(tmp_path / f"store{len(spools)}" / "traces.duckdb"))
        return spools[-1]

    yield make
    for spool in spools:
        spool.close()


@pytest.fixture
def spool(new_spool: Callable[[], Spool]) -> Spool:
    """A store to write segments and parts into."""
    return new_spool()
