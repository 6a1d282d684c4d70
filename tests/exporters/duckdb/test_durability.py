"""Loss of power: what a policy promises is there afterwards, and whatever is there is whole.

A loss of power is played by copying the store as a disk would have it: names of folders that were
synced, and of each file what was synced, followed by what a file system may make of the rest.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters import open_store
from exporters.duckdb.layout import Layout
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.recording.segment import Files

Make = Callable[..., Journal]
Read = Callable[[Path], Any]


class Disk(Files):
    """Files on a disk that keeps over a loss of power what was synced, and nothing else for sure.

    Attributes:
        names: Of each folder that was synced, the names that were in it then.
    """

    def __init__(self) -> None:
        self.names: dict[Path, set[str]] = {}
        self._synced: dict[int, int] = {}

    def sync(self, fd: int) -> None:
        status = os.fstat(fd)
        self._synced[status.st_ino] = status.st_size

    def sync_folder(self, path: Path) -> None:
        self.names[path] = set(os.listdir(path))

    def lose_power(self, store: Path, rest: Callable[[bytes], bytes]) -> Path:
        """The store as it is found afterwards; `rest` is what became of bytes not synced."""
        root = Layout.of(store).root
        left = store.with_name("left") / store.name
        copy = Layout.of(left)
        shutil.rmtree(left.parent, ignore_errors=True)
        for folder in (copy.hot, copy.parts, copy.tmp):
            folder.mkdir(parents=True)
        shutil.copy(root / "FORMAT", copy.root)  # synced as it is made, with the folder
        for name in self.names.get(root / "hot", ()):
            path = root / "hot" / name
            if path.exists():
                data = path.read_bytes()
                synced = self._synced.get(path.stat().st_ino, 0)
                (copy.hot / name).write_bytes(data[:synced] + rest(data[synced:]))
        return left


TAILS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: b"",
    "torn": lambda data: data[: len(data) * 2 // 3],
    "zeros": lambda data: bytes(len(data)),
    "kept": lambda data: data,
}


def line(number: int) -> Line:
    """A line of a span that ended, with content that it shares and content of its own."""
    fields = {
        "k": "span",
        "v": 2,
        "rev": 1,
        "trace_id": "trace_1",
        "span_id": f"span_{number}",
        "name": f"s{number}",
        "type": "custom",
        "status": "ok",
        "start_ns": 1_700_000_000_000_000_000 + number,
        "end_ns": 1_700_000_000_000_000_001 + number,
        "input": {"refs": ["aa", f"{number:032x}"]},
        "data": {},
    }
    return Line(fields, {"aa": b'"shared"', f"{number:032x}": b'"own %d"' % number})


def spans(found: Any) -> set[int]:
    """Numbers of the spans that are there, each once and with all content that it names."""
    assert set(found.ended.values()) <= {1}
    assert found.missing == set()
    return {int(key[2].split("_")[1]) for key in found.ended}


@pytest.mark.parametrize("tail", TAILS)
def test_write(store: Path, journal: Make, read: Read, tail: str) -> None:
    """With `write`, each line that was acknowledged is there, at whatever moment power goes."""
    disk = Disk()
    one = journal(sync="write", files=disk, segment_limit=3000)
    for number in range(25):
        one.append(line(number))
        if number % 7 == 0:
            one.seal()
        left = disk.lose_power(store, TAILS[tail])
        assert spans(read(left)) == set(range(number + 1))


def test_write_folders(tmp_path: Path, journal: Make) -> None:
    """With `write`, the folders made for a store are synced into those that hold them."""
    disk = Disk()
    one = journal(tmp_path / "new" / "deep" / "traces.duckdb", sync="write", files=disk)

    one.append(line(1))

    assert "new" in disk.names[tmp_path]
    assert "deep" in disk.names[tmp_path / "new"]
    assert "traces.duckdb.d" in disk.names[tmp_path / "new" / "deep"]


@pytest.mark.parametrize("tail", TAILS)
def test_batch(store: Path, journal: Make, read: Read, tail: str) -> None:
    """With `batch`, what was appended before the daemon last came by is there, the rest may be."""
    disk = Disk()
    one = journal(files=disk, segment_limit=3000)
    for number in range(60):
        one.append(line(number))
        if number % 9 == 8:
            one.tend()
            kept = spans(read(disk.lose_power(store, TAILS[tail])))
            assert kept == set(range(number + 1))
    one.append(line(60))
    assert spans(read(disk.lose_power(store, TAILS[tail]))) >= set(range(54))


def test_batch_by_itself(store: Path, journal: Make, read: Read, until: Any) -> None:
    """With `batch`, the daemon comes by of its own accord, also where lines never pause."""
    disk = Disk()
    one = journal(files=disk, segment_limit=20_000)
    one.append(line(0))
    appended = 1

    def survived() -> bool:
        nonlocal appended
        one.append(line(appended))
        appended += 1
        return appended > 5 and 5 in spans(read(disk.lose_power(store, TAILS["cut"])))

    until(survived)


def test_flush(store: Path, journal: Make, read: Read) -> None:
    """After a flush and after a close everything is there, with `batch` and even with `off`."""
    for sync in ("batch", "off"):
        disk = Disk()
        one = journal(store.with_name(f"{sync}.duckdb"), files=disk, sync=sync)
        one.append(line(1))
        one.flush()
        assert spans(read(disk.lose_power(one.store.catalog, TAILS["cut"]))) == {1}
    one = journal(store, files=(disk := Disk()))
    one.append(line(2))
    one.close()
    assert spans(read(disk.lose_power(store, TAILS["cut"]))) == {2}


@pytest.mark.parametrize("seed", range(8))
def test_off(store: Path, journal: Make, read: Read, seed: int) -> None:
    """With `off` nothing is promised but that what is left of the store can be read."""
    chance = random.Random(seed)
    disk = Disk()
    one = journal(files=disk, sync="off", segment_limit=3000)
    for number in range(60):
        one.append(line(number))
        if chance.random() < 0.2:
            one.seal()
    disk.names[one.store.hot] = set(os.listdir(one.store.hot))  # the kernel got to it

    def some(data: bytes) -> bytes:
        at = chance.randrange(len(data) + 1)
        return data[:at] + bytes(chance.choice((0, len(data) - at)))

    left = disk.lose_power(store, some)
    kept = spans(read(left))

    assert kept <= set(range(60))
    asked = open_store(left).sql("select count(*), count(distinct span_id) from spans")
    assert tuple(asked.rows[0]) == (len(kept), len(kept))
