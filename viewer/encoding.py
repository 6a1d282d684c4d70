"""JSON as the viewer and the command line write it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS
_DEPTH = 200
_EXACT = 2**53
"""The largest integer up to which a reader that knows only doubles loses nothing."""


def to_json(value: Any) -> bytes:
    """JSON of a value; NaN and infinities are null.

    What orjson refuses (lone surrogates, integers over 64 bits, unknown objects) is written as
    the text that comes nearest, so that one odd value never hides a page.
    """
    try:
        return orjson.dumps(value, default=str, option=_OPTIONS)
    except (orjson.JSONEncodeError, RecursionError):
        return orjson.dumps(_plain(value, _DEPTH), default=str, option=_OPTIONS)


def cell(value: Any, *, doubles: bool = True) -> Any:
    """A value of a query's result as JSON has it: bytes are hexadecimal, durations text.

    With `doubles`, integers that a double cannot hold are strings, as decimals always are: a
    reader in JavaScript would round them without a word.
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if not doubles or -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): cell(item, doubles=doubles) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [cell(item, doubles=doubles) for item in value]
    return value


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, Mapping | list | tuple) and depth == 0:
        return f"<nested deeper than {_DEPTH} levels>"
    if isinstance(value, Mapping):
        return {_plain(str(key), 1): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    return value
