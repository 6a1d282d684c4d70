"""Lines: what is written is what is read, whatever it was, and damage shows."""

from __future__ import annotations

import json
import zlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.duckdb.lines import (
    OVERSIZE,
    check_line,
    encode_item,
    encode_line,
    loss_line,
    span_line,
    split_lines,
)
from exporters.duckdb.schema import INLINE_LIMIT, LINE_LIMIT
from tracer.encoding import as_text, encode
from tracer.snapshot import SpanRecord, Usage

_SPAN = SpanRecord(
    trace_id="trace_1",
    span_id="span_1",
    parent_id=None,
    trace_name="t",
    group_id=None,
    metadata=None,
    name="s",
    type="custom",
    start_ns=1,
    end_ns=2,
    status="ok",
    error=None,
    model=None,
    usage=Usage(),
    input=None,
    output=None,
    instructions=None,
    tools=None,
    data=b"{}",
    attributes={},
)


def _line(**changes: Any) -> tuple[dict[str, Any], dict[str, bytes], int]:
    line = span_line(_SPAN._replace(**changes))
    line.fields.update(seq=1, owner="vm-1-ab")
    data, lost = encode_line(line)
    assert data.endswith(b"\n")
    assert check_line(data[:-1])
    assert len(data) <= LINE_LIMIT
    return json.loads(data), line.items, lost + line.lost


def test_shape() -> None:
    """A line begins with checksum and kind, and leaves out what is null."""
    data, _ = encode_line(span_line(_SPAN))

    assert data.startswith(b'{"crc":"')
    assert data[16:32] == b'","k":"span","v"'
    assert int(data[8:16], 16) == zlib.crc32(data[18:-1])
    assert b"null" not in data


def test_items() -> None:
    """A list is kept by the hashes of its elements, one that comes twice only once."""
    row, items, _ = _line(input=(b'"a"', b'"b"', b'"a"'), instructions=b'"be kind"')

    refs = row["input"]["refs"]
    assert refs[0] == refs[2] != refs[1]
    assert [items[name] for name in refs] == [b'"a"', b'"b"', b'"a"']
    assert items[row["instructions"]["ref"]] == b'"be kind"'
    assert len(items) == 3


def test_items_again() -> None:
    """Content that was seen lately has the name it had, and is there again, alone or with new."""
    old = (b'"seen 1"', b'"seen 2"')
    first, _, _ = _line(input=old)

    same, items, _ = _line(input=old)
    more, all_items, _ = _line(input=(*old, b'"new"'))

    assert same["input"] == first["input"]
    assert sorted(items.values()) == sorted(old)
    assert more["input"]["refs"][:2] == first["input"]["refs"]
    assert sorted(all_items.values()) == sorted((*old, b'"new"'))


def test_large_values() -> None:
    """A value over the limit is an item; one at the limit stays in place."""
    small, large = encode("x" * (INLINE_LIMIT - 2)), encode("x" * (INLINE_LIMIT - 1))

    row, items, lost = _line(input=small, output=large, data=encode({"d": "y" * INLINE_LIMIT}))

    assert row["input"]["value"] == json.loads(small)
    assert items[row["output"]["ref"]] == large
    assert items[row["data"]["$ref"]] == encode({"d": "y" * INLINE_LIMIT})
    assert lost == 0


def test_oversize_item() -> None:
    """A value that fits into no line is replaced by a mark that says how large it was."""
    huge = encode("x" * LINE_LIMIT)

    row, items, lost = _line(input=(b'"a"', huge), output=huge)

    assert lost == 2
    mark = {"flightlog.lost": OVERSIZE, "bytes": len(huge)}
    assert json.loads(items[row["input"]["refs"][1]]) == mark
    assert json.loads(items[row["output"]["ref"]]) == mark
    assert all(len(encode_item(name, value, 1)) < 1000 for name, value in items.items())


def test_oversize_rest() -> None:
    """Names, attributes and lists that make a line too long are cut, marked and counted."""
    row, _, lost = _line(
        name="n" * LINE_LIMIT,
        attributes={"a": "v" * LINE_LIMIT, "b": "kept"},
        input=tuple(b"%d" % number for number in range(500_000)),
    )

    assert lost == 3
    assert row["name"].startswith("nnn")
    assert row["attributes"] == {"a": f"<lost: {OVERSIZE}, {LINE_LIMIT} characters>", "b": "kept"}
    assert row["input"]["value"] == {"flightlog.lost": OVERSIZE, "items": 500_000}


def test_many_attributes() -> None:
    """More attributes than fit are left out and counted."""
    row, _, lost = _line(attributes={f"k{n}": "v" * 60_000 for n in range(400)})

    assert lost + len(row["attributes"]) == 400


_TEXT = st.text(st.characters(), max_size=30)


@settings(max_examples=200, deadline=None)
@given(name=_TEXT, group=st.none() | _TEXT, attributes=st.dictionaries(_TEXT, _TEXT, max_size=3))
def test_any_text(name: str, group: str | None, attributes: dict[str, str]) -> None:
    """Any string is recorded; what UTF-8 has no code for is replaced."""
    row, _, lost = _line(name=name, group_id=group, attributes=attributes)

    assert row["name"] == as_text(name)
    assert lost == 0


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_bit_flip(where: int, flip: int) -> None:
    """A line with one byte changed is not taken for a good one."""
    data = bytearray(encode_line(span_line(_SPAN))[0][:-1])
    data[where % len(data)] ^= flip

    assert not check_line(bytes(data))


def test_split() -> None:
    """Lines are split at newlines; the last one may lack its own."""
    assert list(split_lines(b"a\n\nb\nc")) == [b"a", b"b", b"c"]
    assert list(split_lines(b"")) == []


def test_loss_line() -> None:
    """A loss says who lost how much of what, and why."""
    row = json.loads(encode_line(loss_line("otlp", "refused", 3, "trace_1", 5))[0])

    assert (row["k"], row["exporter"], row["reason"], row["items"]) == (
        "loss",
        "otlp",
        "refused",
        3,
    )
    assert row["trace_id"] == "trace_1"
