"""Kills of whoever deletes: what stays is whole, and what was to go is finished the next time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporters.duckdb.footprint import footprint
from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.purges import open_purges
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.retention import Limits

RETAINER = Path(__file__).with_name("retainer.py")
MONTH_S, DAY_NS = 30 * 86_400, 86_400 * 10**9
BRIEF = ("sources buried",)
WHOLE = ("remembered", "buried", "committed", "emptied", "cleared", "settled")


def record(journal: Journal, days: int, *, ended: bool = True) -> None:
    """A trace of three spans that began so many days ago."""
    start = time.time_ns() - days * DAY_NS
    trace = {"trace_id": f"t{days}", "start_ns": start, "name": f"t{days}"}
    journal.append(Line({"k": "trace", "v": 2, "rev": 0, **trace}, {}))
    for number in range(3):
        span = {"trace_id": f"t{days}", "span_id": f"s{days}_{number}", "start_ns": start + number}
        text = os.urandom(20_000).hex()
        journal.append(
            Line({"k": "span", "v": 2, "rev": 1, **span, "end_ns": start + 9, "name": text}, {})
        )
    if ended:
        journal.append(Line({"k": "trace", "v": 2, "rev": 1, **trace, "end_ns": start + 10}, {}))


def spans(layout: Layout) -> dict[str, int]:
    """How many spans there are of which trace, each once."""
    with contextlib.closing(Reader(layout)) as reader:
        reader.refresh()
        found = reader.query(
            "select trace_id, count(*), count(distinct span_id) from spans group by trace_id"
        )
    assert all(count == distinct for _, count, distinct in found)
    return {trace_id: count for trace_id, count, _ in found}


def kill_at(store: Path, step: str, *, max_bytes: int = 0, max_age_s: int = 0) -> None:
    """Have a process compact within limits, which dies at a step."""
    command = [sys.executable, str(RETAINER), str(store), step, str(max_bytes), str(max_age_s)]
    died = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr


def whole(*days: int) -> dict[str, int]:
    """These traces with all their spans."""
    return {f"t{number}": 3 for number in days}


def test_killed(tmp_path: Path, torture: bool) -> None:
    """Killed at any step of a deletion: nothing else is touched, and the next one finishes it."""
    for step in (*BRIEF, *WHOLE) if torture else BRIEF:
        store = tmp_path / step / "traces.duckdb"
        layout = Layout.of(store)
        one = Journal(store, fallback=None, sync="batch")
        record(one, 60)
        one.seal()
        compact(store)
        record(one, 50)
        record(one, 5)
        record(one, 40, ended=False)
        one.seal()
        compact(store)
        record(one, 51)
        record(one, 6)
        one.close()

        kill_at(store, step, max_age_s=MONTH_S)

        assert spans(layout).items() >= whole(5, 6).items(), step
        compact(store, limits=Limits())
        assert set(spans(layout).values()) == {3}, step
        compact(store, limits=Limits(max_age_s=MONTH_S))
        assert spans(layout) == whole(5, 6), step
        assert open_purges(layout) == []


@pytest.mark.parametrize("step", ["remembered", "shed"])
def test_killed_shedding(tmp_path: Path, step: str) -> None:
    """Killed while segments are deleted: the newest are whole, and no trace is left in part."""
    store = tmp_path / "traces.duckdb"
    layout = Layout.of(store)
    one = Journal(store, fallback=None, sync="batch")
    for days in range(20, 0, -1):
        record(one, days)
        if days % 2:
            one.seal()
    one.close()
    limit = footprint(layout).total // 2

    kill_at(store, step, max_bytes=limit)

    assert spans(layout).items() >= whole(1, 2, 3).items()
    compact(store, limits=Limits(limit))
    left = spans(layout)
    assert left == whole(*range(1, len(left) + 1))
    assert 3 <= len(left) < 20
    assert open_purges(layout) == []
    assert footprint(layout).total <= limit
