"""Lines: what is written is what is read, whatever it was, and damage shows."""

from __future__ import annotations

import itertools
import json
import zlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.duckdb.recording.content import OVERSIZE
from exporters.duckdb.recording.lines import (
    check_line,
    delivery_line,
    encode_item,
    encode_line,
    loss_line,
    span_line,
    split_lines,
)
from exporters.duckdb.schema import INLINE_LIMIT, LINE_LIMIT, LIST_SIZE
from tracer.deliveries import Delivery
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
    )

    assert lost == 2
    assert row["name"].startswith("nnn")
    assert row["attributes"] == {"a": f"<lost: {OVERSIZE}, {LINE_LIMIT} characters>", "b": "kept"}


def test_oversize_list() -> None:
    """A list whose names alone make a line too long is marked with how many elements it had."""
    names = ["0" * 32] * 500_000
    line = span_line(_SPAN)
    line.fields["input"] = {"lists": names, "refs": names[:7]}

    data, lost = encode_line(line)
    again, none = encode_line(line)

    assert (lost, none) == (1, 0)
    assert data == again
    mark = {"flightlog.lost": OVERSIZE, "items": 500_000 * LIST_SIZE + 7}
    assert json.loads(data)["input"] == {"value": mark}


def _elements(content: dict[str, Any], items: dict[str, bytes]) -> list[bytes]:
    """What a list in the form of a column stands for."""
    lists = [json.loads(items[name]) for name in content.get("lists", ())]
    assert all(len(one) == LIST_SIZE for one in lists)
    return [items[name] for name in (*itertools.chain(*lists), *content["refs"])]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=4 * LIST_SIZE))
def test_long_list(numbers: list[int]) -> None:
    """The first elements of a long list go by lists; whatever its length, it is all there."""
    values = tuple(b"%d" % number for number in numbers)

    row, items, lost = _line(input=values)

    assert _elements(row["input"], items) == list(values)
    assert ("lists" in row["input"]) == (len(values) > LIST_SIZE)
    assert len(row["input"]["refs"]) <= LIST_SIZE
    assert lost == 0


def test_growing_list() -> None:
    """A list that grows names the lists that it named before."""
    values = tuple(b'"message %d"' % number for number in range(5 * LIST_SIZE))
    before: list[str] = []
    for size in range(1, len(values)):
        row, items, _ = _line(input=values[:size])
        lists = row["input"].get("lists", [])
        assert lists[: len(before)] == before
        assert {*lists, *row["input"]["refs"]} <= set(items)
        before = lists

    assert len(before) == 4


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


def test_delivery_lines() -> None:
    """A delivery says whose it was, how it went and how many it were, and why where it failed."""
    good = json.loads(encode_line(delivery_line(Delivery("otlp"), 3, 5))[0])
    bad = json.loads(encode_line(delivery_line(Delivery("otlp", "refused"), 2, 5))[0])

    assert (good["k"], good["exporter"], good["status"], good["items"]) == (
        "delivery",
        "otlp",
        "delivered",
        3,
    )
    assert "reason" not in good
    assert (bad["status"], bad["reason"], bad["items"]) == ("failed", "refused", 2)
    assert bad["start_ns"] == bad["end_ns"] == 5


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
