"""Content of a line: what becomes an item, named by its hash, and what stays in place.

A value that was seen lately is not hashed again, and neither is a list of names, so that the
hundredth turn of a loop costs little more than a look at each of its messages.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from exporters.duckdb.schema import INLINE_LIMIT, LINE_LIMIT, LIST_SIZE
from tracer.snapshot import Content

OVERSIZE = "larger than a line may be"
SLACK = 4096  # what a line has beside its content
_VALUE_LIMIT = LINE_LIMIT - SLACK
_NAMES_BYTES = 8 * 1024 * 1024
_MESSAGE = 4096  # characters of an error's message that stay in place
_BETWEEN = '","'


class _Names(dict[bytes, str]):
    """Hashes of content seen lately, which a loop's next turn has all over again.

    Keyed by the content itself, so an entry cannot be wrong, and emptied when it holds 8 MiB.
    """

    size = 0

    def add(self, value: bytes) -> str:
        """The hash of new content."""
        name = blake2b(value, digest_size=16).hexdigest()
        if len(value) <= INLINE_LIMIT:
            self.size += len(value)
            if self.size > _NAMES_BYTES:
                self.clear()
                self.size = len(value)
            self[value] = name
        return name


_names = _Names()


class Items:
    """Collects the items of one line, and gives the form in which its columns name them.

    Attributes:
        found: Content by hash.
        lost: How many values were too large to keep.
    """

    __slots__ = ("found", "lost")

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.lost = 0

    def wrapped(self, value: Content, *, shared: bool = False) -> dict[str, Any]:
        """Content in the form of the columns input, output, instructions and tools."""
        if type(value) is tuple:
            return self._listed(value)
        assert isinstance(value, bytes)
        if shared or len(value) > INLINE_LIMIT:
            return {"ref": self._item(value)}
        return {"value": orjson.Fragment(value)}

    def in_place(self, value: bytes) -> Any:
        """JSON in the form of the columns metadata and data."""
        if len(value) > INLINE_LIMIT:
            return {"$ref": self._item(value)}
        return orjson.Fragment(value)

    def error(self, value: bytes) -> Any:
        """JSON in the form of the column error, of which SQL asks for message and type."""
        if len(value) <= INLINE_LIMIT:
            return orjson.Fragment(value)
        said = orjson.loads(value)
        if not isinstance(said, dict):
            return self.in_place(value)
        message, data = said.get("message"), said.get("data")
        kind = data.get("type") if isinstance(data, dict) else None
        return {
            "$ref": self._item(value),
            "message": message[:_MESSAGE] if isinstance(message, str) else message,
            "data": {"type": kind} if isinstance(kind, str) else None,
        }

    def _listed(self, values: tuple[bytes, ...]) -> dict[str, Any]:
        """A list by the names of its elements; of a long one the first ones by lists of names."""
        if values and max(map(len, values)) > _VALUE_LIMIT:
            values = tuple(map(self._fitting, values))
        known, new = _names.get, _names.add
        names = [known(value) or new(value) for value in values]
        self.found.update(zip(names, values, strict=True))
        if len(names) <= LIST_SIZE:
            return {"refs": names}
        # What is left over is never empty, so that a list that grows keeps the lists it has.
        end = (len(names) - 1) // LIST_SIZE * LIST_SIZE
        lists = [self._list(names[at : at + LIST_SIZE]) for at in range(0, end, LIST_SIZE)]
        return {"lists": lists, "refs": names[end:]}

    def _list(self, names: list[str]) -> str:
        return self._item(f'["{_BETWEEN.join(names)}"]'.encode())

    def _item(self, value: bytes) -> str:
        """The hash under which a value is kept."""
        value = self._fitting(value)
        name = _names.get(value) or _names.add(value)
        self.found[name] = value
        return name

    def _fitting(self, value: bytes) -> bytes:
        """The value, or what stands where it would not fit."""
        if len(value) <= _VALUE_LIMIT:
            return value
        self.lost += 1
        return orjson.dumps({"flightlog.lost": OVERSIZE, "bytes": len(value)})
