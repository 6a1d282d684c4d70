"""Which traces a segment has, from the beginnings of its lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from exporters.duckdb.layout import Layout, list_segments, parse_segment
from exporters.duckdb.limits.heads import heads, held_traces
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line, loss_line


def test_heads(store: Path, journal: Callable[..., Journal]) -> None:
    """Each trace with its bytes and whether it ended; ids may be any text."""
    layout = Layout.of(store)
    one = journal()
    strange = 'a"b\\ü\n'
    fields = {"k": "span", "v": 2, "rev": 1, "start_ns": 1, "end_ns": 2, "span_id": "s"}
    item = {"0" * 32: json.dumps("x" * 5000).encode()}
    one.append(Line({"k": "span", "v": 2, "rev": 0, "trace_id": strange, "data": {"a": 1}}, {}))
    one.append(Line({**fields, "trace_id": "t"}, item))
    one.append(Line({"k": "trace", "v": 2, "rev": 1, "trace_id": "t", "end_ns": 3}, {}))
    (name,) = list_segments(layout)

    found = heads(layout, name)
    assert {key: head.ended for key, head in found.traces.items()} == {strange: False, "t": True}
    assert 5000 < found.traces["t"].bytes < 6000
    assert sum(head.bytes for head in found.traces.values()) <= found.size
    assert heads(layout, name) is found

    one.append(loss_line("duckdb", "lost", 1, "other", 1))
    again = heads(layout, name)
    assert again.more
    assert again.traces.keys() == found.traces.keys()
    assert held_traces(layout) == {strange, "t"}
    assert held_traces(layout, ["t", "none"]) == {"t"}
    one.close()


def test_strange_lines(store: Path, journal: Callable[..., Journal]) -> None:
    """A line that is not as ours are may hold any trace; a segment that is gone has none."""
    layout = Layout.of(store)
    one = journal()
    one.append(Line({"k": "span", "v": 2, "rev": 1, "trace_id": "t"}, {}))
    one.close()
    (name,) = list_segments(layout)
    with layout.segment(name).open("ab") as file:
        file.write(b'{"v":1,"trace_id":"older","k":"span"}\ntorn')

    found = heads(layout, name)
    assert found.more
    assert found.traces.keys() == {"t", "older"}
    gone = parse_segment("1700000000000-vm-7-beef.ndjson")
    assert gone is not None
    assert heads(layout, gone).traces == {}
