"""The sieve: which lines of a segment are worth loading.

A line whose checksum is wrong is bad. The start of a span or trace whose end stands near it is
dropped, and so is an item that the batch has already: together they are half of what a segment
holds, and cost little before they are parsed. Large items go into files apart, a few each, so that
nobody has to hold many of them. All this goes by what a recorder writes first into a line; one
that looks otherwise is kept, and SQL decides.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LARGE = 64 * 1024
_TOGETHER = 4 * 1024 * 1024
_BLOCK = 16 * 1024 * 1024
_NO_LINE = 4 * _BLOCK  # bytes without a newline that are no line of ours
_LINE = re.compile(
    rb'\{"crc":"([0-9a-f]{8})",(?:"k":"(?:'
    rb'(span|trace)","v":\d+,"rev":([01]),'
    rb'"trace_id":"([^"\\\n]*)"(?:,"span_id":"([^"\\\n]*)")?'
    rb'|item","v":\d+,"seq":\d+,"hash":"([0-9a-f]{32})"))?'
)
_VALUE = b',"value":'
_REST = 18  # len('{"crc":"00000000",')


@dataclass(slots=True)
class Sifted:
    """What the sieve found in a segment.

    Attributes:
        bad: How many lines are not as they were written.
        kept: Bytes of the lines that go on.
        longest: Bytes of the longest of these.
        large: Files with the lines of large items, which are not among those kept.
    """

    bad: int = 0
    kept: int = 0
    longest: int = 0
    large: list[Path] = field(default_factory=list)


def sift(path: Path, target: Path, aside: Path, items: set[bytes]) -> Sifted:
    """Write the lines of a segment that are worth loading to a file, each with its newline.

    Args:
        path: The segment.
        target: The file to write; those of large items stand beside it.
        aside: Where bad lines go, if there are any.
        items: Hashes of items that need not come again; those of this segment are added.

    Raises:
        OSError: If the segment cannot be read, or a file not written.
    """
    sifted = Sifted()
    with target.open("wb") as file:
        for block in _blocks(path):
            view = memoryview(block)
            at = 0
            for start, end in _sorted_out(block, sifted, target, aside, items):
                if start > at:
                    sifted.kept += file.write(view[at:start])
                at = end + 1
            if at < len(block):
                sifted.kept += file.write(view[at:])
    return sifted


def item_of(line: bytes) -> tuple[str, bytes]:
    """The hash and the value of a line that the sieve took for an item."""
    match = _LINE.match(line)
    assert match is not None
    return match[6].decode(), line[match.end() + len(_VALUE) : line.rindex(b"}")]


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines of a file, many at a time; the last line gets the newline that it lacks."""
    with path.open("rb", buffering=0) as file:
        at, size = 0, _BLOCK
        while data := file.read(size):
            whole = data.rfind(b"\n") + 1
            if whole == len(data):
                yield data
            elif whole:
                yield data[:whole]
            elif len(data) == size < _NO_LINE:
                size *= 2
            else:
                yield data + b"\n"
                whole = len(data)
            at += whole
            file.seek(at)


def _sorted_out(
    block: bytes, sifted: Sifted, target: Path, aside: Path, items: set[bytes]
) -> list[tuple[int, int]]:
    """Where the lines stand, newlines not counted, that do not go on; in order."""
    view = memoryview(block)
    rows = _Rows()
    out = rows.out
    longest = start = 0
    while (end := block.find(b"\n", start)) >= 0:
        match = _LINE.match(block, start)
        if match is None or int(match[1], 16) != zlib.crc32(view[start + _REST : end]):
            if end > start:
                _put_aside(aside, view[start : end + 1])
                sifted.bad += 1
            out.append((start, end))
        elif match[2] is not None:
            if (match[2] == b"span") == (match[5] is not None):  # else its keys stand otherwise
                rows.take(match[3], (match[4], match[5]), (start, end))
            longest = max(longest, end - start)
        elif (item := match[6]) in items:
            out.append((start, end))
        else:
            if item is not None:
                items.add(item)
            if end - start > LARGE and item and block.startswith(_VALUE, match.end()):
                _put_apart(sifted, target, view[start : end + 1])
                out.append((start, end))
            else:
                longest = max(longest, end - start)
        start = end + 1
    sifted.longest = max(sifted.longest, longest)
    out.sort()
    return out


class _Rows:
    """Tells which starts of spans and traces have their end nearby; `out` are their places."""

    def __init__(self) -> None:
        self.out: list[tuple[int, int]] = []
        self._starts: dict[tuple[bytes, bytes | None], tuple[int, int]] = {}
        self._ended: set[tuple[bytes, bytes | None]] = set()

    def take(self, rev: bytes, key: tuple[bytes, bytes | None], place: tuple[int, int]) -> None:
        """See the line of a row."""
        if rev == b"1":
            self._ended.add(key)
            if key in self._starts:
                self.out.append(self._starts.pop(key))
        elif key in self._ended:
            self.out.append(place)
        else:
            self._starts[key] = place


def _put_aside(aside: Path, line: memoryview) -> None:
    with aside.open("ab") as file:
        file.write(line)


def _put_apart(sifted: Sifted, target: Path, line: memoryview) -> None:
    """Add the line of a large item to a file with others, as long as these are not much."""
    if not sifted.large or sifted.large[-1].stat().st_size + len(line) > _TOGETHER:
        sifted.large.append(target.with_name(f"{target.name}.{len(sifted.large)}.large"))
    with sifted.large[-1].open("ab") as file:
        file.write(line)
