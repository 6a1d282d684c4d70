"""A limit of the disk holds while programs record far more than it allows."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from exporters.duckdb.footprint import size_of
from exporters.duckdb.layout import Layout
from exporters.duckdb.pile import is_compacting
from tracer.config import child_environ, settings

WRITER = Path(__file__).with_name("limited_writer.py")
FLIGHTLOG = str(Path(sys.executable).with_name("flightlog"))
WRITERS = 2


@pytest.mark.timeout(600)
def test_overfilled(torture: bool) -> None:
    """Ten times the limit is recorded, and the store never takes a tenth more than it.

    What is there is the newest, each trace whole; nobody who recorded was held up or told of it.
    """
    limit, rate = (40_000_000, 8.0) if torture else (10_000_000, 2.5)
    environ = child_environ(FLIGHTLOG_MAX_DISK=str(limit))
    layout = Layout.of(settings().store)
    each = str(limit * 10 / WRITERS / 1e6) if torture else str(limit * 4 / WRITERS / 1e6)
    writers = [
        subprocess.Popen(
            [sys.executable, str(WRITER), name, each, str(rate)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    largest = 0
    while any(writer.poll() is None for writer in writers):
        largest = max(largest, size_of(layout.root))
        time.sleep(0.02)
    told = [writer.communicate() for writer in writers]
    deadline = time.monotonic() + 60
    while is_compacting(layout) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert [writer.returncode for writer in writers] == [0, 0], told
    assert [errors for _, errors in told] == ["", ""]
    assert largest <= limit * 1.1
    assert size_of(layout.root) <= limit * 1.1
    asked = subprocess.run(
        [FLIGHTLOG, "sql", "--format", "json", "--limit", "100000",
         "select name, span_count as n, status from traces order by name"],
        env=environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    left = json.loads(asked.stdout)
    assert {(trace["n"], trace["status"]) for trace in left} == {(10, "ok")}
    recorded = dict(zip("ab", (int(output) for output, _ in told), strict=True))
    numbers = [trace["name"].split() for trace in left]
    counted = Counter(name for name, _ in numbers)
    for name, count in recorded.items():
        assert 0 < counted[name] < count
        assert [name, str(count - 1)] in numbers
