"""The store's folder: names, creation by several at once, refusals, and who is alive."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.duckdb.layout import (
    Layout,
    PartName,
    SegmentName,
    create,
    is_locked,
    live_owners,
    parse_part,
    parse_segment,
    read_covers,
    read_format,
    scan,
)
from exporters.duckdb.recording.segment import Segment
from exporters.duckdb.schema import FORMAT, SCHEMA
from exporters.store import StoreError

_HEX = st.text("0123456789abcdef", min_size=4, max_size=12)
_HOST = st.text("abcXYZ019_.", min_size=1, max_size=20)


@given(st.integers(10**12, 10**14), _HOST, st.integers(1, 2**22), _HEX)
def test_segment_names(ms: int, host: str, pid: int, rand: str) -> None:
    """A segment's name says what it was made of."""
    name = SegmentName(ms, host, pid, rand)

    assert parse_segment(name.filename) == name
    assert name.owner == f"{host}-{pid}-{rand}"


@given(st.integers(0, 10**14), st.integers(0, 10**10), st.integers(0, 10**10), _HEX)
def test_part_names(act_ms: int, from_s: int, to_s: int, rand: str) -> None:
    """A part's name says what it was made of."""
    name = PartName(act_ms, from_s, to_s, rand)

    assert parse_part(name.dirname) == name


@pytest.mark.parametrize("name", ["_.ndjson", "x", "1-a-b-c.ndjson", "p-0000000000000-schema", ""])
def test_other_names(name: str) -> None:
    """The sentinels, and what is not ours, are no segments and no parts."""
    assert parse_segment(name) is None
    assert parse_part(name) is None


def test_create_again(store: Path) -> None:
    """Making a store that is there changes nothing."""
    first = create(Layout.of(store))

    assert create(Layout.of(store)) == first
    assert (first.format, first.schema) == (FORMAT, SCHEMA)
    assert Layout.of(store).exists


_CREATE = """
import sys
from exporters.duckdb.layout import Layout, create
sys.stdin.read(1)
for number in range(20):
    print(create(Layout.of(f"{sys.argv[1]}/{number}.duckdb")).store_id)
"""


def test_create_race(tmp_path: Path, python: Callable[..., Any]) -> None:
    """Processes that make a store at the same moment agree on which it is."""
    processes = [python(_CREATE, tmp_path) for _ in range(3)]
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()

    outputs = [process.communicate()[0].split() for process in processes]

    assert len(outputs[0]) == 20
    assert outputs[0] == outputs[1] == outputs[2]
    assert not list(tmp_path.glob("*.d/FORMAT.*"))


def test_path_is_folder(tmp_path: Path) -> None:
    """A folder in place of the catalog file is refused with the path to name instead."""
    with pytest.raises(StoreError, match=r"is a folder.*traces\.duckdb' instead"):
        create(Layout.of(tmp_path))


def test_path_is_data_folder(store: Path) -> None:
    """Whoever names the data folder is told the store's own path."""
    create(Layout.of(store))

    with pytest.raises(StoreError, match=r"traces\.duckdb' instead"):
        create(Layout.of(f"{store}.d"))


def test_data_folder_is_file(store: Path) -> None:
    """A file in place of the data folder is refused."""
    store.with_name("traces.duckdb.d").write_text("mine")

    with pytest.raises(StoreError, match=r"is a file.*Move the file away"):
        create(Layout.of(store))


def test_not_writable(tmp_path: Path) -> None:
    """A store below a file cannot be made; the message says where and what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"cannot be written \(Not a directory.*FLIGHTLOG_STORE"):
        create(Layout.of(tmp_path / "file" / "traces.duckdb"))


def test_newer_format(store: Path) -> None:
    """A store of a newer format is refused, naming both versions."""
    create(Layout.of(store))
    path = Layout.of(store).format_file
    path.write_text(json.dumps({"format": 7, "schema": 9, "store_id": "x"}))

    with pytest.raises(StoreError, match=r"has format 7, .* up to 1\..*pip install --upgrade"):
        create(Layout.of(store))


@pytest.mark.parametrize("text", ["", "rubbish", "[]", '{"format":"x"}', "\x00\xff"])
def test_garbage_format(store: Path, text: str) -> None:
    """A FORMAT that is none of ours is refused, and stays as it is."""
    create(Layout.of(store))
    Layout.of(store).format_file.write_text(text)

    with pytest.raises(StoreError, match="has to be the JSON that flightlog wrote"):
        create(Layout.of(store))
    assert Layout.of(store).format_file.read_text() == text


def test_nothing_there(store: Path) -> None:
    """Looking at a store that is not there makes nothing."""
    layout = Layout.of(store)

    assert read_format(layout) is None
    assert scan(layout).segments == ()
    assert live_owners(layout) == frozenset()
    assert not layout.root.exists()


def test_garbage_covers(store: Path) -> None:
    """Lines of covers that name nothing of ours hide nothing."""
    layout = Layout.of(store)
    create(layout)
    part = PartName(1_700_000_000_000, 1, 2, "ab12")
    layout.part(part).mkdir()
    good = SegmentName(1_700_000_000_000, "vm", 7, "beef").filename
    text = b"\xff\x00\n../../etc\n" + good.encode() + b"\n" + part.dirname.encode() + b"/open\n"
    (layout.part(part) / "covers.csv").write_bytes(text)

    assert read_covers(layout, part) == {good, f"{part.dirname}/open"}
    assert scan(layout).open_parts == ()
    assert scan(layout).live_parts == (part,)


def test_owner_lives(store: Path) -> None:
    """An owner lives while one of its segments is locked, and is dead when none is."""
    layout = Layout.of(store)
    create(layout)
    first = Segment(layout, SegmentName(1_700_000_000_001, "vm", 7, "beef"))
    second = Segment(layout, SegmentName(1_700_000_000_002, "vm", 7, "beef"))
    other = Segment(layout, SegmentName(1_700_000_000_001, "vm", 8, "beef"))

    first.release()
    other.release()

    assert not is_locked(first.path)
    assert is_locked(second.path)
    assert live_owners(layout) == {"vm-7-beef"}
    assert live_owners(layout, ["vm-8-beef"]) == frozenset()
    second.release()
    assert live_owners(layout) == frozenset()


def test_probes_agree(store: Path) -> None:
    """A probe does not make another one take a dead owner for a live one."""
    layout = Layout.of(store)
    create(layout)
    segment = Segment(layout, SegmentName(1_700_000_000_001, "vm", 7, "beef"))
    segment.release()
    with segment.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        assert not is_locked(segment.path)


def test_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store stays where it was named, wherever the program goes."""
    monkeypatch.chdir(tmp_path)

    assert Layout.of("t.duckdb").catalog == Path(os.path.realpath(tmp_path)) / "t.duckdb"


def test_private(store: Path) -> None:
    """The folder of the data is its owner's alone."""
    layout = Layout.of(store)
    create(layout)

    assert layout.root.stat().st_mode & 0o077 == 0
