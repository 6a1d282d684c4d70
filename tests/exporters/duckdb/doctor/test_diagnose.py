"""The diagnosis: what is said of facts. Faults that were really made are with the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.doctor import Facts, Finding, diagnose
from exporters.duckdb.doctor.facts import (
    Backlog,
    Catalog,
    Clock,
    Content,
    Damage,
    Denied,
    Disk,
    Folder,
    Holder,
    Lost,
    Place,
    Settings,
    Undelivered,
    Wanted,
)
from exporters.store import LastSign

NOW = 1_763_700_000_000_000_000
DAY = 86_400_000_000_000
STORE = Path("/data/traces.duckdb")
ROOT = Path("/data/traces.duckdb.d")
WELL = Facts(
    store=STORE, now_ns=NOW, content=Content(traces=3, spans=9, newest_ns=NOW), folder=Folder()
)


def found(**changes: Any) -> list[Finding]:
    """What is said of a store that is well but for these facts."""
    findings = diagnose(replace(WELL, **changes))
    for one in findings:
        assert one.seen.endswith("."), one
        assert one.means.endswith("."), one
        assert one.title
        assert one.step
        assert "None" not in one.seen + one.step
    return findings


def one(**changes: Any) -> Finding:
    """The one thing that is said."""
    (finding,) = found(**changes)
    return finding


def in_folder(**changes: Any) -> dict[str, Any]:
    """Facts about the folder."""
    return {"folder": replace(WELL.folder, **changes)}


def in_content(**changes: Any) -> dict[str, Any]:
    """Facts about the content."""
    return {"content": replace(WELL.content, **changes)}


def test_well() -> None:
    """Nothing is said of a store where nothing is wrong."""
    assert found() == []


@pytest.mark.parametrize(
    ("error", "title", "step"),
    [
        ("No space left on device", "cannot be written", "flightlog purge"),
        ("Disk quota exceeded", "cannot be written", "quota"),
        ("Read-only file system", "cannot be written", "Mount it writable"),
        ("Input/output error", "cannot be written", "dmesg"),
    ],
)
def test_disk(error: str, title: str, step: str) -> None:
    """A disk that cannot be written is told with the system's own words, and what helps."""
    said = one(**in_folder(disk=Disk(free=0, write_error=error, kind="ext4")))

    assert said.code == "disk"
    assert title in said.title
    assert error in said.seen
    assert "ext4" in said.seen
    assert step in said.step


def test_disk_nearly_full() -> None:
    """A disk with little room, or with room for few files, is told before it is full."""
    assert "1.0 MB free" in one(**in_folder(disk=Disk(free=1_000_000))).seen
    said = one(**in_folder(disk=Disk(free=10**12, free_files=7)))
    assert "7 files may still be made" in said.seen
    assert "nearly full" in said.title


def test_permission() -> None:
    """What this user may not write is told with its owner and mode; the trial file adds nothing."""
    denied = Denied(path=ROOT / "hot", verb="write in", owner="bob", mode="drwxr-xr-x")
    disk = Disk(free=10**12, write_error="Permission denied")

    said = one(**in_folder(denied=(denied, denied), disk=disk, user="alice"))

    assert said.code == "permission"
    assert "drwxr-xr-x, of bob; this is alice" in said.seen
    assert "and 1 more" in said.seen
    assert said.step == f"Run it as bob, or take the store over: sudo chown -R alice {ROOT}"
    own = replace(denied, owner="alice")
    assert one(**in_folder(denied=(own,), user="alice")).step.endswith(f"chmod -R u+rwX {ROOT}")


def test_no_locks() -> None:
    """A file system without locks is a note."""
    said = one(**in_folder(disk=Disk(lock_error="No locks available", kind="nfs")))

    assert (said.code, said.level) == ("no-locks", "note")
    assert "nfs" in said.seen


def test_clocks() -> None:
    """A file server's clock, and traces from the future, are told with how far they are off."""
    assert "90 seconds ahead of" in one(**in_folder(disk=Disk(skew_s=90.0))).seen
    assert "3 minutes behind" in one(**in_folder(disk=Disk(skew_s=-200.0))).seen
    said = one(**in_content(ahead=4, ahead_s=7200.0))
    assert "4 traces dated up to 2 hours ahead" in said.seen
    both = one(
        **in_content(ahead=1, ahead_s=10.0),
        **in_folder(clock=Clock(ahead=1, furthest_s=300.0, example="x.ndjson")),
    )
    assert "1 trace and 1 file (such as x.ndjson) dated up to 5 minutes" in both.seen


@pytest.mark.parametrize(
    ("lost", "means", "step"),
    [
        (Lost(exporter="Masker", reason="on_span_end raised", items=3, last_ns=NOW),
         "The processor Masker raised an exception in on_span_end", "traceback"),
        (Lost(exporter="RedactProcessor", reason="redactor failed", items=1, last_ns=NOW),
         "left blank", "flightlog.tracer"),
        (Lost(exporter="OTLPExporter", reason="queue full", items=9, last_ns=NOW),
         "the local store has it", "max_queue_size"),
        (Lost(exporter="duckdb", reason="could not be encoded", items=1, last_ns=NOW),
         "could not turn it into a record", "report"),
        (Lost(exporter="duckdb", reason="larger than a line may be", items=1, last_ns=NOW),
         "16 MiB", "file"),
        (Lost(exporter="duckdb", reason="store not writable", items=1, last_ns=NOW),
         "memory was full", "Make space"),
        (Lost(exporter="Theirs", reason="never heard of", items=1, last_ns=NOW),
         "Nothing is missing here", "log"),
    ],
)  # fmt: skip
def test_losses(lost: Lost, means: str, step: str) -> None:
    """A loss is told by its reason: what it means for this store, and what to do."""
    said = one(**in_content(lost=(lost,)))

    assert said.code == "lost"
    assert lost.exporter in said.seen
    assert means in said.means
    assert step in said.step


def test_undelivered() -> None:
    """An exporter that could not deliver is told; the local store has all of it."""
    failed = Undelivered(exporter="openai", reason="401", items=12, last_ns=NOW)

    said = one(**in_content(undelivered=(failed,)))

    assert "12 items failed" in said.seen
    assert "401" in said.seen
    assert "Nothing is missing here" in said.means


def test_quarantine() -> None:
    """What was set aside is told with what was saved and what not, once."""
    lost = Lost(exporter="duckdb", reason="damaged part", items=40, last_ns=NOW)
    lacking = replace(lost, reason="damaged part: column error", items=3)
    folder = in_folder(quarantined=(2, 5000), notes=("p-1: bad. 7 of 47 rows were saved.",))

    said = one(**in_content(lost=(lost, lacking)), **folder)

    assert "2 files with 5.0 kB" in said.seen
    assert "40 records counted as lost, 3 values as unreadable within a week" in said.seen
    assert said.seen.endswith(" p-1: bad. 7 of 47 rows were saved.")
    assert "only copy" in said.step
    assert "if you do not need it" in said.step
    assert "without 'error'" in one(**in_content(lost=(lacking,))).means


def test_damage() -> None:
    """Damaged files are named within the store, a few of them."""
    damage = [Damage(path=ROOT / "parts" / f"p-{n}", why="it is missing") for n in range(9)]

    said = one(**in_folder(damage=tuple(damage)))

    assert "parts/p-0: it is missing" in said.seen
    assert "and 4 more" in said.seen


def test_compaction() -> None:
    """Compaction that hangs is told with its process; one at work is not, nor a small backlog."""
    waiting = Backlog(segments=300, size=10**9, oldest_s=7200, idle_s=7200, quiet_s=7200)
    holder = Holder(pid=42, command="python -m compaction", seconds=7200)

    assert "kill 42" in one(**in_folder(backlog=replace(waiting, holder=holder))).step
    assert found(**in_folder(backlog=replace(waiting, holder=holder, quiet_s=3.0))) == []
    assert one(**in_folder(backlog=waiting)).code == "not-compacted"
    small = replace(waiting, segments=5, size=10**6)
    assert found(**in_folder(backlog=small)) == []
    failing = replace(waiting, idle_s=20.0)
    assert one(**in_folder(backlog=failing)).code == "not-compacted"
    busy = replace(waiting, idle_s=20.0, oldest_s=1800.0)
    assert found(**in_folder(backlog=busy)) == []


def test_catalog() -> None:
    """A catalog that is missing or held is a note; one that cannot be opened is trouble."""
    assert one(**in_folder(catalog=Catalog(exists=False))).level == "note"
    held = one(**in_folder(catalog=Catalog(holder=Holder(pid=7, command="duckdb"))))
    assert held.level == "note"
    assert "Process 7 (duckdb)" in held.seen
    assert one(**in_folder(catalog=Catalog(error="not a database."))).level == "trouble"


def test_elsewhere() -> None:
    """Another store is a note where ours is empty; where it is not, nothing is said of it."""
    place = Place(store=Path("/b/t.duckdb"), why="it is the default", traces=4, newest_ns=NOW)
    empty = Content()

    said = found(places=(place,), content=empty)
    assert [(one.code, one.level) for one in said] == [
        ("nothing", "trouble"),
        ("elsewhere", "note"),
    ]
    older = replace(WELL.content, newest_ns=NOW - DAY)
    assert found(places=(place,), content=older) == []
    assert found(places=(place,)) == []
    assert found(places=(replace(place, traces=0),)) == []
    assert one(places=(replace(place, fallback=True),)).code == "fallback"
    assert one(places=(replace(place, fallback=True, traces=None),)).code == "fallback"


def test_copy_elsewhere() -> None:
    """A trace that is here is not sought elsewhere, though another store has a copy of it."""
    copy = Place(store=Path("/b/t.duckdb"), why="it is the default", traces=1, has_wanted=True)
    here = replace(WELL.content, wanted=Wanted(name="trace_1", trace_id="trace_1"))
    gone = replace(WELL.content, wanted=Wanted(name="trace_1"))

    assert found(places=(copy,), content=here) == []
    assert "elsewhere" in [finding.code for finding in found(places=(copy,), content=gone)]


def test_purged() -> None:
    """A trace from before all others is told as deleted, by the limit where there is one."""
    wanted = Wanted(name="trace_x", started_ns=NOW - 9 * DAY)
    content = replace(WELL.content, wanted=wanted, oldest_ns=NOW - DAY)

    assert "by flightlog purge, or by hand" in one(content=content).means
    assert "FLIGHTLOG_MAX_DISK" in one(content=content, settings=Settings(max_disk=10**9)).means
    aged = one(content=content, settings=Settings(max_age_s=7 * 86_400.0))
    assert "FLIGHTLOG_MAX_AGE keeps 7 days" in aged.seen


def test_incomplete() -> None:
    """A trace that is there and lost something is told as such."""
    wanted = Wanted(name="x", trace_id="trace_x", status="ok", incomplete=True)

    assert one(**in_content(wanted=wanted)).code == "incomplete"


def test_unreadable() -> None:
    """That a store cannot be read is said where nothing else says why."""
    broken = Content(error="It is broken. It must not be. Mend it")

    said = one(content=broken)
    assert (said.code, said.seen) == ("unreadable", "It is broken.")
    assert said.step == "It must not be. Mend it"
    newer = found(content=broken, **in_folder(newer=9))
    assert [finding.code for finding in newer] == ["newer"]


def test_in_memory() -> None:
    """That a store is in memory is worth a note when something is missing from it."""
    wanted = Wanted(name="x")
    disk = Disk(free=10**12, kind="tmpfs")

    assert found(**in_folder(disk=disk)) == []
    codes = [said.code for said in found(**in_folder(disk=disk), **in_content(wanted=wanted))]
    assert codes == ["not-found", "in-memory"]


def test_exporters() -> None:
    """Where none of the names can be loaded the local store records, so it is not missing."""
    unknown = found(settings=Settings(exporters=("otlpp",), named=True))
    assert [said.code for said in unknown] == ["exporter-unknown"]
    assert "the local store records" in unknown[0].means
    known = ("console", "duckdb")
    other = one(settings=Settings(exporters=("console",), known=known))
    assert other.code == "exporter-missing"
    assert "FLIGHTLOG_EXPORTERS=duckdb,console" in other.step
    broken = Settings(
        exporters=("duckdb", "console"), known=known, broken=(("console", "No rich"),)
    )
    assert one(settings=broken).step.startswith("Install what it needs: pip install")


def test_schema() -> None:
    """A newer schema of the same format is a note."""
    assert one(**in_folder(newer_schema=9)).level == "note"


def test_order() -> None:
    """What explains most comes first."""
    lost = Lost(exporter="duckdb", reason="queue full", items=1, last_ns=NOW)

    codes = [
        said.code
        for said in found(
            settings=Settings(disabled_by=(("FLIGHTLOG_DISABLED", "1"),)),
            **in_folder(catalog=Catalog(error="x."), clock=Clock(jumped=1, jumped_example="a")),
            **in_content(lost=(lost,)),
        )
    ]

    assert codes == ["disabled", "lost", "clock-jumped", "catalog"]


def test_prices() -> None:
    """A file of prices that cannot be followed is told, in its own words."""
    problem = "The prices in '/p.csv' cannot be read (no). FLIGHTLOG_PRICES names a file. Mend it."

    said = one(settings=Settings(prices=problem))

    assert (said.code, said.level) == ("prices", "trouble")
    assert said.seen == "The prices in '/p.csv' cannot be read (no)."
    assert said.step == "FLIGHTLOG_PRICES names a file. Mend it."


def test_no_exporter_named() -> None:
    """A variable that names no exporter is told apart from one that leaves the store out."""
    empty, other = Settings(exporters=(), named=True), Settings(exporters=("otlp",), named=True)

    assert "nothing is recorded" in one(settings=empty).title
    assert one(settings=empty).step.endswith("FLIGHTLOG_EXPORTERS=duckdb")
    said = one(settings=replace(other, known=("duckdb", "otlp")))
    assert said.title == "Traces do not go to the local store"
    assert said.step.endswith("FLIGHTLOG_EXPORTERS=duckdb,otlp")


def test_others_are_quiet() -> None:
    """Of other stores nothing is said but what may be the trace that is missed."""
    just_now = Place(store=Path("/other/traces.duckdb"), why="it is the default", traces=2,
                     newest_ns=NOW + DAY)  # fmt: skip
    old = replace(just_now, newest_ns=NOW - DAY)
    beside = replace(just_now, beside=True)
    asked = in_content(wanted=Wanted(name="x", trace_id="trace_x"))

    assert found(places=(just_now,)) == []
    assert found(places=(old, beside)) == []
    assert [said.code for said in found(places=(old, beside), **asked)] == []
    missed = in_content(wanted=Wanted(name="x"))
    assert [said.code for said in found(places=(old, beside), **missed)] == [
        "elsewhere", "not-found",
    ]  # fmt: skip
    _, said = found(places=(old, beside), **in_content(traces=0, spans=0))
    assert (said.level, "1 other store beside it" in said.seen) == ("note", True)


def test_interrupted() -> None:
    """Of a trace that was interrupted it says who recorded it, and when it was last heard of."""
    sign = LastSign(at_ns=NOW, host="box", pid=77)
    asked = in_content(wanted=Wanted(name="x", trace_id="trace_x", last_sign=sign))

    said = one(**asked)

    assert (said.code, said.level) == ("interrupted", "note")
    assert said.seen.startswith("Process 77 on box recorded the last of it at 2025-11-2")
    assert "dmesg" in said.step
    anon = in_content(wanted=Wanted(name="x", trace_id="trace_x", last_sign=LastSign(at_ns=NOW)))
    assert one(**anon).seen.startswith("The process recorded")


def test_flipped() -> None:
    """Of a part whose bytes changed it says how many records that may have cost."""
    hurt = Damage(path=ROOT / "parts/p/data.parquet", why="its checksum differs", rows=1200)

    said = one(**in_folder(damage=(hurt, replace(hurt, rows=3))))

    assert "parts/p/data.parquet: its checksum differs (1,200 records); " in said.seen
    assert "Up to 1,203 records may be missing or wrong" in said.means


def test_alone() -> None:
    """A file without a folder beside it is a store's, an export, or something else altogether."""
    moved = one(**in_folder(catalog_alone=True))
    assert moved.code == "moved"
    assert f"flightlog import {STORE} --store NEW.duckdb" in moved.step

    other = one(**in_folder(catalog_alone=True, other_file=True))
    assert (other.code, "is no database" in other.seen) == ("path", True)
