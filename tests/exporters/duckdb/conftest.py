"""A small reader of a store's files that shares no code with the one that ships, and journals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.recording.journal import Journal

Key = tuple[str, str | None, str | None]


@dataclass
class Found:
    """What a store holds, covered sources left out.

    `ended` counts distinct appearances of an id that ended: in one segment twice is once, in two
    places is twice. `stale` are open rows of parts whose end a part has, which plain SQL would
    show twice. `missing` are items that a segment or part refers to and does not hold itself.
    """

    ended: Counter[Key] = field(default_factory=Counter)
    open: set[Key] = field(default_factory=set)
    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, Any] = field(default_factory=dict)
    losses: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    bad: int = 0
    stale: set[Key] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)

    def content(self, value: Any) -> Any:
        """A column's content with items put back in."""
        value = json.loads(value) if isinstance(value, str) else value
        if value is None:
            return None
        if "refs" in value:
            names = [name for one in value.get("lists", ()) for name in self.items[one]]
            return [self.items[name] for name in (*names, *value["refs"])]
        return self.items[value["ref"]] if "ref" in value else value["value"]

    def span(self, name: str) -> dict[str, Any]:
        """The one span of a name."""
        (row,) = [row for key, row in self.rows.items() if key[0] == "span" and row["name"] == name]
        return row


def read_store(store: Path) -> Found:
    """Parts first, then segments; what any part covers does not count."""
    root = store.with_name(store.name + ".d")
    names = [name for name in os.listdir(root / "parts") if not name.endswith("-schema")]
    covered = set()
    for name in names:
        covered |= set((root / "parts" / name / "covers.csv").read_text().split())
    segments = sorted(name for name in os.listdir(root / "hot") if name.endswith(".ndjson"))
    found = Found()
    cold: Counter[Key] = Counter()
    cold_open: set[Key] = set()
    with duckdb.connect() as con:
        for name in names:
            if name in covered:
                continue
            folder = root / "parts" / name
            items = {
                hash_: None if value is None else json.loads(value)
                for hash_, value in con.execute(f"from '{folder}/items.parquet'").fetchall()
            }
            rows = _rows(con, f"{folder}/data.parquet")
            cold.update(_add(found, rows, items))
            if f"{name}/open" not in covered:
                rows = _rows(con, f"{folder}/open.parquet")
                assert not _add(found, rows, items)
                cold_open |= {_key(row) for row in rows}
    found.ended.update(cold)
    found.stale = cold_open & set(cold)
    for name in segments:
        if name not in covered:
            rows, items = _segment(found, (root / "hot" / name).read_bytes())
            found.ended.update(set(_add(found, rows, items)))
    found.open -= set(found.ended)
    return found


def _rows(con: duckdb.DuckDBPyConnection, path: str) -> list[dict[str, Any]]:
    result = con.execute(f"select * exclude (start_time, end_time) from '{path}'")
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in result.fetchall()]


def _segment(found: Found, data: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows, items = [], {}
    for line in data.split(b"\n"):
        if not line:
            continue
        if not line.startswith(b'{"crc":"%08x",' % zlib.crc32(line[18:])):
            found.bad += 1
            continue
        row = json.loads(line)
        if row["k"] == "item":
            items[row["hash"]] = row["value"]
        else:
            rows.append(row)
    return rows, items


def _add(found: Found, rows: list[dict[str, Any]], items: dict[str, Any]) -> list[Key]:
    """Take the rows of one source with its items; gives the ids that ended, as often as found."""
    ended = []
    found.items |= items
    for row in rows:
        if row["k"] == "loss":
            found.losses[row["reason"]] += row["items"]
            continue
        if row["k"] == "delivery":
            found.deliveries[row["exporter"], row["status"], row.get("reason")] += row["items"]
            continue
        names = _refs(row)
        names |= {name for one in _refs(row, "lists") for name in items.get(one, ())}
        found.missing |= (names | _refs(row, "lists")) - set(items)
        if row.get("end_ns") is None:
            found.open.add(_key(row))
            found.rows.setdefault(_key(row), row)
        else:
            ended.append(_key(row))
            found.rows[_key(row)] = row
    return ended


def _key(row: dict[str, Any]) -> Key:
    return row["k"], row.get("trace_id"), row.get("span_id")


def _refs(row: dict[str, Any], key: str = "refs") -> set[str]:
    names: set[str] = set()
    for column in ("input", "output", "instructions", "tools"):
        value = row.get(column)
        value = json.loads(value) if isinstance(value, str) else value or {}
        names |= {*value.get(key, ()), *([value["ref"]] if "ref" in value else ())}
    return names


@pytest.fixture
def read() -> Callable[[Path], Found]:
    """The reader."""
    return read_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "traces.duckdb"


@pytest.fixture
def journal(store: Path) -> Iterator[Callable[..., Journal]]:
    """Makes journals, by default without a fallback, and closes them."""
    made: list[Journal] = []

    def make(path: Path = store, *, fallback: Path | None = None, **options: Any) -> Journal:
        made.append(Journal(path, fallback=fallback, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for a condition, for a minute at most."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while not (result := condition()):
            if time.monotonic() > deadline:
                pytest.fail("the condition did not come true in time")
            time.sleep(0.005)
        return result

    return wait


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs given as text; those left over are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(OSError):
            process.kill()
        process.communicate()
