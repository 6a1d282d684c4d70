"""The tail of segments: what their lines say of traces, and where the lines are.

Nothing of a line is kept but what the index needs; a trace's lines are read again, from their
places, when somebody asks for it. The head of a line has a fixed order of keys, so that nearly
all lines are told by one pattern and only odd ones are parsed whole.
"""

from __future__ import annotations

import os
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from exporters.duckdb.layout import is_locked

CHUNK = 16 * 1024 * 1024
_BODY = 18  # len('{"crc":"00000000",')
_CRC = re.compile(rb'\{"crc":"([0-9a-f]{8})",')
_TEXT = rb'"([^"\\]*)"'
_HEAD = re.compile(
    rb'\{"crc":"([0-9a-f]{8})","k":"(span|trace)","v":\d+,"rev":([01]),"trace_id":' + _TEXT
    + rb'(?:,"span_id":' + _TEXT + rb')?(?:,"trace_name":' + _TEXT + rb')?,"name":' + _TEXT
    + rb'(?:,"type":' + _TEXT + rb')?,"start_ns":([0-8]?\d{1,18}),"status":"([a-z]+)"'
    rb'(?:,"parent_id":"[^"\\]*")?(?:,"trace_name":' + _TEXT + rb')?(?:,"group_id":' + _TEXT
    # An object without nested ones and without a backslash: no key of it can end the match.
    + rb')?(?:,"metadata":\{[^{}\\]*\})?(?:,"end_ns":([0-8]?\d{1,18}))?'
    # None of those may have been passed over for a backslash in it.
    rb'(?!,"(?:parent_id|trace_name|group_id)":)[,}]'
)  # fmt: skip
_BEGUN = re.compile(
    rb'\{"crc":"[0-9a-f]{8}","k":"(?:span|trace)","v":\d+,"rev":0,"trace_id":' + _TEXT
    + rb'(?:,"span_id":' + _TEXT + rb')?,'
)  # fmt: skip
_ITEM = b'"k":"item"'
_LATEST = 2**63 - 1

ENDED, OPEN, TROUBLE = 1, 2, 4


@dataclass(slots=True)
class Piece:
    """What one chunk of a segment has of one trace.

    Attributes:
        start: Its earliest start; 0 where none is known.
        end: Its latest end, or 0.
        flags: ENDED, OPEN and TROUBLE.
        name: The trace's name.
        group: The trace's group.
        lines: Offset and length of the line of each span, and of the trace's own as ''.
        ended: Ids that ended.
        began: Ids that started and did not end.
        late: Ids that ended and did not start here.
    """

    start: int = 0
    end: int = 0
    flags: int = 0
    name: str | None = None
    group: str | None = None
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    began: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)

    def places(self) -> bytes:
        """Offsets and lengths in a row, as `read_places` takes them."""
        flat = array("Q")
        for place in self.lines.values():
            flat.extend(place)
        return flat.tobytes()


@dataclass(slots=True)
class Loss:
    """A line that counts what was lost."""

    reason: str
    items: int
    trace_id: str | None
    exporter: str


@dataclass(slots=True)
class Chunk:
    """What a run of whole lines of one segment says."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    bad: int = 0


def read_places(places: bytes) -> Iterator[tuple[int, int]]:
    """Offset and length of each line."""
    flat = array("Q")
    flat.frombytes(places)
    it = iter(flat)
    return zip(it, it, strict=True)


def chunks(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines from an offset on to what is the end now, with the offset of each chunk.

    The last line counts without its newline if its checksum holds and its writer is gone.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        # Only what is there now: a writer that never pauses would keep us here for ever.
        left = os.fstat(file.fileno()).st_size - offset
        file.seek(offset)
        rest = b""
        while left > 0 and (data := file.read(min(left, CHUNK))):
            left -= len(data)
            data = rest + data if rest else data
            cut = data.rfind(b"\n") + 1
            if cut:
                yield offset, data[:cut] if cut < len(data) else data
                offset += cut
            rest = data[cut:]
        # Who died in a write may have got to all of the last line but its newline.
        if rest and sound(rest) is not None and not is_locked(path):
            yield offset, rest


def scan_chunk(data: bytes, offset: int) -> Chunk:
    """What whole lines say, of which the first one is at `offset` of its segment.

    Looks at the last line first: what a span said at its start is of no interest after its end.
    """
    found = Chunk()
    over: dict[tuple[bytes, bytes | None], tuple[Piece, str]] = {}  # what has ended, and where
    view = memoryview(data)
    end = len(data)
    while end > 0:
        end -= data.endswith(b"\n", 0, end)
        start = data.rfind(b"\n", 0, end) + 1
        if data.startswith(_ITEM, start + _BODY):  # checked when somebody needs it
            pass
        elif (begun := _BEGUN.match(data, start, end)) is not None and (
            (known := over.get(begun.groups())) is not None  # type: ignore[arg-type]
        ):
            known[0].late.discard(known[1])  # a start whose end is further on
        elif (match := _HEAD.match(data, start, end)) is None or (
            (match[3] == b"1") != (match[13] is not None)
        ):
            _scan_odd(found, data[start:end], offset + start)
        elif int(match[1], 16) != zlib.crc32(view[start + _BODY : end]):
            found.bad += 1
        else:
            _, kind, _, trace, span, _, own, type, began, status, name, group, ended = (
                match.groups()
            )
            span_id = "" if span is None else span.decode("utf-8", "replace")
            said = (
                trace.decode("utf-8", "replace"),
                span_id,
                (offset + start, end - start),
                int(began),
                None if ended is None else int(ended),
                status == b"error"
                or (type == b"guardrail" and data.find(b'"triggered":true', start, end) >= 0),
                own if kind == b"trace" else name,
                group,
            )
            piece = _add(found, said)
            if ended is not None:
                over[trace, span] = piece, span_id
        end = start
    return found


def sound(line: bytes) -> dict[str, Any] | None:
    """A line's fields; None if it is damaged."""
    match = _CRC.match(line)
    if match is None or int(match[1], 16) != zlib.crc32(memoryview(line)[_BODY:]):
        return None
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def is_item(line: bytes) -> bool:
    """Whether a line is shared content, by its head."""
    return line.startswith(_ITEM, _BODY)


def _scan_odd(found: Chunk, line: bytes, offset: int) -> None:
    """A line that the pattern does not tell: nested metadata, escapes, a loss, another writer's."""
    if not line:
        return
    fields = sound(line)
    if fields is None:
        found.bad += 1
        return
    kind = fields.get("k")
    if kind == "loss":
        reason, items, trace = (fields.get(key) for key in ("reason", "items", "trace_id"))
        if isinstance(items, int):
            known = trace if isinstance(trace, str) else None
            found.losses.append(Loss(str(reason), items, known, str(fields.get("exporter"))))
        return
    if kind not in ("span", "trace") or not is_record(fields):
        return
    ended = fields.get("end_ns")
    data = fields.get("data")
    said = (
        fields["trace_id"],
        fields["span_id"] if kind == "span" else "",
        (offset, len(line)),
        fields.get("start_ns") or 0,
        ended,
        fields.get("status") == "error"
        or (
            fields.get("type") == "guardrail"
            and (not isinstance(data, dict) or data.get("triggered") is True or "$ref" in data)
        ),
        fields.get("name") if kind == "trace" else fields.get("trace_name"),
        fields.get("group_id"),
    )
    _add(found, said)


def is_record(fields: dict[str, Any]) -> bool:
    """Whether the fields of a span or trace are of the types that they should be."""
    if not isinstance(fields.get("trace_id"), str):
        return False
    if fields.get("k") == "span" and not isinstance(fields.get("span_id"), str):
        return False
    return all(
        value is None or (isinstance(value, int) and 0 <= value <= _LATEST)
        for value in (fields.get("start_ns"), fields.get("end_ns"))
    ) and all(
        value is None or isinstance(value, str)
        for value in (fields.get(key) for key in ("name", "trace_name", "group_id", "status"))
    )


# What a line says: trace; span, '' for the trace's own; place; start; end; whether it is trouble;
# the trace's name; its group. Plain, as there are millions of them.
_Said = tuple[
    str, str, tuple[int, int], int, int | None, bool, bytes | str | None, bytes | str | None
]


def _add(found: Chunk, said: _Said) -> Piece:
    """Take in what a line says, and give what it belongs to."""
    trace, span, place, start, end, trouble, name, group = said
    piece = found.pieces.get(trace)
    if piece is None:
        piece = found.pieces[trace] = Piece()
    if span in piece.ended:
        if end is None:
            piece.late.discard(span)
        return piece
    if start and (not piece.start or start < piece.start):
        piece.start = start
    if end is None:
        piece.began.add(span)
    else:
        _end(piece, span, end)
    piece.lines.setdefault(span, place)
    if trouble:
        piece.flags |= TROUBLE
    if name is not None and (piece.name is None or not span):
        piece.name = _text(name)
    if group is not None and piece.group is None:
        piece.group = _text(group)
    return piece


def _end(piece: Piece, span: str, end: int) -> None:
    piece.ended.add(span)
    if span in piece.began:  # a start that was written after its end
        piece.began.discard(span)
        del piece.lines[span]
    else:
        piece.late.add(span)
    piece.end = max(piece.end, end)
    if not span:
        piece.flags |= ENDED


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def losses_by_reason(losses: list[Loss]) -> Counter[str]:
    """How many items were lost for which reason."""
    counted: Counter[str] = Counter()
    for loss in losses:
        counted[loss.reason] += loss.items
    return counted
