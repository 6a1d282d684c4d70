"""Being alone: one at a time holds a store's lock, also where files cannot be locked."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.layout import Layout, create, host_name
from exporters.duckdb.upkeep.alone import STALE_SECONDS, alone, mark_file, renew


@pytest.fixture
def layout(store: Path) -> Layout:
    """An empty store."""
    create(Layout.of(store))
    return Layout.of(store)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot lock."""

    def refuse(fd: Any, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def mark(layout: Layout, *, host: str = "", pid: int = 0, age: float = 0.0) -> None:
    """Somebody's mark."""
    said = {"host": host or host_name(), "pid": pid or os.getpid(), "at": 0, "by": "test"}
    mark_file(layout).write_text(json.dumps(said))
    then = mark_file(layout).stat().st_mtime - age
    os.utime(mark_file(layout), (then, then))


def test_lock(layout: Layout) -> None:
    """Who comes second finds the lock held, and does not wait; afterwards it is free."""
    with alone(layout) as first, alone(layout) as second:
        assert (first, second) == (True, False)
    with alone(layout) as third:
        assert third
    assert not mark_file(layout).exists()


@pytest.mark.usefixtures("no_locks")
def test_mark(layout: Layout) -> None:
    """Without locks a file that one can make stands for it, and goes at the end."""
    with alone(layout) as first, alone(layout) as second:
        assert (first, second) == (True, False)
    with alone(layout) as third:
        assert third
    assert not mark_file(layout).exists()


@pytest.mark.usefixtures("no_locks")
def test_stale(layout: Layout) -> None:
    """The mark of a process that is gone, or of one that has not renewed it, is taken over."""
    for wanted, how in (
        (True, {"pid": 2**22 + 1}),
        (True, {"host": "elsewhere", "age": STALE_SECONDS + 1}),
        (True, {"age": STALE_SECONDS + 1}),
        (False, {"host": "elsewhere"}),
        (False, {}),
    ):
        mark(layout, **how)  # type: ignore[arg-type]
        with alone(layout) as ours:
            assert ours == wanted
        mark_file(layout).unlink(missing_ok=True)


@pytest.mark.usefixtures("no_locks")
def test_renewed(layout: Layout) -> None:
    """Who is at it for long renews the mark."""
    mark(layout, host="elsewhere", age=STALE_SECONDS + 1)
    renew(layout)
    with alone(layout) as ours:
        assert not ours


@pytest.mark.usefixtures("no_locks")
def test_garbage(layout: Layout) -> None:
    """A mark that says nothing counts until it is old."""
    mark_file(layout).write_text("garbage")
    with alone(layout) as ours:
        assert not ours
    os.utime(mark_file(layout), (0, 0))
    with alone(layout) as ours:
        assert ours
