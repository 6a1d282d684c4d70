"""What the tail of a segment tells of traces, line by line."""

from __future__ import annotations

import fcntl
import zlib
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from exporters.duckdb.reading import tail
from exporters.duckdb.reading.tail import (
    ENDED,
    TROUBLE,
    Piece,
    chunks,
    read_places,
    scan_chunk,
    sound,
)
from exporters.duckdb.recording.lines import encode_line, loss_line, span_line, trace_line
from tracer.snapshot import SpanRecord, TraceRecord, Usage

TEXT = st.text(max_size=8)
TIMES = st.integers(0, 2**62)
METADATA = st.one_of(
    st.none(),
    st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-5, 5), st.lists(TEXT, max_size=2))),
)


@st.composite
def records(draw: st.DrawFn) -> TraceRecord | SpanRecord:
    """A trace or span as it starts or ends."""
    metadata = draw(METADATA)
    start = draw(TIMES)
    ended = draw(st.booleans())
    known: dict[str, Any] = {
        "trace_id": draw(st.sampled_from(["t1", "t2", 'odd "id"'])),
        "name": draw(TEXT),
        "group_id": draw(st.one_of(st.none(), TEXT)),
        "metadata": None if metadata is None else orjson.dumps(metadata),
        "start_ns": start,
        "end_ns": start + 5 if ended else None,
        "status": draw(st.sampled_from(["ok", "error"])) if ended else "running",
        "error": None,
        "input": draw(st.sampled_from([None, b'"x"', (b"{}",)])),
        "output": None,
    }
    if draw(st.booleans()):
        return TraceRecord(**known)
    return SpanRecord(
        **known,
        span_id=draw(st.sampled_from(["a", "b", "c"])),
        parent_id=draw(st.sampled_from([None, "a"])),
        trace_name=draw(st.one_of(st.none(), TEXT)),
        type=draw(st.sampled_from(["custom", "guardrail"])),
        data=draw(st.sampled_from([b"{}", b'{"triggered":true}'])),
        model=None,
        usage=Usage(None, None, None, None),
        instructions=None,
        tools=None,
        attributes={},
        first_token_ns=None,
    )


def line_of(record: TraceRecord | SpanRecord) -> bytes:
    """The line that the recorder writes."""
    made = span_line(record) if isinstance(record, SpanRecord) else trace_line(record)
    made.fields["seq"], made.fields["owner"] = 1, "host-1-00000001"
    return encode_line(made)[0]


@given(made=st.lists(records(), max_size=6))
def test_agrees(made: list[TraceRecord | SpanRecord]) -> None:
    """The pattern says of every line of the recorder's what parsing all of it says."""
    data = b"".join(line_of(record) for record in made)
    # A key more, in front, is of another writer: parsed.
    odd = [orjson.loads(line) for line in data.splitlines()]
    other = b"".join(_sealed({"x": 1, **fields}) for fields in odd)
    found, parsed = scan_chunk(data, 0).pieces, scan_chunk(other, 0).pieces

    assert {key: _told(piece) for key, piece in found.items()} == {
        key: _told(piece) for key, piece in parsed.items()
    }


def test_pattern(monkeypatch: Any) -> None:
    """Lines of the recorder are told without parsing them, and superseded ones not even checked."""
    data = orjson.dumps({"user": "u"})
    record = TraceRecord("t", "n", "g", data, 5, None, "running", None, None, None)
    lines = [line_of(record), line_of(record._replace(end_ns=9, status="ok"))]
    parsed: list[bytes] = []
    monkeypatch.setattr(tail, "_scan_odd", lambda found, line, offset: parsed.append(line))
    piece = scan_chunk(b"".join(lines), 100).pieces["t"]

    assert parsed == []
    assert (piece.start, piece.end, piece.flags, piece.name, piece.group) == (5, 9, ENDED, "n", "g")
    assert list(read_places(piece.places())) == [(100 + len(lines[0]), len(lines[1]) - 1)]
    assert (piece.ended, piece.began, piece.late) == ({""}, set(), set())


def test_damaged() -> None:
    """A damaged line is counted and tells nothing; an item's is not looked at until it is read."""
    record = TraceRecord("t", "n", None, None, 5, 9, "error", None, None, None)
    good = line_of(record)
    item = b'{"crc":"00000000","k":"item","v":2,"seq":1,"hash":"x","value":1}\n'
    found = scan_chunk(good + good.replace(b'"n"', b'"m"') + b"rubbish\n" + item, 0)

    assert found.bad == 2
    assert found.pieces["t"].flags == ENDED | TROUBLE
    assert sound(item.strip()) is None


def test_losses() -> None:
    """Losses are counted by reason."""
    lines = [encode_line(loss_line("x", "full", n, None, 5))[0] for n in (2, 3)]

    assert tail.losses_by_reason(scan_chunk(b"".join(lines), 0).losses) == {"full": 5}


def test_chunks(tmp_path: Path, monkeypatch: Any) -> None:
    """A segment comes in whole lines, however long they are, and without the torn last one."""
    monkeypatch.setattr(tail, "CHUNK", 7)
    path = tmp_path / "segment"
    path.write_bytes(b"one\ntwo two two two\nthree\nfo")

    found = list(chunks(path, 0))
    assert b"".join(data for _, data in found) == b"one\ntwo two two two\nthree\n"
    assert all(data.endswith(b"\n") for _, data in found)
    assert [offset for offset, _ in found] == [0, 4, 20]
    assert list(chunks(path, 20)) == [(20, b"three\n")]


def test_lacks_newline(tmp_path: Path) -> None:
    """A last line that lacks only its newline is whole once its writer is gone."""
    path = tmp_path / "1700000000000-elsewhere-1-beef.ndjson"
    first, last = (encode_line(loss_line("x", "full", n, None, 5))[0] for n in (2, 3))
    with path.open("wb", buffering=0) as file:
        file.write(first + last[:-1])
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(chunks(path, 0)) == [(0, first)]

    assert list(chunks(path, 0)) == [(0, first), (len(first), last[:-1])]
    assert list(chunks(path, len(first))) == [(len(first), last[:-1])]
    assert scan_chunk(last[:-1], len(first)).losses[0].items == 3
    path.write_bytes(first + last[:-2])
    assert list(chunks(path, 0)) == [(0, first)]


def _told(piece: Piece) -> Any:
    return (piece.start, piece.end, piece.flags, piece.name, piece.group, piece.ended,
            piece.began, piece.late)  # fmt: skip


def _sealed(fields: dict[str, Any]) -> bytes:
    body = orjson.dumps({key: value for key, value in fields.items() if key != "crc"})[1:]
    return b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body)
