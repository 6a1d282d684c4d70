"""How fast and how small the local store is: flightlog beside SQLite and DuckDB, in one run.

    python benchmarks/store.py [--only record,fresh] [--seconds 5] [--spans 1000000] [--large]

One JSON line for each figure. The spans are tool calls of 2 KB, no two alike, ten to a trace.

Measures:
    record      spans a second that are on file when the call returns, from 1, 4 and 8 processes;
                beside it SQLite (WAL, 100 rows a transaction) and DuckDB (opened, written with 100
                rows, closed), each as its users would do it from several processes
    fresh       milliseconds until a reader sees a trace that has started, at 100, 2,000 and 10,000
                spans a second
    compact     spans a second that become parts; bytes a span before and after; peak memory
    burst       a backlog of `--spans` spans that nobody has compacted: the first question, memory
    read        at `--spans` spans: the newest 50 traces (asked for again, as a page does that stays
                open; the next page; and from a store that was not open), one trace's spans,
                substring search in inputs and anywhere, memory; beside it SQLite and DuckDB with
                the same rows. With `--large` flightlog alone with ten times as many
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SPAN_BYTES = 2000
PER_TRACE = 10
RATES = (100, 2_000, 10_000)
PROCESSES = (1, 4, 8)


def texts(seed: int) -> Iterator[str]:
    """Pieces of real text, about half a span each, no two alike."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    names = ("argparse.py", "asyncio/base_events.py", "typing.py", "tarfile.py", "inspect.py")
    corpus = "".join((stdlib / name).read_text(encoding="utf-8") for name in names)
    chance = random.Random(seed)
    number = 0
    while True:
        at = chance.randrange(len(corpus) - SPAN_BYTES)
        number += 1
        yield f"{seed}-{number} {corpus[at : at + SPAN_BYTES // 2 - 40]}"


# Writers. Each runs in a process of its own and says at its end how many spans it wrote.


def write_flightlog(path: Path, seed: int, go: Callable[[], bool]) -> int:
    """Tool calls through the recorder, synced as by default."""
    from exporters.duckdb import recorder  # noqa: PLC0415 (the others must not pay for it)
    from tracer import function_span, set_trace_processors, trace  # noqa: PLC0415

    set_trace_processors([recorder(path)])
    source = texts(seed)
    pieces = [next(source) for _ in range(2000)]
    count = 0
    while go():
        with trace("benchmark"):
            for _ in range(PER_TRACE):
                text = pieces[count % 2000]
                with function_span("look_up", input=f"{count} {text}") as span:
                    span.span_data.output = f"{text} {count}"
                count += 1
    return count


TABLE = (
    "create table if not exists spans (trace_id text, span_id text primary key, name text, "
    "start_ns bigint, end_ns bigint, input text, output text)"
)
INSERT = "insert into spans values (?, ?, ?, ?, ?, ?, ?)"


def rows(seed: int, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Batches of rows as a program would write them by hand."""
    source = texts(seed)
    pieces = [next(source) for _ in range(2000)]
    count = 0
    while True:
        batch: list[tuple[Any, ...]] = []
        for _ in range(size):
            now = time.time_ns()
            text = pieces[count % 2000]
            trace = f"trace_{seed}_{count // PER_TRACE}"
            row = (trace, f"span_{seed}_{count}", "look_up", now, now)
            batch.append((*row, f"{count} {text}", f"{text} {count}"))
            count += 1
        yield batch


def write_sqlite(path: Path, seed: int, go: Callable[[], bool]) -> int:
    """Transactions of 100 rows in a database in WAL mode."""
    database = sqlite3.connect(path, timeout=120, isolation_level=None)
    while True:  # its time-out is not for this: one of several who change it at once is refused
        with contextlib.suppress(sqlite3.OperationalError):
            database.execute("pragma journal_mode = wal")
            break
    database.execute("pragma synchronous = normal")
    database.execute(TABLE)
    count = 0
    for batch in rows(seed, 100):
        if not go():
            break
        database.execute("begin immediate")
        database.executemany(INSERT, batch)
        database.execute("commit")
        count += len(batch)
    database.close()
    return count


def write_duckdb(path: Path, seed: int, go: Callable[[], bool]) -> int:
    """Open, write 100 rows, close; wait and try again while somebody else has the file."""
    import duckdb  # noqa: PLC0415

    count = 0
    for batch in rows(seed, 100):
        while go():
            try:
                database = duckdb.connect(str(path))
            except duckdb.IOException:
                time.sleep(0.005)
                continue
            with database:
                database.execute(TABLE)
                database.execute("begin")
                columns = list(zip(*batch, strict=True))
                database.execute(
                    "insert into spans select " + ", ".join(["unnest(?)"] * len(columns)),
                    [list(column) for column in columns],
                )
                database.execute("commit")
            count += len(batch)
            break
        if not go():
            break
    return count


WRITERS = {"flightlog": write_flightlog, "sqlite": write_sqlite, "duckdb": write_duckdb}


def write(kind: str, path: str, seed: int, start: float, seconds: float) -> None:
    """A writer's process: begin together with the others, say how many at the end."""
    for module in {"flightlog": ["exporters.duckdb"], "duckdb": ["duckdb"]}.get(kind, []):
        importlib.import_module(module)  # nobody's throughput
    time.sleep(max(0.0, start - time.time()))
    end = start + seconds
    print(WRITERS[kind](Path(path), seed, lambda: time.time() < end))


def write_exactly(path: str, seed: int, count: int) -> None:
    """A writer's process that records so many spans as fast as it can."""
    left = iter(range(count // PER_TRACE))
    print(write_flightlog(Path(path), seed, lambda: next(left, None) is not None))


def pace(path: str, seed: int, rate: float, seconds: float) -> None:
    """A writer's process that records so many spans a second."""
    from exporters.duckdb import recorder  # noqa: PLC0415
    from tracer import function_span, set_trace_processors, trace  # noqa: PLC0415

    set_trace_processors([recorder(path)])
    source = texts(seed)
    begin = time.monotonic()
    count = 0
    while (now := time.monotonic() - begin) < seconds:
        if count > now * rate:
            time.sleep(min(0.02, count / rate - now))
            continue
        with trace("paced"):
            for _ in range(PER_TRACE):
                text = next(source)
                with function_span("look_up", input=text) as span:
                    span.span_data.output = text
                count += 1
    print(count)


# Measures.


def say(measure: str, **figures: Any) -> None:
    """One line."""
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"benchmark": "store", "measure": measure} | rounded), flush=True)


def spawn(*arguments: object) -> subprocess.Popen[str]:
    """This script in another process, as one of its writers."""
    command = [sys.executable, str(HERE), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def total(processes: Sequence[subprocess.Popen[str]]) -> int:
    """What writers say that they wrote."""
    counts = [int(process.communicate()[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes), "a writer failed"
    return sum(counts)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="flightlog-bench-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measure_record(seconds: float) -> None:
    """Throughput of flightlog and of both baselines at 1, 4 and 8 processes."""
    for processes in PROCESSES:
        rates = {}
        for kind in WRITERS:
            with folder() as place:
                start = time.time() + 1 + 0.4 * processes
                path = place / "store.db"
                writers = [
                    spawn("--write", kind, path, seed, start, seconds) for seed in range(processes)
                ]
                rates[kind] = total(writers) / seconds
        say(
            "record",
            processes=processes,
            spans_per_s={kind: round(rate) for kind, rate in rates.items()},
            times_sqlite=rates["flightlog"] / max(1.0, rates["sqlite"]),
            times_duckdb=rates["flightlog"] / max(1.0, rates["duckdb"]),
        )


def measure_fresh(seconds: float) -> None:
    """How long after its start a reader sees a trace, by the time in its id."""
    from exporters.duckdb.local import DuckDBStore  # noqa: PLC0415

    for rate in RATES:
        with folder() as place:
            path = place / "traces.duckdb"
            count = 1 if rate < 1000 else 4
            writers = [
                spawn("--pace", path, seed, rate / count, seconds + 2) for seed in range(count)
            ]
            store = DuckDBStore(path)
            cursor = store.follow(None).cursor
            seen: set[str] = set()
            delays: list[float] = []
            began = time.monotonic()
            while any(writer.poll() is None for writer in writers):
                changes = store.follow(cursor)
                cursor, now = changes.cursor, time.time() * 1000
                fresh = set(changes.trace_ids) - seen
                seen |= fresh
                if time.monotonic() - began > 1.5:  # not the reader's own start
                    delays += [now - int(name.removeprefix("trace_")[:12], 16) for name in fresh]
                time.sleep(0.1)
            spans = total(writers)
            store.close()
            cuts = statistics.quantiles(delays, n=100)
            say("fresh", spans_per_s=rate, recorded_per_s=round(spans / (seconds + 2)),
                p50_ms=cuts[49], p99_ms=cuts[98], max_ms=max(delays))  # fmt: skip


def bytes_below(path: Path) -> int:
    """Size of everything in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def peak_mb(command: Sequence[object]) -> tuple[float, float, str]:
    """Peak memory in MiB and seconds of a command, and what it said."""
    script = (
        "import resource, subprocess, sys, time\n"
        "t = time.perf_counter()\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"
        "print(used, time.perf_counter() - t)\n"
        "print(done.stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, command)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    first, _, rest = done.stdout.partition("\n")
    used, seconds = map(float, first.split())
    return used, seconds, rest.strip()


def measure_backlog(spans: int) -> None:
    """A burst that nobody compacted: the first question to it, then its compaction."""
    with folder() as place:
        path = place / "traces.duckdb"
        began = time.perf_counter()
        written = total([spawn("--exactly", path, seed, spans // 4) for seed in range(4)])
        seconds = time.perf_counter() - began
        data = path.with_name(path.name + ".d")
        hot = bytes_below(data)
        say("burst", spans=written, recorded_per_s=round(written / seconds), bytes=hot)
        used, seconds, said = peak_mb([sys.executable, HERE, "--first", path])
        say("burst_first_question", spans=written, **json.loads(said),
            process_s=seconds, peak_mb=used)  # fmt: skip
        module = "exporters.duckdb.upkeep.compaction"
        compacting = [sys.executable, "-m", module, "--store", path]
        used, seconds, _ = peak_mb(compacting)
        parts = bytes_below(data / "parts")
        say("compact", spans=written, spans_per_s=written / seconds, seconds=seconds,
            peak_mb=used, bytes_per_span_before=hot / written,
            bytes_per_span_after=parts / written)  # fmt: skip


def first_question(path: str) -> None:
    """A reader's process: open, list, count."""
    from exporters.duckdb.local import DuckDBStore  # noqa: PLC0415
    from exporters.store import TraceQuery  # noqa: PLC0415

    began = time.perf_counter()
    store = DuckDBStore(path)
    page = store.search(TraceQuery(limit=50))
    listed = time.perf_counter() - began
    facts = store.info()
    print(json.dumps({"listed_s": round(listed, 2), "traces_on_page": len(page.traces),
                      "spans_seen": facts.span_count}))  # fmt: skip
    store.close()


def measure_read(spans: int, *, beside: bool) -> None:
    """Questions to a large store at rest, each warm."""
    import reading  # noqa: PLC0415 (the writers must not pay for it)

    with folder() as place:
        for line in reading.measure(place, spans, beside=beside):
            say("read", **line)


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    roles: dict[str, Callable[..., None]] = {
        "--write": lambda kind, path, seed, start, seconds: write(
            kind, path, int(seed), float(start), float(seconds)
        ),
        "--exactly": lambda path, seed, count: write_exactly(path, int(seed), int(count)),
        "--pace": lambda path, seed, rate, seconds: pace(
            path, int(seed), float(rate), float(seconds)
        ),
        "--first": first_question,
    }
    if len(sys.argv) > 1 and sys.argv[1] in roles:
        roles[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="record,fresh,burst,read", help="which, with commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="of recording, each")
    parser.add_argument("--spans", type=int, default=1_000_000, help="of the stores that are read")
    parser.add_argument("--large", action="store_true", help="read ten times as many as well")
    options = parser.parse_args()
    wanted = options.only.split(",")
    os.environ.setdefault("FLIGHTLOG_HOME", tempfile.gettempdir())
    if "record" in wanted:
        measure_record(options.seconds)
    if "fresh" in wanted:
        measure_fresh(options.seconds)
    if "burst" in wanted:
        measure_backlog(options.spans)
    if "read" in wanted:
        measure_read(options.spans, beside=True)
        if options.large:
            measure_read(options.spans * 10, beside=False)


if __name__ == "__main__":
    main()
