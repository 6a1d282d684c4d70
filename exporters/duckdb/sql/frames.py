"""Messages over a pipe, each a length and a pickle.

Both ends are processes of ours, started by one another, and values have to arrive exactly as DuckDB
gave them: times with their zone, decimals, UUIDs, intervals, bytes, integers of any size, NaN,
nested. Pickle does that, and nothing else in the standard library does. What comes from the process
that answers is still read with care, as SQL of users runs in it: only the classes of such values
are let in, so that a message can hold data and nothing that runs.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
from typing import Any

_HEAD = struct.Struct("!Q")
_CHUNK = 1024 * 1024
_VALUES = {
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "uuid": {"UUID", "SafeUUID"},
    "pytz": {"_UTC", "_p"},
    "pytz.tzinfo": {"DstTzInfo", "StaticTzInfo"},
    "builtins": {"bytearray", "complex", "frozenset", "set"},
}


class _Values(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if name not in _VALUES.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is no class of values")
        return super().find_class(module, name)


def packed(message: tuple[Any, ...]) -> bytes:
    """A message as the bytes that go over the pipe."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(data)) + data


def send(fd: int, data: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: If nobody reads it any more.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:_CHUNK]) :]


def receive(fd: int) -> bytes | None:
    """The next message as its pickle, or None at the end of the pipe."""
    head = _exactly(fd, _HEAD.size)
    return None if head is None else _exactly(fd, _HEAD.unpack(head)[0])


def values(data: bytes) -> Any:
    """The message in a pickle that may hold values and nothing else.

    Raises:
        pickle.UnpicklingError: If it holds something else.
    """
    return _Values(io.BytesIO(data)).load()


def _exactly(fd: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        data = os.read(fd, min(size - len(parts), _CHUNK))
        if not data:
            return None
        parts += data
    return bytes(parts)
