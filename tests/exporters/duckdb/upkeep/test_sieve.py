"""The sieve: bad lines, superseded starts and repeated items do not go on; all else does."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporters.duckdb.recording.lines import Line, check_line, encode_item, encode_line
from exporters.duckdb.upkeep.sieve import LARGE, Sifted, item_of, sift

A, B = "a" * 32, "b" * 32


def row(span: str | None, rev: int, *, trace: str = "t") -> bytes:
    """The line of a span, or of a trace."""
    fields = {"k": "span" if span else "trace", "v": 2, "rev": rev, "trace_id": trace}
    fields |= {"span_id": span} if span else {}
    return encode_line(Line({**fields, "name": "n"}, {}))[0]


def sifted(tmp_path: Path, data: bytes, items: set[bytes] | None = None) -> tuple[Sifted, bytes]:
    """What the sieve says of a segment, and what it lets through."""
    source, target = tmp_path / "segment", tmp_path / "clean"
    source.write_bytes(data)
    found = sift(source, target, tmp_path / "aside", set() if items is None else items)
    assert found.kept == target.stat().st_size
    return found, target.read_bytes()


def test_starts(tmp_path: Path) -> None:
    """A start goes where its end stands, before it or behind it; other starts stay."""
    data = row("1", 0) + row("2", 0) + row("1", 1) + row("3", 1) + row("3", 0) + row(None, 0)
    assert sifted(tmp_path, data)[1] == row("2", 0) + row("1", 1) + row("3", 1) + row(None, 0)


def test_same_span_id(tmp_path: Path) -> None:
    """The same id in another trace is another span; a trace is no span."""
    data = row("1", 0) + row("1", 1, trace="u") + row(None, 0) + row("t", 1)
    assert sifted(tmp_path, data)[1] == data


def test_other_order(tmp_path: Path) -> None:
    """The end of a span whose ids stand apart is not taken for the end of its trace."""
    fields = {"k": "span", "v": 2, "rev": 1, "trace_id": "t", "name": "n", "span_id": "1"}
    apart = encode_line(Line(fields, {}))[0]
    data = row(None, 0) + apart + row("1", 0)
    assert sifted(tmp_path, data)[1] == data


def test_items(tmp_path: Path) -> None:
    """An item goes on once in a batch."""
    data = encode_item(A, b"1", 1) + encode_item(B, b"2", 2) + encode_item(A, b"1", 3)
    items: set[bytes] = set()

    assert sifted(tmp_path, data, items)[1] == encode_item(A, b"1", 1) + encode_item(B, b"2", 2)
    assert sifted(tmp_path, data, items)[1] == b""


def test_large_items(tmp_path: Path) -> None:
    """Large items go into files apart, whole."""
    values = [json.dumps(f"{number}" * LARGE).encode() for number in range(3)]
    lines = [encode_item(f"{number}" * 32, value, number) for number, value in enumerate(values)]
    found, clean = sifted(tmp_path, row("1", 1).join(lines))

    assert clean == row("1", 1) * 2
    assert found.longest < 1000
    lines = [line for path in found.large for line in path.read_bytes().splitlines(keepends=True)]
    taken = [item_of(line) for line in lines]
    assert taken == [(f"{number}" * 32, value) for number, value in enumerate(values)]


def test_bad_lines(tmp_path: Path) -> None:
    """Bad lines are counted and kept aside; a torn last one among them."""
    good = row("1", 1)
    data = good + b"\0" * 50 + b"\n" + good.replace(b'"n"', b'"m"') + b"\n\n" + row("2", 1)[:40]
    found, clean = sifted(tmp_path, data)

    assert (found.bad, clean) == (3, good)
    assert (tmp_path / "aside").read_bytes().count(b"\n") == 3


def test_no_newline(tmp_path: Path) -> None:
    """A last line that is whole but for its newline counts."""
    assert sifted(tmp_path, row("1", 1)[:-1])[1] == row("1", 1)


@given(data=st.binary(max_size=300), at=st.integers(0, 3))
def test_rubbish(tmp_path_factory: object, data: bytes, at: int) -> None:
    """Whatever is in a segment, sound lines around it go on and nothing unsound does."""
    folder = tmp_path_factory.mktemp("s")  # type: ignore[attr-defined]
    lines = [row(str(number), 1) for number in range(3)]
    lines.insert(at, data + b"\n")
    _, clean = sifted(folder, b"".join(lines))

    assert all(check_line(line) for line in clean.split(b"\n") if line)
    assert {row(str(number), 1).strip() for number in range(3)} <= set(clean.split(b"\n"))
