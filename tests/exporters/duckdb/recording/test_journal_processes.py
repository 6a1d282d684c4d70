"""The journal and its process: signals, forks, limits, sudden death."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import Layout, is_locked, list_segments, live_owners
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.recording.segment import Files
from tracer.losses import losses

Make = Callable[..., Journal]
Read = Callable[[Path], Any]
NewLine = Callable[..., Line]
Numbers = Callable[[Any], set[int]]


def test_signal_handler(
    store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """A signal's handler may record while its thread is in the middle of an append."""
    inside = iter((True,))

    class Signalled(Files):
        def write(self, fd: int, data: bytes) -> int:
            if next(inside, False):
                signal.raise_signal(signal.SIGUSR1)
            return super().write(fd, data)

    one = journal(files=Signalled())
    before = signal.signal(signal.SIGUSR1, lambda *_: one.append(line(2)))
    try:
        one.append(line(1))
    finally:
        signal.signal(signal.SIGUSR1, before)
    one.flush()

    assert spans(read(store)) == {1, 2}


def test_interrupted(store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers) -> None:
    """Ctrl-C in the middle of an append reaches the program, and the line is not lost."""
    inside = iter((True,))

    class Interrupted(Files):
        def write(self, fd: int, data: bytes) -> int:
            if next(inside, False):
                raise KeyboardInterrupt
            return super().write(fd, data)

    one = journal(files=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        one.append(line(1))
    one.flush()

    assert spans(read(store)) == {1}


def test_fork(store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers) -> None:
    """A forked child writes a segment of its own, and the parent's stays the parent's."""
    one = journal()
    one.append(line(1))
    parent = one.path
    assert parent is not None
    pids = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            for number in range(50):
                one.append(line(100 * (child + 1) + number))
            os._exit(0 if one.path != parent else 1)
        pids.append(pid)
    one.append(line(2))

    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0, 0]
    assert is_locked(parent)
    assert parent.read_bytes().count(b"\n") == 2
    expected = {1, 2} | {100 * (child + 1) + number for child in range(4) for number in range(50)}
    assert spans(read(store)) == expected
    assert len({name.owner for name in list_segments(Layout.of(store))}) == 5


def test_losses_after_fork(store: Path, journal: Make, read: Read) -> None:
    """Parent and child each record the losses that they counted themselves."""
    one = journal()
    losses.count("otlp", "before", 3)
    pid = os.fork()
    if pid == 0:
        losses.count("otlp", "child", 2)
        losses.count("otlp", "before", 1)
        one.close()
        os._exit(0)
    os.waitpid(pid, 0)
    one.close()

    assert read(store).losses == {"before": 4, "child": 2}


def test_fork_in_traffic(
    store: Path, journal: Make, read: Read, line: NewLine, spans: Numbers
) -> None:
    """Forking while other threads record neither hangs the child nor writes a line twice."""
    one = journal()
    stop = threading.Event()
    written = [0]

    def work() -> None:
        while not stop.is_set():
            one.append(line(written[0]))
            written[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for child in range(10):
            pid = os.fork()
            if pid == 0:
                one.append(line(1_000_000 + child))
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        thread.join()

    found = read(store)
    expected = {1_000_000 + child for child in range(10)} | set(range(written[0]))
    assert spans(found) == expected
    assert found.bad == 0


_KILLED = """
import sys, threading
from pathlib import Path
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
journal = Journal(Path(sys.argv[1]), fallback=None)
number = 0
while True:
    number += 1
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": sys.argv[2], "span_id": f"span_{number}",
              "name": "s", "start_ns": 1, "end_ns": 2}
    journal.append(Line(fields, {"aa": b'"x"'}))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    if number % 100 == 0:
        journal.seal()
"""


def test_killed(store: Path, read: Read, python: Callable[..., subprocess.Popen[str]]) -> None:
    """What was acknowledged is there after kill -9, and nothing twice."""
    processes = [python(_KILLED, store, f"trace_{number}") for number in range(3)]
    acknowledged = {}
    for number, process in enumerate(processes):
        assert process.stdout is not None
        for _ in range(150 + number * 60):
            process.stdout.readline()
        process.kill()
        acknowledged[f"trace_{number}"] = int(("0\n" + process.stdout.read()).split()[-1]) or (
            150 + number * 60
        )

    found = read(store)
    assert set(found.ended.values()) == {1}
    for trace_id, last in acknowledged.items():
        held = {int(key[2].split("_")[1]) for key in found.ended if key[1] == trace_id}
        assert held >= set(range(1, last + 1))
    assert live_owners(Layout.of(store)) == frozenset()


_KILLED_AT = """
import os, signal, sys
from pathlib import Path
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.recording.places import NOTE
from exporters.duckdb.schema import LINE_LIMIT
from exporters.duckdb.recording.segment import Files
class Killing(Files):
    calls = 0
    def die(self, call):
        if call == sys.argv[2]:
            self.calls += 1
            if self.calls == 2:
                os.kill(os.getpid(), signal.SIGKILL)
    def create(self, path):
        fd = super().create(path)
        self.die("created")
        return fd
    def write(self, fd, data):
        self.die("before write")
        written = super().write(fd, data)
        self.die("after write")
        return written
journal = Journal(Path(sys.argv[1]), fallback=None, files=Killing())
for number in range(3):
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": f"span_{number}",
              "name": "s", "start_ns": 1, "end_ns": 2}
    journal.append(Line(fields, {}))
    print(number, flush=True)
    journal.seal()
"""


@pytest.mark.parametrize("step", ["created", "before write", "after write"])
def test_killed_at(
    store: Path, read: Read, python: Callable[..., subprocess.Popen[str]], step: str, spans: Numbers
) -> None:
    """A writer that is killed at a step leaves what it acknowledged, and nobody who lives."""
    process = python(_KILLED_AT, store, step)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors

    found = read(store)
    assert spans(found) >= {int(number) for number in output.split()}
    assert found.bad == 0
    assert live_owners(Layout.of(store)) == frozenset()


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
journal = Journal(Path(sys.argv[1]), fallback=None)
for number in range(40):
    fields = {"k": "span", "v": 1, "rev": 1, "trace_id": "t", "span_id": f"span_{number}",
              "name": "x" * 300, "start_ns": 1, "end_ns": 2}
    journal.append(Line(fields, {}))
    if number == 30:
        fields = {**fields, "span_id": "too large", "name": "x" * 6000}
        journal.append(Line(fields, {}))
journal.close()
"""


def test_file_size_limit(
    store: Path, read: Read, python: Callable[..., subprocess.Popen[str]], spans: Numbers
) -> None:
    """At the real limit of a file's size the next file goes on; what none can hold is counted."""
    process = python(_LIMITED, store)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 0
    assert errors.count("limits how large a file") == 1
    found = read(store)
    assert found.bad == 0
    assert spans(found) == set(range(40))
    assert found.losses == {"larger than a file may be": 1}


def test_spawn(store: Path, read: Read, python: Callable[..., subprocess.Popen[str]]) -> None:
    """A spawned process has an owner of its own, and its lock ends with it."""
    program = (
        "import multiprocessing, sys\n"
        "from exporters.duckdb import recorder\n"
        "from tracer import set_trace_processors, trace\n"
        "def work(path, name):\n"
        "    set_trace_processors([recorder(path)])\n"
        "    with trace(name): pass\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[2])\n"
        "    work(sys.argv[1], 'parent')\n"
        "    child = context.Process(target=work, args=(sys.argv[1], 'child'))\n"
        "    child.start(); child.join(); sys.exit(child.exitcode)\n"
    )
    script = store.with_name("program.py")
    script.write_text(program)
    run = "import runpy, sys; sys.argv[1:1] = []; runpy.run_path(sys.argv[3], run_name='__main__')"
    for method in ("fork", "spawn"):
        process = python(run, store, method, script)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors

    assert len({name.owner for name in list_segments(Layout.of(store))}) == 4
    assert len(read(store).ended) == 4


_LONG = """
import sys, time
from exporters.duckdb import recorder
from tracer import custom_span, set_trace_processors, trace
set_trace_processors([recorder(sys.argv[1])])
with trace("Job"):
    print("begun", flush=True)
    while True:
        with custom_span("step"): pass
        time.sleep(0.01)
"""


def test_catalog_at_once(
    store: Path, until: Callable[..., Any], python: Callable[..., subprocess.Popen[str]]
) -> None:
    """A new store can be opened by its path while the program that made it still records."""
    process = python(_LONG, store)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"

    until(store.exists)
    with duckdb.connect(str(store), read_only=True) as database:
        (count,) = database.execute("select count(*) from spans").fetchall()
    assert process.poll() is None
    assert len(list_segments(Layout.of(store))) == 1  # nothing was sealed for it
    assert count[0] > 0
