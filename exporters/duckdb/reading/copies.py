"""Copies of segments in a private folder, in a form that a question can read a little of.

A view such as `traces` looks at the rows ten times, and each time a segment would be parsed whole.
Of a backlog the exact reader therefore makes Parquet files, one of each segment, once: that costs
what a look or two do, and the looks then cost nearly nothing. They hold what the segment did when
it was copied; one that has grown since is copied again. A question about one trace needs copies of
those segments only that have something of it, which is told by their bytes.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import duckdb
import orjson

from exporters.duckdb.layout import Layout, SegmentName
from exporters.duckdb.parts import quoted

_AT_ONCE = 2
_ROOM = 4  # times the segment's size that has to be free on the disk
_FORM = "(format parquet, compression lz4_raw)"
_CHUNK = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copy:
    """A segment as it was when it had `size` bytes."""

    size: int
    path: Path


class Copies:
    """The copies that one reader has made; their files have names that are never used again."""

    def __init__(
        self,
        layout: Layout,
        folder: Path,
        cursor: Callable[[], duckdb.DuckDBPyConnection],
        select: Callable[[SegmentName], str],
    ) -> None:
        """Copies go into `folder`; `select` gives the query for what a segment's copy holds."""
        self._layout, self._folder = layout, folder
        self._cursor, self._select = cursor, select
        self._made: dict[SegmentName, Copy] = {}
        self._numbers = count()

    def keep(self, names: Iterable[SegmentName]) -> dict[SegmentName, Copy]:
        """Drop copies of all but these, and of those that have grown; gives what is copied."""
        wanted = {name: self._size(name) for name in names}
        for name in [name for name, copy in self._made.items() if wanted.get(name) != copy.size]:
            _remove(self._made.pop(name).path)
        return dict(self._made)

    def make(self, names: Iterable[SegmentName]) -> dict[SegmentName, Copy]:
        """Copy what of these is not copied yet; gives what is copied.

        A segment that cannot be copied, as the disk is full or it is gone, is not among them.
        """
        wanted = {name: size for name in names if (size := self._size(name))}
        # Two at once may take more memory than there is: what fails is tried again by itself.
        for at_once in (_AT_ONCE, 1):
            due = [name for name in sorted(wanted) if name not in self._made]
            if due:
                with ThreadPoolExecutor(at_once) as pool:
                    made = pool.map(lambda name: self._make(name, wanted[name]), due)
                    pairs = zip(due, made, strict=True)
                    self._made |= {name: copy for name, copy in pairs if copy is not None}
        return dict(self._made)

    def holding(self, names: Iterable[SegmentName], trace_id: str) -> set[SegmentName]:
        """Those segments that may have something of a trace; the others have not."""
        some = list(names)
        if not trace_id.isascii():  # it may be written in more than one way
            return set(some)
        sought = orjson.dumps(trace_id)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda name: _mentions(self._layout.segment(name), sought), some)
            return {name for name, holds in zip(some, found, strict=True) if holds}

    def _size(self, name: SegmentName) -> int:
        with contextlib.suppress(OSError):
            return self._layout.segment(name).stat().st_size
        return 0

    def _make(self, name: SegmentName, size: int) -> Copy | None:
        path = self._folder / f"{next(self._numbers)}.parquet"
        try:
            if shutil.disk_usage(self._folder).free < _ROOM * size:
                return None
            with contextlib.closing(self._cursor()) as own:
                own.execute(f"copy ({self._select(name)}) to {quoted(path)} {_FORM}")
        except (OSError, duckdb.Error):
            _remove(path)
            return None
        return Copy(size, path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _mentions(path: Path, sought: bytes) -> bool:
    """Whether bytes are in a file; of one that cannot be read, it may be so."""
    end = b""
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                if sought in end + data[: len(sought)] or sought in data:
                    return True
                end = data[-len(sought) :]
    except OSError:
        return True
    return False
