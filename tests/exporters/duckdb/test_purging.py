"""Purging on demand: what the plan says is what goes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pins import pin, pinned
from exporters.duckdb.purging import Selection, plan, purge
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact

Make = Callable[..., Journal]


def record(journal: Journal, name: str, spans: int = 4) -> None:
    """A trace whose spans have 20 kB each that do not compress much."""
    for number in range(spans):
        text = json.dumps(os.urandom(10_000).hex()).encode()
        item = blake2b(text, digest_size=16).hexdigest()
        span = {"k": "span", "v": 2, "rev": 1, "trace_id": name, "span_id": f"{name}-{number}"}
        times = {"start_ns": 10**18, "end_ns": 10**18 + 1, "input": {"refs": [item]}}
        journal.append(Line(span | times, {item: text}))
    trace = {"k": "trace", "v": 2, "rev": 1, "trace_id": name, "name": name}
    journal.append(Line(trace | {"start_ns": 10**18, "end_ns": 10**18 + 2}, {}))


def freed(layout: Layout, selection: Selection) -> tuple[int, int]:
    """Bytes that were to go, and bytes that went."""
    planned = plan(layout, selection)
    done = purge(layout, planned)
    assert not done.waiting
    assert not done.problems
    return planned.bytes + planned.spare, done.bytes_before - done.bytes_after


def test_bytes_of_parts(store: Path, journal: Make) -> None:
    """What is to go of parts is what goes, to a fifth: some traces, then all that is left."""
    one = journal()
    for number in range(4):
        for trace in range(4):
            record(one, f"t{number}-{trace}", 1 + 4 * number)
        one.seal()
        compact(store)
    one.close()
    compact(store, grace_s=-10)
    compact(store, grace_s=-10)
    layout = Layout.of(store)

    for selection in (
        Selection(traces=["t3-1"]),
        Selection(traces=["t0-0", "t1-1", "t3-0", "t3-2"]),
        Selection(everything=True),
    ):
        said, went = freed(layout, selection)
        assert said == pytest.approx(went, rel=0.2)


def test_bytes_replaced(store: Path, journal: Make) -> None:
    """Segments that parts have replaced go with any trace, and are counted apart from it."""
    one = journal()
    for number in range(8):
        record(one, f"t{number}")
    one.close()
    compact(store)

    planned = plan(Layout.of(store), Selection(traces=["t1"]))
    assert planned.bytes < 4 * 20_000 < 7 * 4 * 20_000 < planned.spare
    assert plan(Layout.of(store), Selection(traces=["none"])).spare == 0
    everything = plan(Layout.of(store), Selection(everything=True))
    assert everything.bytes > planned.spare
    assert everything.spare == 0
    said, went = freed(Layout.of(store), Selection(traces=["t1"]))
    assert said > 8 * 4 * 20_000
    assert said == pytest.approx(went, rel=0.2)


def test_bytes_of_segments(store: Path, journal: Make) -> None:
    """Of a segment those lines count that belong to what goes, and nothing counts twice."""
    one = journal()
    record(one, "small", 1)
    record(one, "large", 30)
    one.close()
    layout = Layout.of(store)

    assert plan(layout, Selection(traces=["small"])).bytes == pytest.approx(20_500, rel=0.1)
    assert plan(layout, Selection(traces=["large"])).bytes == pytest.approx(615_000, rel=0.1)
    assert plan(layout, Selection(traces=["none"])).bytes == 0


def test_pins_go(store: Path, journal: Make) -> None:
    """The pin of a trace that is deleted on purpose goes with it; other pins stay."""
    one = journal()
    for name in ("a", "b", "c"):
        record(one, name, 1)
    one.close()
    layout = Layout.of(store)
    for name in ("a", "b", "long gone"):
        pin(layout, name)

    freed(layout, Selection(traces=["a", "c"], pinned_too=True))
    assert pinned(layout) == {"b", "long gone"}
    freed(layout, Selection(everything=True))
    assert pinned(layout) == {"b", "long gone"}
    freed(layout, Selection(everything=True, pinned_too=True))
    assert pinned(layout) == frozenset()
