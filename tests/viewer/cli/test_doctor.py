"""`flightlog doctor`: faults that were really made, and what it says of each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb import fallback_store
from exporters.duckdb.layout import Layout, SegmentName, list_parts, list_segments
from exporters.duckdb.upkeep.compaction import compact
from tracer.ids import RandomIds
from viewer.cli import main

HOUR_MS = 3_600_000
PROGRAM = """
from tracer import custom_span, trace

with trace("Answer ticket", group_id="ticket-7") as one:
    for number in range(3):
        with custom_span(f"step {number}"):
            pass
print(one.trace_id)
"""
RAISING = """
from tracer import TracingProcessor, add_trace_processor, custom_span, trace

class Counter(TracingProcessor):
    def on_span_start(self, span):
        pass

    def on_span_end(self, span):
        raise ValueError("no")

add_trace_processor(Counter())
with trace("Counted"), custom_span("step"):
    pass
"""
KILLED = """
import os, signal
from tracer import custom_span, trace

with trace("Cut off"), custom_span("step"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOLDING = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@dataclass
class Patient:
    """A user's home with a store in it, and the environment that is to be looked into.

    `pattern` is a store that `PROGRAM` has recorded to; a program like it need not run again.
    """

    home: Path
    pattern: Path
    extra: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    held: list[subprocess.Popen[str]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def store(self) -> Path:
        """The store's catalog file."""
        return self.home / "flightlog" / "traces.duckdb"

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout.of(self.store)

    def environ(self, **changes: str) -> dict[str, str]:
        """The environment of a process of this user."""
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TZ": "UTC"}
        return base | {"FLIGHTLOG_HOME": str(self.store.parent)} | self.extra | changes

    def record(self, program: str = PROGRAM, **changes: str) -> str:
        """Run a program that records; gives what it printed."""
        alike = program == PROGRAM and not self.extra and not changes
        if alike and self.pattern.name and not self.store.parent.exists():
            self.store.parent.mkdir()
            shutil.copytree(Layout.of(self.pattern).root, self.layout.root)
            ids: list[str] = re.findall(r"trace_[0-9a-f]{32}", self.segment().read_text())
            return ids[0]
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=self.environ(**changes),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout.strip()

    def doctor(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask the doctor."""
        return self.ask("doctor", *self.words, *words)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "viewer", *words],
            env=self.environ(),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def hold(self, program: str, *arguments: object) -> None:
        """Have another process hold something until the test ends."""
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.held.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

    def segment(self) -> Path:
        """The one segment that a program left."""
        (name,) = list_segments(self.layout)
        return self.layout.segment(name)

    def part(self) -> Path:
        """The one part, made now."""
        compact(self.store)
        (name,) = list_parts(self.layout)
        return self.layout.part(name)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a program has recorded to, as that left it; it is only copied."""
    one = Patient(tmp_path_factory.mktemp("pattern"), Path())
    one.record()
    end = time.monotonic() + 120
    while not one.store.exists():  # who makes it when a program has ended is still at it
        assert time.monotonic() < end
        time.sleep(0.05)
    return one.store


@pytest.fixture
def patient(tmp_path: Path, pattern: Path) -> Iterator[Patient]:
    """A user who has recorded nothing yet."""
    one = Patient(tmp_path / "user", pattern)
    one.home.mkdir()
    yield one
    for process in one.held:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for fd in one.descriptors:
        with contextlib.suppress(OSError):
            os.close(fd)


def disabled(patient: Patient) -> str:
    """The environment switches recording off."""
    patient.extra["FLIGHTLOG_DISABLED"] = "yes"
    patient.record()
    return "unset FLIGHTLOG_DISABLED"


def disabled_by_peer(patient: Patient) -> str:
    """The other package's variable switches it off as well."""
    patient.extra["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    patient.record()
    return "unset OPENAI_AGENTS_DISABLE_TRACING"


def other_folder(patient: Patient) -> str:
    """The program ran without the variable that names our folder."""
    elsewhere = patient.home / ".local/share/flightlog"
    patient.record(FLIGHTLOG_HOME=str(elsewhere))
    return f"flightlog demo --store {patient.store}"


def working_directory(patient: Patient) -> str:
    """The program recorded beside its working directory."""
    patient.record(FLIGHTLOG_STORE="traces.duckdb")
    return f"flightlog demo --store {patient.store}"


def trace_in_other_folder(patient: Patient) -> str:
    """This store has traces, and the one that is looked for is in another."""
    patient.record()
    elsewhere = patient.home / ".local/share/flightlog"
    patient.words.append(patient.record(FLIGHTLOG_HOME=str(elsewhere)))
    return f"flightlog show {patient.words[0]} --store {elsewhere / 'traces.duckdb'}"


def no_exporter(patient: Patient) -> str:
    """The variable names no exporter at all."""
    patient.extra["FLIGHTLOG_EXPORTERS"] = ""
    patient.record()
    return "FLIGHTLOG_EXPORTERS=duckdb"


def unknown_exporter(patient: Patient) -> str:
    """The variable names what is not installed."""
    patient.extra["FLIGHTLOG_EXPORTERS"] = "duckdb,ducdb"
    patient.record()
    return "Correct the name"


def wrong_setting(patient: Patient) -> str:
    """A variable cannot be followed."""
    patient.extra["FLIGHTLOG_SYNC"] = "often"
    patient.record()
    return "Set it to one of them"


def raising_processor(patient: Patient) -> str:
    """A processor of the program raises."""
    patient.record(RAISING)
    return "Mend it: the program's log has its traceback"


def fallback(patient: Patient) -> str:
    """The store could not be written while the program ran."""
    patient.store.parent.mkdir()
    patient.layout.root.write_text("in the way")
    patient.record()
    patient.layout.root.unlink()
    state = patient.home / ".local/state/flightlog"
    return f"flightlog list --store {fallback_store(state, patient.store)}"


def path_is_folder(patient: Patient) -> str:
    """The variable names a folder."""
    patient.extra["FLIGHTLOG_STORE"] = str(patient.home)
    return f"Name '{patient.home / 'traces.duckdb'}' instead"


def root_is_file(patient: Patient) -> str:
    """A file has the name of the folder with the data."""
    patient.record()
    patient.part()  # which makes the catalog file too
    shutil.rmtree(patient.layout.root)
    patient.layout.root.write_text("mine")
    return "Move the file away"


def newer(patient: Patient) -> str:
    """A newer version made the store."""
    patient.record()
    patient.layout.format_file.write_text('{"format": 99, "schema": 99, "store_id": "x"}')
    return "pip install --upgrade flightlog"


def garbage_format(patient: Patient) -> str:
    """FORMAT holds something else."""
    patient.record()
    patient.layout.format_file.write_bytes(b"\0" * 64)
    return "Restore"


def lost_format(patient: Patient) -> str:
    """FORMAT was deleted."""
    patient.record()
    patient.layout.format_file.unlink()
    return "written anew by recording once"


def moved_alone(patient: Patient) -> str:
    """The catalog file was moved without its folder."""
    patient.record()
    patient.part()
    copied = patient.home / "copied.duckdb"
    shutil.copy(patient.store, copied)
    patient.extra["FLIGHTLOG_STORE"] = str(copied)
    return "'copied.duckdb.d'"


def garbage_catalog(patient: Patient) -> str:
    """The catalog file held something else; whoever reads first puts it aside."""
    patient.record()
    patient.part()
    patient.store.write_bytes(b"garbage " * 1000)
    return "delete what is in that folder"


def damaged_segment(patient: Patient) -> str:
    """A byte of a segment was flipped."""
    patient.record()
    data = bytearray(patient.segment().read_bytes())
    data[len(data) // 2] ^= 0x10
    patient.segment().write_bytes(data)
    return "flightlog doctor --repair"


def set_aside(patient: Patient) -> str:
    """What was damaged was set aside, and counted."""
    damaged_segment(patient)
    compact(patient.store)
    return f"rm -r {patient.layout.quarantine}/*"


def folder_for_segment(patient: Patient) -> str:
    """A folder has the name of a segment."""
    patient.record()
    (patient.layout.hot / SegmentName(1_700_000_000_000, "host", 1, "abcd").filename).mkdir()
    return "flightlog doctor --repair"


def stuck(patient: Patient) -> str:
    """Somebody holds the lock of compaction and does nothing."""
    patient.record()
    age(patient)
    fd = os.open(patient.layout.lock, os.O_RDWR)
    patient.descriptors.append(fd)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return f"kill {os.getpid()}"


def piled_up(patient: Patient) -> str:
    """Hundreds of segments wait since an hour, and nobody compacts."""
    patient.record()
    age(patient)
    (name,) = list_segments(patient.layout)
    for number in range(1, 210):
        shutil.copy(
            patient.layout.segment(name),
            patient.layout.segment(name._replace(ms=name.ms + number)),
        )
    return "flightlog doctor --repair"


def future(patient: Patient) -> str:
    """A segment is dated in the future."""
    patient.record()
    (name,) = list_segments(patient.layout)
    later = name._replace(ms=name.ms + 48 * HOUR_MS)
    patient.segment().rename(patient.layout.segment(later))
    return "timedatectl set-ntp true"


def set_back(patient: Patient) -> str:
    """A segment was last written long before it was begun."""
    patient.record()
    then = time.time() - 7200
    os.utime(patient.segment(), (then, then))
    return "timedatectl set-ntp true"


def too_old(patient: Patient) -> str:
    """The trace was deleted because of its age."""
    patient.record()
    patient.extra["FLIGHTLOG_MAX_AGE"] = "30d"
    old_ms = int(time.time() * 1000) - 40 * 24 * HOUR_MS
    patient.words.append(f"trace_{old_ms:012x}{'ab' * 10}")
    return "FLIGHTLOG_MAX_AGE higher"


def bad_prices(patient: Patient) -> str:
    """The file of prices is none."""
    patient.record()
    path = patient.home / "prices.csv"
    path.write_text("model;input;output\n")
    patient.extra["FLIGHTLOG_PRICES"] = str(path)
    return "Correct that line"


def unknown_trace(patient: Patient) -> str:
    """The trace was never recorded here."""
    patient.record()
    patient.words.append(RandomIds().trace_id())
    return "Run `flightlog version`"


def never_recorded(patient: Patient) -> str:
    """Nothing was ever recorded."""
    return "flightlog demo"


def over_limit(patient: Patient) -> str:
    """The store is larger than it may be."""
    patient.record()
    patient.extra["FLIGHTLOG_MAX_DISK"] = "1kB"
    return "flightlog purge"


SEEDED: dict[Callable[[Patient], str], str] = {
    disabled: "disabled",
    disabled_by_peer: "disabled",
    other_folder: "nothing",
    working_directory: "nothing",
    trace_in_other_folder: "elsewhere",
    no_exporter: "exporter-missing",
    unknown_exporter: "exporter-unknown",
    wrong_setting: "setting",
    raising_processor: "lost",
    fallback: "fallback",
    path_is_folder: "path",
    root_is_file: "path",
    newer: "newer",
    garbage_format: "format",
    lost_format: "format",
    moved_alone: "moved",
    garbage_catalog: "quarantine",
    damaged_segment: "damage",
    set_aside: "quarantine",
    folder_for_segment: "damage",
    stuck: "compaction-stuck",
    piled_up: "not-compacted",
    future: "clock",
    set_back: "clock-jumped",
    too_old: "not-found",
    bad_prices: "prices",
    unknown_trace: "not-found",
    never_recorded: "nothing",
    over_limit: "over-limit",
}


def age(patient: Patient) -> None:
    """Make it an hour ago that the store was recorded to and compacted."""
    (name,) = list_segments(patient.layout)
    patient.segment().rename(patient.layout.segment(name._replace(ms=name.ms - HOUR_MS)))
    then = time.time() - 3600
    for path in (patient.layout.lock, patient.layout.tmp, patient.segment()):
        os.utime(path, (then, then))


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The findings of an answer in JSON."""
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    trouble = [one for one in answer["findings"] if one["level"] == "trouble"]
    assert done.returncode == bool(trouble)
    assert answer["well"] is not bool(trouble)
    assert all(one["seen"] and one["means"] and one["step"] for one in answer["findings"])
    return trouble


@pytest.mark.parametrize(("seed", "code"), SEEDED.items(), ids=[seed.__name__ for seed in SEEDED])
def test_seeded(
    patient: Patient,
    seed: Callable[[Patient], str],
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fault is named, alone, with the value seen, what it means and the next step."""
    step = seed(patient)
    environ = patient.environ()
    for name in {*os.environ} - {*environ}:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(patient.home)

    words = ["doctor", "--json", *patient.words]
    done = subprocess.CompletedProcess(words, main(words), *capsys.readouterr())
    findings = told(done)

    assert [one["code"] for one in findings] == [code]
    assert step in findings[0]["step"]


def test_healthy(patient: Patient) -> None:
    """A store where nothing is wrong gives no finding, before compaction and after it."""
    trace_id = patient.record()
    for _ in range(2):
        done = patient.doctor()
        assert (done.returncode, done.stderr) == (0, "")
        assert "✔ All is well." in done.stdout
        assert "next" not in done.stdout
        assert "1 trace, 3 spans" in done.stdout
        assert told(patient.doctor("--json", "--thorough", trace_id)) == []
        patient.part()


def test_trace_is_here(patient: Patient) -> None:
    """Of a trace that is there it says so, whatever part of its id is given."""
    trace_id = patient.record()

    for word in (trace_id.removeprefix("trace_")[:-4], trace_id[-8:], "last"):
        done = patient.doctor(word)
        assert done.returncode == 0
        assert f"{trace_id} is here: ok" in done.stdout


def test_span_is_here(patient: Patient) -> None:
    """Of a span's id it says which trace it is of, wherever that is; and that this one is here."""
    trace_id = patient.record()
    (span_id, *_) = re.findall(r"span_[0-9a-f]{24}", patient.segment().read_text())

    done = patient.doctor(span_id)

    assert done.returncode == 0
    assert f"{span_id} is one of the trace below" in done.stdout
    assert f"{trace_id} is here: ok" in done.stdout

    patient.extra["FLIGHTLOG_STORE"] = str(patient.home / "empty.duckdb")
    (finding,) = told(patient.doctor("--json", span_id))
    assert (finding["code"], finding["title"]) == ("elsewhere", "The trace is in another store")
    assert str(patient.store) in finding["step"]


def test_cut_off(patient: Patient) -> None:
    """Of a trace whose program was killed it says so, with the process; lists and trees do too."""
    program = subprocess.run(
        [sys.executable, "-c", KILLED], env=patient.environ(), cwd=patient.home, check=False
    )
    assert program.returncode == -signal.SIGKILL

    done = patient.doctor("last")

    assert done.returncode == 0
    assert "· The trace was interrupted" in done.stdout
    shown = patient.ask("show", "last").stdout
    assert "‼ interrupted" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("  interrupted: process ")]
    assert line.endswith("ended without ending it")
    (row,) = json.loads(patient.ask("list", "--json").stdout)
    assert str(row["last_sign"]["pid"]) in line
    assert row["last_sign"]["at_us"] >= row["start_us"]


def test_text(patient: Patient) -> None:
    """The answer has the value seen, what it means and the next step, each on a line."""
    disabled(patient)

    lines = patient.doctor().stdout.splitlines()

    assert lines[0] == f"Store   {patient.store}"
    assert "✖ Recording is switched off" in lines
    assert any(line.split()[:1] == ["seen"] and "'yes'" in line for line in lines)
    assert any(line.split()[:1] == ["means"] for line in lines)
    assert any(line.split()[:1] == ["next"] for line in lines)
    assert any(line.endswith("unset FLIGHTLOG_DISABLED") for line in lines)


def test_catalog_held(patient: Patient) -> None:
    """That another tool has the catalog open is a note, with its process, and no trouble."""
    patient.record()
    patient.part()
    patient.hold(HOLDING, patient.store)

    done = patient.doctor()

    assert done.returncode == 0
    assert f"Process {patient.held[0].pid}" in done.stdout
    assert "-readonly" in done.stdout


def test_repair(patient: Patient) -> None:
    """--repair sets aside what is damaged and makes a catalog that is missing."""
    damaged_segment(patient)
    patient.store.unlink(missing_ok=True)

    done = patient.doctor("--repair")

    assert patient.store.exists()
    assert "set aside" in done.stderr
    assert "in quarantine" not in done.stderr
    assert "Something was damaged and set aside" in done.stdout


def test_repair_column(patient: Patient) -> None:
    """What no reading has met yet is mended on demand, with all that can be read of it."""
    patient.record()
    part = patient.part()
    patient.segment().unlink()
    found = (
        duckdb.connect()
        .execute(
            "select coalesce(dictionary_page_offset, data_page_offset) from parquet_metadata(?) "
            "where path_in_schema = 'attributes, key_value, key'",
            [str(part / "data.parquet")],
        )
        .fetchone()
    )
    assert found is not None
    with (part / "data.parquet").open("r+b") as file:
        file.seek(found[0])
        file.write(b"\xff" * 8)

    done = patient.doctor("--repair")

    assert f"Set aside {part.name}, which was damaged." in done.stdout + done.stderr
    assert "4 of 4 rows were saved" in " ".join(done.stdout.split())
    assert "1 trace, 3 spans" in done.stdout


def test_unlistable(patient: Patient) -> None:
    """Folders that cannot even be listed make no fault of the doctor's."""
    patient.record()
    for folder in (patient.layout.hot, patient.layout.parts, patient.layout.tmp):
        shutil.rmtree(folder)
        folder.write_text("a file")

    findings = told(patient.doctor("--json"))

    assert findings
