"""The journal: lines survive faults, and what cannot be kept is counted."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout, is_locked, list_segments, live_owners
from exporters.duckdb.recording import journal as journals
from exporters.duckdb.recording import waiting
from exporters.duckdb.recording.content import OVERSIZE
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.recording.places import NOTE
from exporters.duckdb.recording.segment import Files, Segment
from exporters.duckdb.schema import LINE_LIMIT
from tracer.deliveries import deliveries
from tracer.losses import Loss, losses

Make = Callable[..., Journal]
Read = Callable[[Path], Any]
Until = Callable[[Callable[[], Any]], Any]
NewLine = Callable[..., Line]
Numbers = Callable[[Any], set[int]]


class FaultyFiles(Files):
    """Files that refuse what they are told to."""

    def __init__(self) -> None:
        self.full = False
        self.short = False
        self.unsynced = False
        self.refused = 0

    def create(self, path: Path) -> int:
        if self.full and self.short:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().create(path)

    def write(self, fd: int, data: bytes) -> int:
        if self.full:
            self.refused += 1
            if self.short:
                return super().write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        if self.unsynced:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_before(store: Path, journal: Make) -> None:
    """A journal opens no file and starts no thread before its first line."""
    threads = threading.active_count()
    one = journal()

    one.flush()

    assert not store.with_name("traces.duckdb.d").exists()
    assert threading.active_count() == threads


def test_at_once(store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers) -> None:
    """A line is in the file when append returns."""
    one = journal()

    one.append(line(1))

    assert spans(read(store)) == {1}
    assert one.path is not None
    assert one.path.stat().st_mode & 0o077 == 0


def test_items_once(store: Path, journal: Make, read: Read, line: NewLine) -> None:
    """An item is written once a segment, and again in the next one."""
    one = journal()
    for number in range(3):
        one.append(line(number, aa=b'"shared"'))
    first = one.path
    one.seal()
    one.append(line(3, aa=b'"shared"'))

    assert first is not None
    assert one.path is not None
    assert first.read_bytes().count(b'"k":"item"') == 1
    assert one.path.read_bytes().count(b'"k":"item"') == 1


def test_closed_again(
    store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """Closing is idempotent, seals the segment, and the next line begins again."""
    one = journal()
    one.append(line(1))
    path = one.path
    one.close()
    one.close()
    assert path is not None
    assert not is_locked(path)

    one.append(line(2))

    assert spans(read(store)) == {1, 2}


def test_threads(store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers) -> None:
    """Lines of many threads are all there, with segments sealed meanwhile."""
    one = journal()

    def work(base: int) -> None:
        for number in range(200):
            one.append(line(base + number, aa=b'"shared"'))

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 1000, 200)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        one.seal()
    for thread in threads:
        thread.join()

    found = read(store)
    assert spans(found) == set(range(1000))
    assert found.bad == 0


def test_rotation(store: Path, journal: Make, line: NewLine) -> None:
    """A segment is sealed after ten seconds of traffic or thirty of silence, and not before."""
    clock = Clock()
    one = journal(clock=clock)
    one.append(line(1))
    first = one.path
    for _ in range(2):
        clock.now += 9
        one.tend()
        assert one.path == first
    one.append(line(2))
    one.tend()
    second = one.path
    assert second != first

    clock.now += 11
    one.append(line(3))
    clock.now += 29
    one.tend()
    assert one.path == second
    clock.now += 1
    one.tend()

    assert one.path != second
    assert one.path is not None
    assert one.path.stat().st_size == 0


def test_large_segment(store: Path, journal: Make, until: Until, line: NewLine) -> None:
    """A segment over the limit is sealed by the daemon while lines go on."""
    one = journal(segment_limit=10_000)
    one.append(line(0))
    first = one.path

    for number in range(1, 40):
        one.append(line(number, **{f"{number:032x}": b'"%b"' % (b"x" * 1000)}))

    until(lambda: one.path != first)


def test_hard_limit(store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers) -> None:
    """A segment far over the limit is sealed at once, even if the daemon is held up."""
    one = journal(segment_limit=1250)

    for number in range(40):
        one.append(line(number, **{f"{number:032x}": b'"%b"' % (b"x" * 1000)}))

    assert len(list_segments(Layout.of(store))) > 4
    assert spans(read(store)) == set(range(40))


def test_idle_owner_lives(store: Path, journal: Make, line: NewLine, until: Until) -> None:
    """An owner whose lines are all in sealed segments lives until it closes."""
    clock = Clock()
    one = journal(clock=clock)
    one.append(line(1, ended=False))
    owner, first = one.owner, one.path
    clock.now += 31
    one.tend()

    assert first is not None
    until(lambda: not is_locked(first))  # the daemon may be at it as well
    assert live_owners(Layout.of(store)) == {owner}
    one.close()
    assert live_owners(Layout.of(store)) == frozenset()
    assert [layout.filename for layout in list_segments(Layout.of(store))] == [first.name]


def test_deleted_segment(
    store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """Recording goes on in a new segment when somebody deleted the one before."""
    one = journal()
    one.append(line(1))
    assert one.path is not None
    one.path.unlink()

    one.tend()
    one.append(line(2))

    assert spans(read(store)) == {2}


def test_disk_full(
    store: Path, journal: Make, read: Read, until: Until, line: NewLine, spans: Numbers
) -> None:
    """Lines that found no room are kept, in order, and written when there is room again."""
    files = FaultyFiles()
    one = journal(files=files)
    one.append(line(0))
    files.full = True
    for number in range(1, 20):
        one.append(line(number, aa=b'"shared"'))
    assert spans(read(store)) == {0}

    files.full = False

    until(lambda: len(read(store).ended) == 20)
    assert spans(read(store)) == set(range(20))
    assert losses.totals() == {}


def test_short_writes(
    store: Path, journal: Make, read: Read, tmp_path: Path, line: NewLine, spans: Numbers
) -> None:
    """A write cut short leaves no half line, and its lines are written whole later."""
    files = FaultyFiles()
    one = journal(files=files)
    one.append(line(0))
    files.full = files.short = True
    one.append(line(1, aa=b'"item"'))
    assert read(store).bad == 0
    assert spans(read(store)) == {0}
    files.full = False

    one.append(line(2))
    one.flush()

    found = read(store)
    assert spans(found) == {0, 1, 2}
    assert found.items == {"aa": "item"}


def test_fallback(
    store: Path,
    tmp_path: Path,
    journal: Make,
    read: Read,
    caplog: pytest.LogCaptureFixture,
    line: NewLine,
    spans: Numbers,
) -> None:
    """A store that cannot be made is one line in the log, and the fallback is a store itself."""
    (tmp_path / "file").write_text("")
    fallback = tmp_path / "state" / "fallback.duckdb"
    one = journal(tmp_path / "file" / "traces.duckdb", fallback=fallback)

    for number in range(5):
        one.append(line(number))
    one.close()
    one.append(line(5))

    assert spans(read(fallback)) == set(range(6))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "cannot be written" in message
    assert str(fallback) in message
    assert caplog.records[0].levelno == logging.WARNING


def test_fallback_note(tmp_path: Path, journal: Make, line: NewLine) -> None:
    """The fallback's folder says which store it stands in for, and since when."""
    (tmp_path / "file").write_text("")
    store, fallback = tmp_path / "file" / "traces.duckdb", tmp_path / "fallback.duckdb"

    journal(store, fallback=fallback).append(line(1))

    note = json.loads((Layout.of(fallback).root / NOTE).read_text())
    assert note["store"] == str(store)
    assert note["since_ns"] <= time.time_ns()


@pytest.mark.parametrize("made", [True, False])
def test_sealed_helper(
    store: Path,
    journal: Make,
    monkeypatch: pytest.MonkeyPatch,
    made: bool,
    line: NewLine,
    until: Until,
) -> None:
    """At each sealing somebody is asked to look after the store; in a burst not for a catalog.

    For that somebody is asked once, when the daemon wakes for the first time.
    """
    asked: list[Layout] = []
    monkeypatch.setattr(journals, "start_helper", asked.append)
    monkeypatch.setattr(journals, "SEGMENT_LIMIT", 2000)
    if made:
        store.touch()
    clock = Clock()
    one = journal(clock=clock, segment_limit=2000)
    one.append(line(1, **{"0" * 32: b'"%b"' % (b"x" * 3000)}))
    first = one.path
    one.tend()
    until(lambda: one.path != first)  # by this thread or by the daemon, which may still be at it
    until(lambda: asked)

    one.append(line(2))
    clock.now += 31
    one.tend()
    until(lambda: len(asked) >= 2)
    one.close()
    assert asked == [one.store, one.store]


def test_sealed_once(
    store: Path, journal: Make, monkeypatch: pytest.MonkeyPatch, line: NewLine
) -> None:
    """Of threads that find a segment due at the same time one seals it, and asks once."""
    asked: list[Layout] = []
    monkeypatch.setattr(journals, "start_helper", asked.append)
    store.touch()
    clock = Clock()
    one = journal(clock=clock)
    threads = [threading.Thread(target=one.tend) for _ in range(8)]
    meeting = threading.Barrier(len(threads))
    is_due = one._rotation.is_due

    def meet(segment: Segment) -> bool:
        found = is_due(segment)
        if threading.current_thread() in threads:
            meeting.wait(60)
        return found

    monkeypatch.setattr(one._rotation, "is_due", meet)
    one.append(line(1))
    daemon = one._stop()
    assert daemon is not None
    daemon.join(60)
    clock.now += 31
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert asked == [one.store]
    sizes = [one.store.segment(name).stat().st_size for name in list_segments(one.store)]
    assert [bool(size) for size in sizes] == [True, False]


def test_cut_once(store: Path, journal: Make, line: NewLine) -> None:
    """A value that a line has no room for is counted once, however often it is tried."""
    files = FaultyFiles()
    one = journal(files=files)
    one.append(line(0))
    files.full = True
    for ended in (False, True):
        long = line(1, ended=ended)
        long.fields["attributes"] = {"a": "x" * LINE_LIMIT}
        one.append(long)
    one.flush()
    files.full = False
    one.flush()

    assert losses.totals() == {Loss("duckdb", OVERSIZE, "trace_1"): 1}


def test_fallback_later(
    store: Path, tmp_path: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """A disk that stays full sends lines to the fallback, and the store is tried again later."""
    clock = Clock()
    fallback = tmp_path / "fallback.duckdb"
    full: set[int] = set()

    class PerFolder(Files):
        def create(self, path: Path) -> int:
            fd = super().create(path)
            if path.is_relative_to(store.with_name("traces.duckdb.d")):
                full.add(fd)
            return fd

        def write(self, fd: int, data: bytes) -> int:
            if fd in full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(fd, data)

    one = journal(fallback=fallback, files=PerFolder(), clock=clock)
    one.append(line(1, ended=False))
    for _ in range(6):
        clock.now += 10
        one.tend()
    assert len(read(fallback).open) == 1
    assert live_owners(Layout.of(store)) == {one.owner}

    full.clear()
    clock.now += 60
    one.append(line(2))
    one.tend()
    full.clear()
    one.append(line(3))

    in_store, in_fallback = spans(read(store)), spans(read(fallback))
    assert in_store | in_fallback == {2, 3}
    assert not in_store & in_fallback
    assert 3 in in_store


def test_dropped(store: Path, journal: Make, monkeypatch: Any, caplog: Any, line: NewLine) -> None:
    """What fits nowhere is dropped, counted by trace, and said once."""
    monkeypatch.setattr(waiting, "MEMORY_LIMIT", 10_000)
    files = FaultyFiles()
    files.full = files.short = True
    one = journal(files=files)

    for number in range(20):
        one.append(line(number))
    one.close()

    assert sum(losses.totals().values()) == 20
    assert {loss.trace_id for loss in losses.totals()} == {"trace_1"}
    assert sum("being lost" in record.getMessage() for record in caplog.records) == 1


def test_losses_recorded(store: Path, journal: Make, read: Read) -> None:
    """Counters of losses become lines, each increase once."""
    one = journal()
    losses.count("otlp", "refused", 3, trace_id="trace_1")
    one.flush()
    one.flush()
    losses.count("otlp", "refused", 2, trace_id="trace_1")
    losses.count("openai", "queue full")
    one.close()

    assert read(store).losses == {"refused": 5, "queue full": 1}


def test_deliveries_recorded(store: Path, journal: Make, read: Read) -> None:
    """Counters of deliveries become lines, each increase once, also after a disk was full."""
    files = FaultyFiles()
    files.full = files.short = True
    one = journal(files=files)
    deliveries.count("otlp", 3)
    one.close()
    assert not list_segments(Layout.of(store))
    files.full = False
    deliveries.count("otlp", 2)
    deliveries.count("otlp", 1, reason="refused")
    one.flush()
    one.flush()

    assert read(store).deliveries == {
        ("otlp", "delivered", None): 5,
        ("otlp", "failed", "refused"): 1,
    }
    assert losses.totals() == {}


def test_sync_fails(
    store: Path, journal: Make, read: Read, caplog: Any, line: NewLine, spans: Numbers
) -> None:
    """A sync that fails is one line in the log, and lines go on."""
    files = FaultyFiles()
    files.unsynced = True
    one = journal(files=files)

    for number in range(3):
        one.append(line(number))
        one.flush()

    assert spans(read(store)) == {0, 1, 2}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("sync", ["write", "batch", "off"])
def test_sync_modes(store: Path, journal: Make, until: Until, sync: str, line: NewLine) -> None:
    """Lines are synced with each append, by the daemon, or never while they are written."""
    synced: list[str] = []

    class Watched(Files):
        def sync(self, fd: int) -> None:
            synced.append(threading.current_thread().name)

    one = journal(files=Watched(), sync=sync)
    one.append(line(1))

    if sync == "write":
        assert synced == [threading.current_thread().name]
    elif sync == "batch":
        until(lambda: synced == ["flightlog-store"])
    else:
        one.tend()
        assert synced == []


@pytest.mark.parametrize("sync", ["write", "off"])
def test_nothing_to_sync(
    journal: Make, monkeypatch: pytest.MonkeyPatch, line: NewLine, sync: str
) -> None:
    """The daemon is started by the first line, and no other one wakes it if it has no syncing."""
    woken: list[int] = []

    class Watched(threading.Event):
        def set(self) -> None:
            woken.append(1)
            super().set()

    monkeypatch.setattr(threading, "Event", Watched)
    one = journal(sync=sync)
    monkeypatch.undo()
    for number in range(50):
        one.append(line(number))
        one.tend()

    assert len(woken) <= 1


def test_fallback_fails(
    store: Path, tmp_path: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """When the fallback is no better the store is tried again, before half a minute is over."""
    fallback = tmp_path / "fallback.duckdb"
    folders = [place.with_name(f"{place.name}.d") for place in (store, fallback)]
    full, of = {0}, dict[int, int]()

    class PerFolder(Files):
        def create(self, path: Path) -> int:
            fd = super().create(path)
            of[fd] = 0 if path.is_relative_to(folders[0]) else 1
            return fd

        def write(self, fd: int, data: bytes) -> int:
            if of[fd] in full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(fd, data)

    clock = Clock()
    one = journal(fallback=fallback, files=PerFolder(), clock=clock)
    one.append(line(1))
    for _ in range(6):
        clock.now += 1
        one.tend()
    assert spans(read(fallback)) == {1}

    full.symmetric_difference_update({0, 1})
    one.append(line(2))
    one.close()

    assert spans(read(store)) == {2}
    assert losses.totals() == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte where we may mount one, else a folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    yield folder
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_small_disk(
    small_disk: Path, tmp_path: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """A disk that fills up and is freed costs nothing: all is in the store or its fallback."""
    store, fallback = small_disk / "traces.duckdb", tmp_path / "fallback.duckdb"
    clock = Clock()
    one = journal(store, fallback=fallback, clock=clock)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    for number in range(400):
        one.append(line(number, **{f"{number:032x}": b'"%b"' % (b"x" * 1000)}))
    ballast.unlink()
    one.append(line(400))
    one.close()

    both = spans(read(store))
    if fallback.with_name("fallback.duckdb.d").exists():
        both |= spans(read(fallback))
    assert both == set(range(401))
    assert losses.totals() == {}
