"""A limit of the disk holds while programs record far more than it allows."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.purges import open_purges
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.retention import Limits
from tracer.config import child_environ

WRITER = Path(__file__).with_name("limited_writer.py")
FLIGHTLOG = str(Path(sys.executable).with_name("flightlog"))
WRITERS = "ab"


def finish(layout: Layout, limits: Limits) -> None:
    """Compact what is there, after whoever was at it, until nothing is left to do."""
    deadline = time.monotonic() + 150
    while compact(layout.catalog, limits=limits).busy or open_purges(layout):
        assert time.monotonic() < deadline, "compaction did not come to an end"
        time.sleep(0.05)


@pytest.mark.timeout(900)
def test_overfilled(tmp_path: Path, torture: bool) -> None:
    """Far more than the limit is recorded, and the store never takes a tenth more than it.

    What is there is the newest, as much of it as there is room for, each trace whole; nobody who
    recorded was told of it. One records as fast as it can, the other one at a pace or as fast too.
    """
    if torture:
        overfill(tmp_path / "paced.duckdb", 40_000_000, 10, 8.0)
        overfill(tmp_path / "fast.duckdb", 40_000_000, 10, 1000.0)
    else:
        overfill(tmp_path / "mixed.duckdb", 10_000_000, 2, 4.0)


def overfill(store: Path, limit: int, times: int, pace: float) -> None:
    """Record so many times the limit; the second of the two at a pace, in megabytes a second."""
    environ = child_environ(FLIGHTLOG_MAX_DISK=str(limit), FLIGHTLOG_STORE=str(store))
    layout = Layout.of(store)
    each = str(limit * times / len(WRITERS) / 1e6)
    writers = [
        subprocess.Popen(
            [sys.executable, str(WRITER), name, each, str(rate)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, rate in zip(WRITERS, (1000.0, pace), strict=True)
    ]
    sizes = [0]
    while any(writer.poll() is None for writer in writers):
        sizes.append(size_of(layout.root))
        time.sleep(0.02)
    told = [writer.communicate() for writer in writers]
    sizes.append(size_of(layout.root))
    finish(layout, Limits(limit))

    assert [writer.returncode for writer in writers] == [0, 0], told
    assert [errors for _, errors in told] == ["", ""]
    assert size_of(layout.root) <= limit
    if times >= 10:  # how near it comes depends on what else the machine has to do
        assert limit * 0.6 <= max(sizes) <= limit * 1.1
        assert size_of(layout.root) >= limit * 0.25
    asked = subprocess.run(
        [FLIGHTLOG, "sql", "--format", "json", "--limit", "100000",
         "select name, span_count as n, status from traces order by start_ns"],
        env=environ, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    left = json.loads(asked.stdout)
    assert {(trace["n"], trace["status"]) for trace in left} == {(10, "ok")}
    recorded = {name: int(output) for name, (output, _) in zip(WRITERS, told, strict=True)}
    name, number = left[-1]["name"].split()
    assert int(number) == recorded[name] - 1  # the last of whoever recorded last
    assert 0 < len(left) < sum(recorded.values())
