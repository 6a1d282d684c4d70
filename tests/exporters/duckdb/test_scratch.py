"""A folder for what does not fit into memory goes with those who use it, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.duckdb import scratch
from exporters.duckdb.scratch import Scratch, hold

PROGRAM = """
import time
from exporters.duckdb.scratch import Scratch
folder = Scratch()
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for temporary files of this test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def another() -> Iterator[subprocess.Popen[str]]:
    """A process that has made a folder and holds it."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def path_of(process: subprocess.Popen[str]) -> Path:
    """The folder that a process tells of."""
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_closed(place: Path) -> None:
    """It is there for its user alone until it is closed."""
    folder = Scratch()
    (folder.path / "x").write_text("x")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.close()
    folder.close()

    assert list(place.iterdir()) == []


def test_killed(another: subprocess.Popen[str], place: Path) -> None:
    """What the dead left is removed by who makes the next; what is in use stays."""
    left = path_of(another)
    mine = Scratch()
    assert left.exists()
    another.send_signal(signal.SIGKILL)
    another.wait()

    Scratch().close()

    assert not left.exists()
    assert mine.path.exists()
    mine.close()
    assert list(place.iterdir()) == []


def test_two_users(another: subprocess.Popen[str]) -> None:
    """It stays as long as any of its users lives."""
    left = path_of(another)
    lock = hold(left)
    another.send_signal(signal.SIGKILL)
    another.wait()

    Scratch().close()
    assert left.exists()
    os.close(lock)
    Scratch().close()
    assert not left.exists()


def test_forked(place: Path) -> None:
    """A forked child lets go of it, and it stays the parent's."""
    mine = Scratch()
    forked = os.fork()
    if not forked:
        mine.leave()
        os._exit(0)
    os.waitpid(forked, 0)

    Scratch().close()
    assert mine.path.exists()
    mine.close()


def test_not_ours(place: Path) -> None:
    """A folder that is being made, and what is no folder of ours, are left alone."""
    young, file = place / "flightlog-scratch-young", place / "flightlog-scratch-file"
    young.mkdir()
    file.write_text("x")
    os.utime(file, (0, 0))

    Scratch().close()
    assert (young.exists(), file.exists()) == (True, True)
    os.utime(young, (0, 0))
    Scratch().close()
    assert (young.exists(), file.exists()) == (False, True)


def test_no_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder can be made there is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(place / "none"))

    assert scratch.made() is None
