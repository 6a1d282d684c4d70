"""A damaged file of a store takes nothing else with it: the rest is read, the loss is counted."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from exporters import open_store
from exporters.duckdb.layout import PartName, SegmentName, list_parts
from exporters.duckdb.parts import damaged_files
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.store import TraceQuery
from viewer import create_app

WHOLE = {"first": 5, "second": 6, "third": 5}
REST = {"second": 6, "third": 5}


def truncated(path: Path) -> None:
    """The second half is gone."""
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    """There is the name and nothing else."""
    os.truncate(path, 0)


def garbage(path: Path) -> None:
    """Somebody else's bytes."""
    path.write_bytes(random.Random(4).randbytes(path.stat().st_size))


def zero_tail(path: Path) -> None:
    """The end was never written, as after a loss of power."""
    size = path.stat().st_size
    os.truncate(path, size * 2 // 3)
    os.truncate(path, size)


def missing(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def folder(path: Path) -> None:
    """A folder is in its place."""
    path.unlink()
    path.mkdir()


def flipped(path: Path) -> None:
    """One bit in the middle is another."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x04
    path.write_bytes(data)


KINDS = (truncated, emptied, garbage, zero_tail, missing, folder)
Kind = Callable[[Path], None]


def kinds(*given: Kind) -> Any:
    """A parameter of these kinds of damage, named by them."""
    return pytest.mark.parametrize("kind", given, ids=[kind.__name__ for kind in given])


def everywhere(base: Any) -> dict[str, int]:
    """What lists, SQL and the viewer show of a store; they agree."""
    shown = base.spans()
    assert base.asked() == shown
    store = open_store(base.store)
    try:
        with TestClient(create_app(store), base_url="http://localhost") as client:
            page = client.get("/api/v1/traces")
            assert page.status_code == 200
            assert {row["name"] for row in page.json()["traces"]} == set(shown)
    finally:
        store.close()
    return dict(shown)


def test_base(base: Any) -> None:
    """The store that is damaged in these tests is whole."""
    assert everywhere(base) == WHOLE
    assert base.losses() == {}


@kinds(*KINDS)
def test_rows(base: Any, kind: Kind, said: Callable[[], list[str]]) -> None:
    """A part whose rows cannot be read is set aside, said once and counted; the rest is there."""
    kind(base.part / "data.parquet")

    shown = everywhere(base)

    assert shown == REST
    assert everywhere(base) == REST
    assert sum(base.losses().values()) == 6  # five spans and their trace
    assert set(base.losses()) == {"damaged part"}
    assert any(name.startswith("p-") for name in base.quarantined())
    told = [text for text in said() if "quarantine" in text]
    assert len(told) == 1
    assert str(base.layout.catalog) in told[0] or "p-" in told[0]


def test_flipped_bit(base: Any) -> None:
    """A bit that flipped in a part costs the part at most; its loss is counted or its sum tells.

    Parquet as it is written has no checksum of its own, so a reader may decode other values.
    """
    flipped(base.part / "data.parquet")
    base.spans()  # who meets the damage first may still list the trace

    listed = {name: spans for name, spans in base.spans().items() if spans}
    asked = base.asked()
    readable = _readable(base)
    base.compact()

    assert listed in (WHOLE, REST)
    assert asked in (WHOLE, REST)
    assert readable >= sum(REST.values())
    left = list_parts(base.layout)
    damaged = [name for part in left for name in damaged_files(base.layout, part)]
    assert damaged == ["data.parquet"] or sum(base.losses().values()) == 6


@kinds(*KINDS)
def test_open_rows(base: Any, kind: Kind) -> None:
    """A part whose open rows cannot be read keeps those that ended."""
    kind(base.other_part / "open.parquet")

    shown = everywhere(base)
    base.compact()

    assert shown["first"] == 5
    assert shown["third"] == 5
    assert shown["second"] >= 5
    assert everywhere(base)["second"] >= 5
    assert sum(base.losses().values()) in (1, 2)  # the open span, and perhaps its open trace


@kinds(*KINDS)
def test_items(base: Any, kind: Kind) -> None:
    """A part whose content cannot be read keeps its rows."""
    kind(base.part / "items.parquet")

    shown = everywhere(base)
    with_content = _readable(base)
    base.compact()

    assert shown == WHOLE
    assert with_content >= 10
    assert everywhere(base) == WHOLE


def _readable(base: Any) -> int:
    """How many spans can be looked at with their payloads, whatever is in those."""
    store = open_store(base.store)
    try:
        found = 0
        for row in store.search(TraceQuery()).traces:
            for span in store.spans(row.trace_id):
                store.span(row.trace_id, span.span_id)
                found += 1
        return found
    finally:
        store.close()


@kinds(*KINDS)
@pytest.mark.parametrize("name", ["traces.parquet", "manifest.json", "covers.csv"])
def test_side_files(base: Any, name: str, kind: Kind) -> None:
    """What can be worked out again may be damaged: nothing is lost, nothing doubled."""
    kind(base.part / name)

    assert everywhere(base) == WHOLE
    base.compact()
    assert everywhere(base) == WHOLE
    assert base.losses() == {}


@kinds(*KINDS)
def test_covers_before_collection(base: Any, kind: Kind) -> None:
    """Covers that are damaged while their sources are still there double nothing."""
    base.compact()  # "third" becomes a part; its segment stays for a while
    part = max(base.layout.parts.glob("p-*-*-*-*"))
    assert (part / "covers.csv").read_text()
    kind(part / "covers.csv")

    assert everywhere(base) == WHOLE
    compact(base.store, grace_s=-10)
    assert everywhere(base) == WHOLE


@kinds(truncated, garbage, missing)
def test_sources_come_back(base: Any, kind: Kind) -> None:
    """A damaged part whose segments are still there costs nothing."""
    base.compact()
    part = max(base.layout.parts.glob("p-*-*-*-*"))
    kind(part / "data.parquet")

    assert everywhere(base) == WHOLE
    assert base.losses() == {}


@kinds(truncated, garbage, zero_tail, flipped)
def test_segment(base: Any, kind: Kind, said: Callable[[], list[str]]) -> None:
    """Lines of a segment that cannot be read are left out, then set aside and counted once."""
    kind(base.segment)

    shown = everywhere(base)
    base.compact()
    base.compact()

    assert {name: shown[name] for name in ("first", "second")} == {"first": 5, "second": 6}
    assert shown.get("third", 0) <= 5
    assert everywhere(base) == shown
    losses = base.losses()
    assert set(losses) <= {"line could not be read"}
    if kind is not truncated:  # what is cut off leaves half a line at most
        assert losses["line could not be read"] >= 1
        assert any(name.endswith(".bad") for name in base.quarantined())


@kinds(emptied, missing)
def test_segment_gone(base: Any, kind: Kind) -> None:
    """A segment that is gone is gone; nothing else is."""
    kind(base.segment)

    assert everywhere(base) == {"first": 5, "second": 6}
    base.compact()
    assert everywhere(base) == {"first": 5, "second": 6}


def test_odd_entries(base: Any) -> None:
    """Folders, files, links and pipes with the names of segments and parts stop nothing."""
    hot, parts = base.layout.hot, base.layout.parts
    names = [SegmentName(1_700_000_000_000 + i, "host", 1, "ab").filename for i in range(4)]
    (hot / names[0]).mkdir()
    (hot / names[1]).symlink_to(hot / "nowhere")
    (hot / "notes.ndjson").write_text("mine\n")
    (hot / "folder.ndjson").mkdir()
    (parts / PartName(1_700_000_000_000, 1, 2, "ab").dirname).write_text("mine")
    (parts / PartName(1_700_000_000_001, 1, 2, "ab").dirname).mkdir()
    (parts / "notes").mkdir()

    assert everywhere(base) == WHOLE
    base.compact()
    assert everywhere(base) == WHOLE


@kinds(truncated, emptied, garbage, zero_tail, missing)
def test_catalog(base: Any, kind: Kind) -> None:
    """The catalog file may be damaged or missing: flightlog does not need it."""
    assert ensure_catalog(base.layout)
    kind(base.store)

    assert everywhere(base) == WHOLE
    base.compact()
    assert everywhere(base) == WHOLE


def test_schema_part(base: Any) -> None:
    """The part that gives the columns is made anew when it is gone."""
    (sentinel,) = base.layout.parts.glob("*-schema")
    shutil.rmtree(sentinel)

    assert everywhere(base) == WHOLE
    base.compact()
    assert sentinel.is_dir()


@pytest.mark.parametrize("name", ["data.parquet", "open.parquet", "items.parquet"])
def test_garbage_schema_part(base: Any, name: str) -> None:
    """Nor does garbage in that part keep anybody from reading; compaction mends it."""
    (sentinel,) = base.layout.parts.glob("*-schema")
    (sentinel / name).write_bytes(b"garbage")

    assert base.asked() == base.spans() == WHOLE
    base.compact()
    assert everywhere(base) == WHOLE


def test_everything_damaged(base: Any) -> None:
    """A store of which nothing can be read any more is empty, and says what was lost."""
    for part in (base.part, base.other_part):
        for file in part.iterdir():
            file.write_bytes(b"garbage")
    base.segment.write_bytes(b"garbage\n" * 100)

    assert everywhere(base) == {}
    base.compact()
    assert everywhere(base) == {}
    assert sum(base.losses().values()) > 0
