"""JSON for the record: whatever a program hands over becomes JSON, and nothing raises.

The fast path is one call of orjson. What it refuses (lone surrogates, integers over 64 bits,
cycles, keys that are no strings, objects it does not know) is made plain first, so that a value
is recorded in the best form it has, and the traced program never hears of it.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence, Set, ValuesView
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS
_DEPTH = 128
_INT64 = range(-(2**63), 2**64)
_WRITABLE = 10**4000
# What code of a program may raise as it is recorded; an exit is the program's own to call.
_RAISED = (Exception, SystemExit)


def encode(value: Any) -> bytes:
    """JSON of any value, in UTF-8; NaN and infinities are null, as in JSON there are none.

    Never raises: an object that cannot be described is given as `"<unprintable TypeName>"`.
    """
    try:
        return orjson.dumps(value, default=_known, option=_OPTIONS)
    except _RAISED:  # recording never hurts
        return orjson.dumps(_plain(value, _DEPTH, frozenset()))


def encode_each(values: Sequence[Any]) -> tuple[bytes, ...]:
    """JSON of each value, as `encode` gives it."""
    dumps = orjson.dumps
    try:
        return tuple([dumps(value, _known, _OPTIONS) for value in values])
    except _RAISED:  # one of them is no plain JSON
        return tuple([encode(value) for value in values])


def decode(text: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: If the text is no JSON.
    """
    return orjson.loads(text)


def plain(value: Any) -> Any:
    """The value as JSON has it: dicts, lists, strings, numbers, booleans and None only."""
    return orjson.loads(encode(value))


def as_text(value: Any) -> str:
    """A string as it is, anything else as JSON text: how attributes are kept."""
    if type(value) is str:
        return _utf8(value)
    return encode(value).decode()


def describe(value: Any) -> str:
    """`str(value)`, or a placeholder where that raises."""
    try:
        return _utf8(str(value))
    except _RAISED:
        return f"<unprintable {type(value).__name__}>"


def _known(value: Any) -> Any:
    """One step from an object that orjson does not know towards one that it does."""
    kind = type(value)
    if callable(getattr(kind, "model_dump", None)):  # pydantic, without importing it
        return _dumped(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Sequence | Set | ValuesView):
        return list(value)
    return describe(value)


def _dumped(model: Any) -> Any:
    # What a server did not send is unset in openai's models, and dumping it would record an
    # answer that was never given. In a user's own model a default is part of the value.
    sent_only = type(model).__module__.partition(".")[0] == "openai"
    try:
        return model.model_dump(mode="json", exclude_unset=sent_only, warnings=False)
    except _RAISED:
        return model.model_dump(mode="python", exclude_unset=sent_only, warnings=False)


def _plain(value: Any, depth: int, above: frozenset[int]) -> Any:
    """The value made of plain types only; `above` are the ids of what it is nested in."""
    if id(value) in above:
        return "<cycle>"
    if depth == 0:
        return "<too deep>"
    try:
        if value is None or isinstance(value, bool | str | int | float):
            return _scalar(value)
        return _compound(value, depth - 1, above | {id(value)})
    except _RAISED:  # a property, an iterator or a dump that raises
        return describe(value)


def _scalar(value: bool | str | int | float | None) -> Any:
    if isinstance(value, str):
        return _utf8(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = int(value)
        if number in _INT64:
            return number
        # Python refuses to write out so many decimal digits, but not hexadecimal ones.
        return str(number) if abs(number) < _WRITABLE else hex(number)
    return float(value) if math.isfinite(value) else None


def _compound(value: Any, depth: int, above: frozenset[int]) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth, above) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return _known(value)
    if isinstance(value, Sequence | Set | ValuesView):
        return [_plain(item, depth, above) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name, None), depth, above) for name in names}
    known = _native(value)
    return _utf8(known) if isinstance(known, str) else _plain(known, depth, above)


def _native(value: Any) -> Any:
    """What orjson writes of dates, ids and enums; else one step by `_known`."""
    try:
        return orjson.loads(orjson.dumps(value))
    except _RAISED:
        return _known(value)


def _key(key: Any) -> str:
    """A key as orjson would write it."""
    if isinstance(key, str):
        return _utf8(key)
    try:
        written = next(iter(orjson.loads(orjson.dumps({key: None}, option=_OPTIONS))))
        return str(written)
    except _RAISED:  # a key that only Python knows
        return describe(key)


def _utf8(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced: what UTF-8 can hold."""
    try:
        return str.encode(text).decode()
    except UnicodeEncodeError:
        return str.encode(text, "utf-16", "surrogatepass").decode("utf-16", "replace")
