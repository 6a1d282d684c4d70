"""Disks, users and stores in trouble, made with what the system has."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporters import open_store
from exporters.duckdb.layout import Layout, list_parts, list_segments
from exporters.duckdb.upkeep.compaction import compact
from exporters.store import TraceQuery

NOBODY = 65_534
DEADLINE = 120.0

# Root without the powers over files that make it root: permissions count as for any user. Another
# user may not be allowed to read the place where Python has been installed.
POWERLESS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
PREFACE = """
import os, resource, signal, sys, time
import duckdb, pytz
import exporters.duckdb, exporters.query, runtime
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.recorder import Recorder
from exporters.duckdb.recording.segment import Files
from tracer import custom_span, generation_span, set_trace_processors, trace
from viewer.cli import main
"""
BASE = """
from exporters.duckdb.upkeep.compaction import compact
store, = sys.argv[1:]

def record(name, last=False):
    journal = Journal(store, fallback=None)
    set_trace_processors([Recorder(journal)])
    with trace(name) as one:
        with generation_span(input=[{"role": "user", "content": f"{name}?"}],
                             output=[{"role": "assistant", "content": "yes"}], model="m"):
            pass
        for number in range(3):
            with custom_span(f"{name} {number}"):
                pass
        with custom_span("large", {"text": name * 20000}):
            pass
        if last:
            custom_span("unfinished").start()
    journal.close()

def settle():
    for _ in range(3):
        compact(store, grace_s=-10)  # before they are active, too

record("first")
settle()
record("second", last=True)
settle()
record("third")
os._exit(0)
"""


@dataclass
class Ground:
    """A folder that every user of the machine can reach, with disks mounted in it."""

    path: Path
    mounted: list[Path] = field(default_factory=list)

    def disk(self, size: int) -> Path | None:
        """A disk of some bytes; None where this user may not mount one."""
        place = self.path / f"disk{len(self.mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return None
        self.mounted.append(place)
        return place

    def freeze(self, place: Path) -> None:
        """Make a disk read-only, as soon as nobody writes there any more."""
        deadline = time.monotonic() + 60
        while subprocess.run(
            ["mount", "-o", "remount,ro", str(place)], capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < deadline, f"{place} stays in use"
            time.sleep(0.05)


@pytest.fixture
def ground() -> Iterator[Ground]:
    """The folder; disks are unmounted afterwards."""
    path = Path(tempfile.mkdtemp(prefix="flightlog-faults-"))
    path.chmod(0o777)
    one = Ground(path)
    yield one
    for place in one.mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
    for folder, names, _ in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(path)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(ground: Ground) -> Run:
    """Runs a program of the preface and a text, to its end; powerless, permissions count."""
    home = ground.path / "home"
    home.mkdir()

    def start(
        program: str, *arguments: object, powerless: bool = False, **changes: object
    ) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
        environ |= {key: str(value) for key, value in changes.items()}
        before = POWERLESS if powerless and os.geteuid() == 0 else []
        return subprocess.run(
            [*before, sys.executable, "-c", PREFACE + program, *map(str, arguments)],
            env=environ,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    return start


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition, for a minute at most."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def made_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store: "first" is in one part, "second" in another, "third" in a segment."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.run(
        [sys.executable, "-c", PREFACE + BASE, str(folder / "traces.duckdb")],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        check=True,
        timeout=DEADLINE,
    )
    layout = Layout.of(folder / "traces.duckdb")
    assert len(list_parts(layout)) == 2
    assert len(list_segments(layout)) == 1
    return folder


@dataclass
class Base:
    """A copy of that store, to be damaged."""

    store: Path

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout.of(self.store)

    @property
    def part(self) -> Path:
        """The part that holds "first" and nothing else."""
        return self.layout.part(list_parts(self.layout)[0])

    @property
    def other_part(self) -> Path:
        """The part that holds "second", one span of which is open."""
        return self.layout.part(list_parts(self.layout)[1])

    @property
    def segment(self) -> Path:
        """The segment that holds "third" and nothing else."""
        return self.layout.segment(list_segments(self.layout)[0])

    def spans(self) -> dict[str, int]:
        """How many spans each trace has, as lists and timelines show them."""
        with contextlib.closing(open_store(self.store)) as opened:
            page = opened.search(TraceQuery())
            return {row.name: len(opened.spans(row.trace_id)) for row in page.traces}

    def asked(self) -> dict[str, int]:
        """The same, asked in SQL."""
        with contextlib.closing(open_store(self.store)) as opened:
            rows = opened.sql("select trace_name, count(*) from spans group by 1").rows
            return dict(rows)

    def losses(self) -> dict[str, int]:
        """What is counted as lost, by reason."""
        with contextlib.closing(open_store(self.store)) as opened:
            rows = opened.sql("select reason, sum(items)::int from losses group by 1").rows
            return dict(rows)

    def quarantined(self) -> list[str]:
        """Names of what was set aside."""
        return sorted(entry.name for entry in self.layout.quarantine.iterdir())

    def compact(self) -> None:
        """Compact, as the viewer does."""
        compact(self.store)


@pytest.fixture
def base(made_base: Path, tmp_path: Path) -> Base:
    """A store to damage; "first" and "second" have been compacted and collected."""
    shutil.copytree(made_base, tmp_path / "store")
    one = Base(tmp_path / "store" / "traces.duckdb")
    one.store.unlink(missing_ok=True)  # its views look where it was made
    return one


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Warnings and errors logged so far."""
    caplog.set_level(logging.WARNING)
    return lambda: [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
