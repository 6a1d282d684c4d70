"""The store's folder: names, creation by several at once, refusals, and who is alive."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import replace
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


_DAMAGED = ["", "rubbish", "[]", '{"format":"x"}', "\0" * 70, "\x00\xff", "[" * 100_000, "1e999"]


@pytest.mark.parametrize("text", _DAMAGED, ids=range(len(_DAMAGED)))
def test_foreign_format(store: Path, text: str) -> None:
    """A FORMAT that is none of ours, where no store is, is refused and stays as it is."""
    layout = Layout.of(store)
    layout.root.mkdir()
    layout.format_file.write_text(text)

    with pytest.raises(StoreError, match="has to be the JSON that flightlog wrote"):
        create(layout)
    assert layout.format_file.read_text() == text
    assert list(layout.root.iterdir()) == [layout.format_file]


@pytest.mark.parametrize("text", _DAMAGED, ids=range(len(_DAMAGED)))
def test_damaged_format(store: Path, text: str) -> None:
    """A store's FORMAT that is damaged is read over; who writes puts it aside and says so once."""
    layout = Layout.of(store)
    create(layout)
    layout.format_file.write_text(text)
    told: list[str] = []

    found = read_format(layout)
    assert found is not None
    assert (found.format, found.schema, found.damaged) == (FORMAT, SCHEMA, True)
    assert layout.format_file.read_text() == text

    mended = create(layout, told.append)
    assert mended == replace(found, damaged=False)
    assert create(layout, told.append) == read_format(layout) == mended
    (message,) = told
    assert message.count(". ") == 2
    assert (layout.quarantine / "FORMAT").read_text() == text
    assert sorted(path.name for path in layout.root.glob("FORMAT*")) == ["FORMAT"]


def test_format_bits(store: Path) -> None:
    """No bit of FORMAT that flips costs a store, but one that turns its number into a newer one."""
    layout = Layout.of(store)
    before = create(layout)
    raw = layout.format_file.read_bytes()
    newer = set()
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        layout.format_file.write_bytes(flipped)
        if chr(flipped[raw.index(b"1")]) in "2345679":
            with pytest.raises(StoreError, match="pip install --upgrade"):
                read_format(layout)
            newer.add(bit // 8)
            continue
        found = read_format(layout)
        assert found is not None
        assert found.format in (0, FORMAT)
        if found.damaged and b'"store_id":"%b"' % before.store_id.encode() in flipped:
            assert found == replace(before, damaged=True)

    assert newer == {raw.index(b"1")}


@pytest.mark.parametrize(
    "text", ['{"format":2,"scheoa":1}', '{"format":7,"schema":9', '{"formau":1,"schema":9}']
)
def test_damaged_newer_format(store: Path, text: str) -> None:
    """A damaged FORMAT that still names a newer version is refused, and stays as it is."""
    layout = Layout.of(store)
    create(layout)
    layout.format_file.write_text(text)

    with pytest.raises(StoreError):
        create(layout)
    assert layout.format_file.read_text() == text


def test_format_told_by_data(store: Path) -> None:
    """Where FORMAT is damaged parts say the schema, else segments; a migration's copy the id."""
    layout = Layout.of(store)
    create(layout)
    layout.format_file.write_bytes(b"\0" * 70)
    for number, schema in enumerate((1, SCHEMA + 2), 1):
        line = b'{"crc":"00000000","k":"span","v":%d,"rev":1}\n' % schema
        layout.segment(SegmentName(1_700_000_000_000 + number, "vm", 7, "beef")).write_bytes(line)
        found = read_format(layout)
        assert found is not None
        assert found.schema == schema
    part = layout.part(PartName(1_700_000_000_000, 1, 2, "ab12"))
    part.mkdir()
    for text, schema in (("rubbish", SCHEMA + 2), ('{"schema":1}', 1)):
        (part / "manifest.json").write_text(text)
        found = read_format(layout)
        assert found is not None
        assert found.schema == schema
    copy = layout.backup / "schema-1"
    copy.mkdir(parents=True)
    (copy / "FORMAT").write_text('{"format":1,"schema":1,"store_id":"beef"}')

    assert create(layout, lambda _: None).store_id == "beef"


def test_format_held(store: Path) -> None:
    """While another process makes FORMAT anew nobody waits for it: all goes on without."""
    layout = Layout.of(store)
    create(layout)
    layout.format_file.write_text("rubbish")
    with layout.format_file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = create(layout)

    assert found.damaged
    assert layout.format_file.read_text() == "rubbish"
    assert create(layout, lambda _: None) == replace(found, damaged=False)


def test_format_again(store: Path) -> None:
    """A FORMAT that is damaged again goes to a name of its own."""
    layout = Layout.of(store)
    for text in ("rubbish", "more rubbish"):
        create(layout)
        layout.format_file.write_text(text)
        create(layout, lambda _: None)

    kept = [path for path in layout.quarantine.iterdir() if path.suffix != ".txt"]
    assert {path.read_text() for path in kept} == {"rubbish", "more rubbish"}


_MEND = """
import sys
from exporters.duckdb.layout import Layout, create
sys.stdin.read(1)
told = []
for number in range(20):
    print(create(Layout.of(f"{sys.argv[1]}/{number}.duckdb"), told.append).store_id)
print(len(told))
"""


def test_mend_race(tmp_path: Path, python: Callable[..., Any]) -> None:
    """Processes that find FORMAT damaged at the same moment agree on the store; one says so."""
    for number in range(20):
        layout = Layout.of(tmp_path / f"{number}.duckdb")
        create(layout)
        layout.format_file.write_bytes(b"\0" * 70)
    processes = [python(_MEND, tmp_path) for _ in range(3)]
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()

    outputs = [process.communicate()[0].split() for process in processes]

    assert len(outputs[0]) == 21
    assert outputs[0][:20] == outputs[1][:20] == outputs[2][:20]
    assert sum(int(output[20]) for output in outputs) == 20
    assert len(list(tmp_path.glob("*.d/quarantine/FORMAT"))) == 20
    assert not list(tmp_path.glob("*.d/FORMAT.*"))


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
