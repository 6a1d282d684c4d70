"""A segment: locked before it is seen, whole lines or none, whatever fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout, SegmentName, create, is_locked
from exporters.duckdb.recording.segment import Files, Segment

_NAME = SegmentName(1_700_000_000_000, "vm", 7, "beef")


class FaultyFiles(Files):
    """Files whose writes are cut short or refused when told so."""

    def __init__(self) -> None:
        self.cut: int | None = None
        self.refuse: int | None = None
        self.stuck = False

    def write(self, fd: int, data: bytes) -> int:
        if self.refuse is not None:
            raise OSError(self.refuse, os.strerror(self.refuse))
        return super().write(fd, data if self.cut is None else data[: self.cut])

    def truncate(self, fd: int, size: int) -> None:
        if self.stuck:
            raise OSError(errno.EIO, "stuck")
        super().truncate(fd, size)


@pytest.fixture
def layout(store: Path) -> Layout:
    """A store that is there."""
    create(Layout.of(store))
    return Layout.of(store)


def test_append(layout: Layout) -> None:
    """Lines are in the file when append returns."""
    segment = Segment(layout, _NAME)

    segment.append(b"a\n")
    segment.append(b"b\n")

    assert segment.path.read_bytes() == b"a\nb\n"
    assert is_locked(segment.path)
    segment.release()
    assert not is_locked(segment.path)


def test_name_taken(layout: Layout) -> None:
    """A draft that somebody else is making is not written to."""
    (layout.hot / f"{_NAME.filename}.tmp").write_text("")

    with pytest.raises(FileExistsError):
        Segment(layout, _NAME)


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_short_write(layout: Layout, cut: int) -> None:
    """A write that is cut short leaves the file as it was."""
    files = FaultyFiles()
    segment = Segment(layout, _NAME, files)
    segment.append(b"good\n")

    files.cut = cut
    with pytest.raises(OSError, match="cut short"):
        segment.append(b"lost\n")
    files.cut = None
    segment.append(b"more\n")

    assert segment.path.read_bytes() == b"good\nmore\n"
    segment.release()


def test_broken(layout: Layout) -> None:
    """A segment that cannot be cut back is written to no more."""
    files = FaultyFiles()
    segment = Segment(layout, _NAME, files)
    files.cut, files.stuck = 2, True

    with pytest.raises(OSError, match="cut short"):
        segment.append(b"lost\n")
    files.cut, files.stuck = None, False

    assert segment.broken
    with pytest.raises(OSError, match="given up"):
        segment.append(b"more\n")
    segment.release()


@pytest.mark.parametrize("before", [True, False])
def test_interrupted(layout: Layout, before: bool) -> None:
    """What a signal's handler raises passes, and the size says whether the lines are there."""

    class Interrupted(Files):
        def write(self, fd: int, data: bytes) -> int:
            if not before:
                super().write(fd, data)
            raise KeyboardInterrupt

    segment = Segment(layout, _NAME, Interrupted())

    with pytest.raises(KeyboardInterrupt):
        segment.append(b"line\n")

    assert segment.size == segment.path.stat().st_size == (0 if before else 5)
    segment.release()


def test_empty(layout: Layout) -> None:
    """An empty segment leaves nothing behind, one with lines stays."""
    segment = Segment(layout, _NAME)
    full = Segment(layout, _NAME._replace(pid=8))
    full.append(b"x\n")

    assert segment.discard_if_empty()
    assert not full.discard_if_empty()
    assert not segment.path.exists()
    assert segment.gone
    segment.release()
    full.release()


def test_forked_child(layout: Layout, until: Callable[[Callable[[], object]], object]) -> None:
    """A child that closes its copy leaves the parent's lock alone."""
    segment = Segment(layout, _NAME)
    pid = os.fork()
    if pid == 0:
        segment.release()
        os._exit(0)
    os.waitpid(pid, 0)

    assert is_locked(segment.path)
    segment.release()


@pytest.mark.parametrize("other", [os.devnull, "file", "pipe", None])
def test_foreign_descriptor(layout: Layout, tmp_path: Path, other: str | None) -> None:
    """A descriptor that a program closed, or put something else under, is never written to."""
    segment = Segment(layout, _NAME)
    segment.append(b"good\n")
    assert segment.takes_more()
    numbers = [int(entry) for entry in os.listdir("/proc/self/fd")]
    (ours,) = [number for number in numbers if _is_open(number, segment.path)]
    (tmp_path / "file").write_bytes(b"theirs and longer\n")

    if other is None:
        os.close(ours)
    elif other == "pipe":
        reading, writing = os.pipe()
        os.dup2(writing, ours)
        os.close(reading)
        os.close(writing)
    else:
        opened = os.open(tmp_path / other, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, ours)
        os.close(opened)

    assert not segment.takes_more()
    assert segment.broken
    segment.release()
    if other is not None:
        os.close(ours)  # it was left alone


def _is_open(number: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except OSError:  # the one that listed the descriptors
        return False
