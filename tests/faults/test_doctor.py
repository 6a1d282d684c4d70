"""The doctor on disks and folders in trouble, which take more than a store's own files to make."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
Until = Callable[[Callable[[], bool]], None]

RECORD = """
journal = Journal(sys.argv[1], fallback=None)
set_trace_processors([Recorder(journal)])
with trace("job"), custom_span("step"):
    pass
journal.close()
"""
DOCTOR = 'sys.exit(main(["doctor", "--json", "--store", sys.argv[1]]))'


def recorded(run: Run, store: Path, until: Until) -> Path:
    """A store with one trace, and nobody at it any more."""
    assert run(RECORD, store).returncode == 0
    until(store.exists)  # made by who looks after the store when a program has ended
    return store


def told(done: subprocess.CompletedProcess[str], level: str = "trouble") -> dict[str, Any]:
    """The one finding of a level."""
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    (finding,) = [one for one in answer["findings"] if one["level"] == level]
    assert done.returncode == (level == "trouble")
    return dict(finding)


def test_full_disk(ground: Any, run: Run, until: Until) -> None:
    """A full disk is told, with what is left of it and how to make room."""
    disk = ground.disk(3_000_000)
    store = recorded(run, (disk or ground.path) / "traces.duckdb", until)
    if disk is None:  # as near as this user can get: no file may be written
        done = run("resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + DOCTOR, store)
        assert told(done)["code"] == "disk"
        return
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass

    finding = told(run(DOCTOR, store))

    assert finding["code"] == "disk"
    assert "No space left on device" in finding["seen"]
    assert "tmpfs" in finding["seen"]
    assert "flightlog purge --older-than" in finding["step"]
    filler.unlink()
    assert "nearly full" in told(run(DOCTOR, store))["title"]  # 3 MB are little


def test_read_only(ground: Any, run: Run, until: Until) -> None:
    """A folder that this user may not write in is told, with its owner."""
    store = recorded(run, ground.path / "traces.duckdb", until)
    root = store.with_name("traces.duckdb.d")
    folders = [root, *filter(Path.is_dir, root.iterdir())]
    for folder in folders:
        folder.chmod(0o555)

    finding = told(run(DOCTOR, store, powerless=True))

    assert finding["code"] == "permission"
    assert "dr-xr-xr-x" in finding["seen"]
    assert f"chmod -R u+rwX {root}" in finding["step"]


def test_unreadable(ground: Any, run: Run, until: Until) -> None:
    """A segment that this user may not read is told."""
    store = recorded(run, ground.path / "traces.duckdb", until)
    (segment,) = store.with_name("traces.duckdb.d").glob("hot/1*.ndjson")
    segment.chmod(0o000)

    finding = told(run(DOCTOR, store, powerless=True))

    assert finding["code"] == "permission"
    assert segment.name in finding["seen"]


def test_no_locks(ground: Any, run: Run, until: Until) -> None:
    """A file system without locks is a note: all goes on there."""
    store = recorded(run, ground.path / "traces.duckdb", until)
    refusing = """
import errno, fcntl
def refuse(fd, how):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
"""

    finding = told(run(refusing + DOCTOR, store), level="note")

    assert finding["code"] == "no-locks"
    assert "No locks available" in finding["seen"]
    assert "FLIGHTLOG_STORE" in finding["step"]


def test_damaged_part(base: Any, run: Run) -> None:
    """Of a part that was damaged it says that it was set aside, and how much was lost."""
    data = base.part / "data.parquet"
    data.write_bytes(data.read_bytes()[:-100])

    done = run(DOCTOR, base.store)

    findings = json.loads(done.stdout)["findings"]
    (finding,) = [one for one in findings if one["level"] == "trouble"]
    assert finding["code"] in ("quarantine", "damage")
    assert "6 records" in finding["seen"] or "data.parquet" in finding["seen"]
