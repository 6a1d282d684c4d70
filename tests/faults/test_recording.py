"""A program goes on recording, or at least goes on, whatever the disk does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters import sql
from exporters.duckdb.layout import Layout

Run = Callable[..., subprocess.CompletedProcess[str]]
Until = Callable[[Callable[[], bool]], None]

STEPS = """
count, size = int(sys.argv[1]), int(sys.argv[2])
with trace("Job"):
    for number in range(count):
        with custom_span(f"step {number}", {"text": os.urandom(size // 2).hex()}):
            pass
print("done", count)
"""


def steps(*stores: Path) -> list[int]:
    """Numbers of the steps that stores have in all, each as often as it is there."""
    found = []
    for store in stores:
        rows = sql("select name from spans where name like 'step %' and end_ns > 0", store=store)
        found += [int(name.split()[1]) for (name,) in rows]
    return sorted(found)


def fine(done: subprocess.CompletedProcess[str], count: int) -> None:
    """The program did what it was to do, and nothing of ours broke into it."""
    assert (done.returncode, done.stdout) == (0, f"done {count}\n"), done.stderr
    assert "Traceback" not in done.stderr


def told_once(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line of the log says what happened."""
    lines = [line for line in done.stderr.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, done.stderr


def fallback(home: Path) -> Path:
    """The one fallback store below a home."""
    (folder,) = (home / ".local/state/flightlog/fallback").glob("*.duckdb.d")
    return folder.with_name(folder.name.removesuffix(".d"))


def test_disk_full(ground: Any, run: Run) -> None:
    """When the store's disk is full, recording goes on in the fallback, and nothing is lost."""
    disk = ground.disk(1_000_000)
    if disk is None:
        disk, limit = ground.path / "disk", "resource.setrlimit(resource.RLIMIT_FSIZE, (300000,)*2)"
    else:
        limit = ""
    store = disk / "traces.duckdb"

    done = run(limit + STEPS, 400, 4000, FLIGHTLOG_STORE=store)

    fine(done, 400)
    places = [store]
    if not limit:
        told_once(done, str(store), "cannot be written")
        places.append(fallback(ground.path / "home"))
    assert steps(*places) == list(range(400))


def test_disk_full_for_a_while(ground: Any, run: Run) -> None:
    """What was recorded while the disk was full is written when there is room again, in order."""
    disk = ground.disk(1_500_000) or ground.path
    store = disk / "traces.duckdb"
    filler = disk / "filler"
    filled = f"""
count = 100
journal = Journal({str(store)!r}, fallback=None)
set_trace_processors([Recorder(journal)])
with trace("Job"):
    with custom_span("step 0"): pass
    try:
        with open({str(filler)!r}, "wb") as file:
            for _ in range(1500):
                file.write(bytes(1024)); file.flush()
    except OSError:
        pass
    for number in range(1, count):
        with custom_span(f"step {{number}}", {{"text": "x" * 4000}}): pass
    os.unlink({str(filler)!r})
journal.flush()
print("done", count)
"""

    done = run(filled)

    fine(done, 100)
    assert steps(store) == list(range(100))


def test_disk_full_everywhere(ground: Any, run: Run) -> None:
    """With no room anywhere the program ends well and in time, and what fitted is readable."""
    disk = ground.disk(600_000)
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (300000,)*2)" if disk is None else ""
    store = (disk or ground.path) / "traces.duckdb"

    done = run(limit + STEPS, 400, 4000, FLIGHTLOG_STORE=store, XDG_STATE_HOME=store.parent)

    fine(done, 400)
    found = steps(store, *[fallback_in(store.parent)] if fallback_in(store.parent) else [])
    assert len(found) == len(set(found))
    assert set(range(30)) <= set(found)


def fallback_in(state: Path) -> Path | None:
    """The fallback store of a folder of state, if any was made."""
    found = list((state / "flightlog/fallback").glob("*.duckdb.d"))
    return found[0].with_name(found[0].name.removesuffix(".d")) if found else None


def test_small_files_only(ground: Any, run: Run) -> None:
    """A limit of the size of files makes more files, all of them in the store, and no trouble."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    store = ground.path / "traces.duckdb"

    done = run(limit + STEPS, 40, 4000, FLIGHTLOG_STORE=store)

    fine(done, 40)
    assert done.stderr == ""
    assert fallback_in(ground.path / "home/.local/state") is None
    assert steps(store) == list(range(40))


def test_no_descriptors(ground: Any, run: Run) -> None:
    """A program that has used up its file descriptors is recorded once it has some again."""
    program = """
held = []
with trace("Job"):
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for number in range(10):
        with custom_span(f"step {number}"): pass
for fd in held:
    os.close(fd)
print("done", 10)
"""
    store = ground.path / "traces.duckdb"
    few = "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))\n"

    done = run(few + program, FLIGHTLOG_STORE=store)

    fine(done, 10)
    assert steps(store) == list(range(10))


def test_read_only_disk(ground: Any, run: Run, until: Until) -> None:
    """On a disk that is read-only recording goes to the fallback, and reading works."""
    disk = ground.disk(4_000_000)
    if disk is None:  # as near as this user can get
        disk = ground.path / "disk0"
    store = disk / "traces.duckdb"
    fine(run(STEPS, 5, 10, FLIGHTLOG_STORE=store), 5)
    until(store.exists)  # made by who looks after the store when a program has ended
    if ground.mounted:
        ground.freeze(disk)
    else:
        for folder in (store.with_name("traces.duckdb.d"), Layout.of(store).hot):
            folder.chmod(0o500)
    before = sorted(path for path in disk.rglob("*"))

    done = run(STEPS, 7, 10, FLIGHTLOG_STORE=store)

    fine(done, 7)
    told_once(done, str(store))
    assert steps(store) == list(range(5))
    assert steps(fallback(ground.path / "home")) == list(range(7))
    assert sorted(path for path in disk.rglob("*")) == before


@pytest.mark.parametrize("closed", ["", "hot", "FORMAT"])
def test_missing_permission(ground: Any, run: Run, closed: str) -> None:
    """A user without permission records to a fallback of their own."""
    store = ground.path / "theirs" / "traces.duckdb"
    root = store.with_name("traces.duckdb.d")
    store.parent.mkdir(mode=0o755)
    fine(run(STEPS, 3, 10, FLIGHTLOG_STORE=store), 3)
    (root / closed).chmod(0o000)

    done = run(STEPS, 4, 10, FLIGHTLOG_STORE=store, powerless=True)

    fine(done, 4)
    told_once(done, "traces.duckdb")
    home = ground.path / "home"
    assert steps(fallback(home)) == list(range(4))


def test_others_folder(ground: Any, run: Run) -> None:
    """A store in a folder that this user may only read goes on in the fallback."""
    folder = ground.path / "shared"
    folder.mkdir(mode=0o555)

    done = run(STEPS, 4, 10, FLIGHTLOG_STORE=folder / "traces.duckdb", powerless=True)

    fine(done, 4)
    told_once(done, "cannot be written", "ermission denied", "recording goes on in")
    assert list(folder.iterdir()) == []
    assert steps(fallback(ground.path / "home")) == list(range(4))


@pytest.mark.parametrize("kind", ["folder", "file", "below", "link"])
def test_odd_paths(ground: Any, run: Run, kind: str) -> None:
    """A path that can be no store's is said, and the fallback records."""
    store = ground.path / "traces.duckdb"
    match kind:
        case "folder":
            store.mkdir()
        case "file":
            store.with_name("traces.duckdb.d").write_text("mine")
        case "below":
            (ground.path / "file").write_text("mine")
            store = ground.path / "file" / "traces.duckdb"
        case _:
            store.with_name("traces.duckdb.d").symlink_to(ground.path / "nowhere" / "else")

    done = run(STEPS, 4, 10, FLIGHTLOG_STORE=store)

    fine(done, 4)
    told_once(done, "recording goes on in")
    assert steps(fallback(ground.path / "home")) == list(range(4))


@pytest.mark.parametrize(
    "text",
    ['{"format":99,"schema":99,"store_id":"x"}', "garbage", "", "[]", '{"format":"x"}'],
    ids=["newer", "garbage", "empty", "list", "text"],
)
def test_odd_format(ground: Any, run: Run, text: str) -> None:
    """A store of a newer format, or of one that cannot be told, is left alone."""
    store = ground.path / "traces.duckdb"
    root = store.with_name("traces.duckdb.d")
    root.mkdir()
    (root / "FORMAT").write_text(text)

    done = run(STEPS, 4, 10, FLIGHTLOG_STORE=store)

    fine(done, 4)
    told_once(done, "recording goes on in")
    assert [path.name for path in root.iterdir()] == ["FORMAT"]
    assert (root / "FORMAT").read_text() == text
    assert steps(fallback(ground.path / "home")) == list(range(4))


NO_LOCKS = """
import errno, fcntl
def refuse(fd, how):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
"""


def test_no_locks(ground: Any, run: Run) -> None:
    """Where files cannot be locked, recording, reading and compaction go on."""
    store = ground.path / "traces.duckdb"
    looking = """
from exporters import open_store, sql
from exporters.duckdb.upkeep.compaction import compact
from exporters.store import TraceQuery
opened = open_store()
print([row.status for row in opened.search(TraceQuery()).traces])
opened.close()
compact(sys.argv[1])
compact(sys.argv[1])
print(len(sql("select name from spans where name like 'step %'")))
"""

    for _ in range(2):
        fine(run(NO_LOCKS + STEPS, 10, 10, FLIGHTLOG_STORE=store), 10)
    done = run(NO_LOCKS + looking, store, FLIGHTLOG_STORE=store)

    assert (done.returncode, done.stdout.splitlines()) == (0, ["['ok', 'ok']", "20"]), done.stderr
    assert steps(store) == sorted([*range(10), *range(10)])


def test_no_locks_interrupted(ground: Any, run: Run) -> None:
    """Without locks, too, the trace of a process that was killed shows as interrupted."""
    store = ground.path / "traces.duckdb"
    killed = NO_LOCKS + (
        "trace('Job').start(mark_as_current=True); custom_span('open').start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    looking = NO_LOCKS + (
        "from exporters import sql\nprint([row[0] for row in sql('select status from traces')])"
    )

    run(killed, FLIGHTLOG_STORE=store)
    done = run(looking, FLIGHTLOG_STORE=store)

    assert done.stdout == "['interrupted']\n", done.stderr


@pytest.mark.parametrize("fault", ["sync", "create", "write", "truncate"])
def test_failing_disk(ground: Any, run: Run, fault: str) -> None:
    """A disk that reports errors at every second call costs nothing that was recorded."""
    store = ground.path / "traces.duckdb"
    program = f"""
import errno, itertools
calls = itertools.count()
class Bad(Files):
    def {fault}(self, *arguments):
        if next(calls) % 2 == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().{fault}(*arguments)
    def short(self, fd, data):
        return Files.write(self, fd, data[: len(data) // 2])
if {fault!r} == "truncate":
    Bad.write = lambda self, fd, data: (
        Bad.short(self, fd, data) if next(calls) % 5 == 0 else Files.write(self, fd, data)
    )
journal = Journal({str(store)!r}, fallback=None, files=Bad())
set_trace_processors([Recorder(journal)])
"""

    done = run(program + STEPS, 50, 100)

    fine(done, 50)
    assert steps(store) == list(range(50))


def test_store_deleted(ground: Any, run: Run) -> None:
    """When somebody deletes the store under a program, what it records from then on is kept."""
    store = ground.path / "traces.duckdb"
    program = """
import shutil
from pathlib import Path
with trace("Job"):
    with custom_span("step 0"): pass
    folder = Path(os.environ["FLIGHTLOG_STORE"] + ".d")
    shutil.rmtree(folder, onerror=lambda *_: None)  # who makes the catalog may be at work there
    tracer_flushed = time.monotonic() + 60
    from tracer import flush_traces
    # Not FORMAT: who makes the catalog for the program could have made that.
    while not list(folder.glob(f"hot/*-{os.getpid()}-*")):
        assert time.monotonic() < tracer_flushed
        flush_traces()
        time.sleep(0.05)
    for number in range(1, 10):
        with custom_span(f"step {number}"): pass
print("done", 10)
"""

    done = run(program, FLIGHTLOG_STORE=store)

    fine(done, 10)
    assert set(range(1, 10)) <= set(steps(store))
