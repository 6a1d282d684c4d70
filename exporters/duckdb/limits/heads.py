"""Heads of lines: which traces a segment has rows of, without parsing what they say.

A trace of which a segment still has rows cannot be deleted from the parts alone: it would come
back broken. And where segments come faster than they can be compacted, whole segments have to go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from exporters.duckdb.layout import Layout, SegmentName, scan

# As the recorder writes them; any other line is searched for what looks like an id.
_LINE = re.compile(
    rb'\{"crc":"[0-9a-f]{8}","k":"(\w+)",'
    rb'(?:"v":\d+,"rev":(\d),"trace_id":"((?:[^"\\]|\\.)*)")?'
)
_TRACE = re.compile(rb'"trace_id":"((?:[^"\\]|\\.)*)"')
_OF_TRACES = (b"item", b"span", b"trace")
_REMEMBERED = 4096


@dataclass(slots=True)
class Head:
    """What a segment has of one trace: bytes, its items' included, and whether its end is there."""

    bytes: int = 0
    ended: bool = False


@dataclass(slots=True)
class Heads:
    """What a segment has.

    Attributes:
        size: Bytes that were read of it.
        traces: Its traces by id. Data that looks like an id may be among them.
        more: Whether it has lines beside those of traces: losses, or what is no line of ours.
        torn: Whether it ends in the middle of a line.
    """

    size: int = 0
    traces: dict[str, Head] = field(default_factory=dict)
    more: bool = False
    torn: bool = False


_known: dict[SegmentName, Heads] = {}


def heads(layout: Layout, name: SegmentName) -> Heads:
    """What a segment has; of one that has grown only that is read.

    Raises:
        OSError: If it cannot be read.
    """
    path = layout.segment(name)
    try:
        found = _known.get(name) or Heads()
        size = path.stat().st_size
        if found.size == size:
            return found
        if found.size > size or found.torn:
            found = Heads()
        # Read, not mapped: its writer may cut it short, and a page that is gone would kill us.
        with path.open("rb") as file:
            file.seek(found.size)
            _add(found, file.read())
    except FileNotFoundError:
        return Heads()
    if len(_known) >= _REMEMBERED:
        _known.clear()
    _known[name] = found
    return found


def other_lines(layout: Layout, name: SegmentName) -> bytes:
    """The lines of a segment that are of no trace, as they stand.

    Raises:
        OSError: If it cannot be read.
    """
    lines = layout.segment(name).read_bytes().split(b"\n")
    return b"".join(line + b"\n" for line in lines if line and _kind(line) not in _OF_TRACES)


def held_traces(layout: Layout, wanted: Collection[str] | None = None) -> frozenset[str]:
    """Ids of traces with lines in segments that count, of those wanted or of all.

    Raises:
        OSError: If a segment cannot be read.
    """
    if wanted is not None and not wanted:
        return frozenset()
    found: set[str] = set()
    for name in scan(layout).live_segments:
        found.update(heads(layout, name).traces)
    return frozenset(found if wanted is None else found.intersection(wanted))


def _add(found: Heads, data: bytes) -> None:
    """Count in what a segment has beside what is known of it."""
    found.size += len(data)
    found.torn = not data.endswith(b"\n")
    raw: dict[bytes, Head] = {}
    waiting = 0  # items come before the line that refers to them
    for line in data.split(b"\n"):
        match = _LINE.match(line)
        kind = b"" if match is None else match[1]
        if kind == b"item":
            waiting += len(line) + 1
        elif match is not None and kind in (b"span", b"trace") and match[3] is not None:
            head = raw.setdefault(match[3], Head())
            head.bytes += len(line) + 1 + waiting
            head.ended |= kind == b"trace" and match[2] == b"1"
            waiting = 0
        elif line:
            found.more = True
            if kind not in (b"loss", b"delivery"):
                for each in _TRACE.findall(line):
                    raw.setdefault(each, Head())
    for each, head in raw.items():
        whole = found.traces.setdefault(_decoded(each), Head())
        whole.bytes += head.bytes
        whole.ended |= head.ended


def _kind(line: bytes) -> bytes:
    """The kind of a line; empty where it is none of ours."""
    match = _LINE.match(line)
    if match is None or (match[1] in (b"span", b"trace") and match[3] is None):
        return b""
    return match[1]


def _decoded(raw: bytes) -> str:
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        return str(json.loads(b'"%b"' % raw))
    except ValueError:
        return raw.decode("utf-8", "replace")
