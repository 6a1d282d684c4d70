"""How many spans a second the recorder takes, in 1, 4 and 8 processes at once.

    python benchmarks/recording.py [--seconds 3] [--processes 1,4,8] [--sync batch]

Every process records through the tracer and the local store's recorder, as a program does: each
span starts, is given what came out, and ends, which puts two lines into the process's segment.
One JSON line for each kind of span and number of processes: spans a second in all, microseconds
of processor time a span, and bytes a span in the segments.

Kinds:
    tool        a tool's call: 0.5 KB of arguments, 1.5 KB of result, all of it new
    generation  a model call: 2 KB of messages of which the last one and the answer are new
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracer import function_span, generation_span, trace

SYSTEM = {"role": "system", "content": "You answer customers. " * 23}
EARLIER = {"role": "user", "content": "Where is my order? " * 26}
USAGE = {"input_tokens": 100, "output_tokens": 20}


def tool(number: int) -> None:
    """One call of a tool."""
    with function_span("look_up", input=f'{{"id": {number}, "fields": "{"x" * 480}"}}') as span:
        span.span_data.output = f"order {number} " + "y" * 1500


def generation(number: int) -> None:
    """One call of a model."""
    asked: list[dict[str, Any]] = [
        SYSTEM,
        EARLIER,
        {"role": "user", "content": f"{number} " + "x" * 480},
    ]
    with generation_span(input=asked, model="m") as span:
        span.span_data.output = [{"role": "assistant", "content": f"{number} " + "y" * 480}]
        span.span_data.usage = USAGE


KINDS: dict[str, Callable[[int], None]] = {"tool": tool, "generation": generation}


def record(kind: str, seconds: float, start_at: float) -> None:
    """Record until the time is over; say how many spans, and the processor time they took."""
    work = KINDS[kind]
    with trace("warm"):
        for number in range(200):
            work(number)
    time.sleep(max(0.0, start_at - time.time()))
    count, base = 0, os.getpid() * 10_000_000
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        with trace("benchmark"):
            for number in range(20):
                work(base + count + number)
        count += 20
    took = time.perf_counter() - began
    print(
        json.dumps({"spans": count, "seconds": took, "cpu": time.process_time() - cpu}), flush=True
    )
    os._exit(0)  # no compaction at exit, which the next measure would pay for


def together(kind: str, processes: int, seconds: float, sync: str) -> dict[str, Any]:
    """The same in several processes at once, into one store that is thrown away."""
    home = tempfile.mkdtemp(prefix="flightlog-")
    environ = {**os.environ, "FLIGHTLOG_HOME": home, "FLIGHTLOG_SYNC": sync}
    environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    start_at = time.time() + 0.5 + 0.3 * processes
    options = ["--kind", kind, "--seconds", str(seconds), "--start-at", str(start_at)]
    command = [sys.executable, __file__, *options]
    try:
        started = [
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        said = [json.loads(process.communicate()[0]) for process in started]
        hot = Path(home, "traces.duckdb.d", "hot")
        size = sum(path.stat().st_size for path in hot.iterdir())
    finally:
        shutil.rmtree(home, ignore_errors=True)
    spans = sum(one["spans"] for one in said)
    return {
        "measure": f"record_{kind}",
        "processes": processes,
        "sync": sync,
        "spans per second": round(sum(one["spans"] / one["seconds"] for one in said)),
        "cpu us per span": round(sum(one["cpu"] for one in said) / spans * 1e6, 1),
        "bytes per span": round(size / spans),
    }


def main() -> None:
    """Run each kind with each number of processes."""
    parser = argparse.ArgumentParser(description="How many spans a second the recorder takes.")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--processes", default="1,4,8")
    parser.add_argument("--sync", choices=("batch", "write", "off"), default="batch")
    parser.add_argument("--kind", choices=KINDS, help="record this, in this process")
    parser.add_argument("--start-at", type=float, default=0.0)
    options = parser.parse_args()
    if options.kind:
        record(options.kind, options.seconds, options.start_at)
        return
    for kind in KINDS:
        for processes in map(int, options.processes.split(",")):
            print(json.dumps(together(kind, processes, options.seconds, options.sync)), flush=True)


if __name__ == "__main__":
    main()
