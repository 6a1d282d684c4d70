import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseUsage
from pydantic import BaseModel

from tracer.encoding import as_text, decode, describe, encode, encode_each, plain


class Model(BaseModel):
    name: Any
    unit: str = "C"
    extra: Any = None


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 2


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Hostile:
    """Raises on every approach."""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    __repr__ = __str__

    @property
    def __class__(self):
        raise RuntimeError("no class")

    @property
    def model_dump(self):
        raise RuntimeError("no dump")


class Leaves:
    """Calls for an exit when it is written."""

    def __str__(self) -> str:
        raise SystemExit(3)

    @property
    def model_dump(self):
        raise SystemExit(3)


class Interrupted:
    """Is where Ctrl-C hits."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class HostileInt(int):
    def __int__(self) -> int:
        raise RuntimeError("no int")

    def __abs__(self) -> int:
        raise RuntimeError("no abs")


class HostileDict(dict):  # type: ignore[type-arg]
    def items(self):
        raise RuntimeError("no items")


class HostileKey:
    def __hash__(self) -> int:
        return 1

    def __str__(self) -> str:
        raise RuntimeError("no str")


class Endless:
    def model_dump(self, **_: Any) -> Any:
        return [Endless()]


class Anything:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: Anything()


def cyclic_list() -> Any:
    """A list that holds itself."""
    value: list[Any] = [1]
    value.append(value)
    return value


def cyclic_model() -> Any:
    """A model that holds itself."""
    model = Model(name="a")
    model.extra = model
    return model


def nested(depth: int) -> Any:
    """Lists in lists, with a text inside that UTF-8 cannot hold."""
    value: Any = "\ud800"
    for _ in range(depth):
        value = [value]
    return value


json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
json_values = st.recursive(
    json_scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
    max_leaves=20,
)

AWKWARD: list[Any] = [
    Hostile(),
    HostileInt(7),
    HostileDict(a=1),
    Endless(),
    Anything(),
    cyclic_list(),
    cyclic_model(),
    object(),
    object,
    Model,
    Point,
    print,
    Colour.RED,
    Level.HIGH,
    10**5000,
    -(10**5000),
    2**64,
    math.nan,
    math.inf,
    1j,
    decimal.Decimal("1.5"),
    datetime.datetime(2026, 1, 1),
    datetime.timedelta(1),
    uuid.UUID(int=1),
    range(3),
    (n for n in range(3)),
    memoryview(b"abcdef")[::2],
    collections.deque([1]),
    collections.UserList([1]),
    collections.ChainMap({"a": 1}),
    {"a": 1}.values(),
    Ellipsis,
    NotImplemented,
]
# By index, since Hypothesis looks into what it samples from, and some of these bite.
awkward = st.integers(0, len(AWKWARD) - 1).map(lambda index: AWKWARD[index])
any_scalars = (
    json_scalars
    | awkward
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.uuids()
)
keys = (
    st.text(st.characters())
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.tuples(st.integers())
    | st.binary(max_size=4)
    | st.integers(0, 0).map(lambda _: HostileKey())
    | st.just(Colour.RED)
)
any_values = st.recursive(
    any_scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(Point, inner, inner)
        | st.builds(Model, name=inner, extra=inner)
        | st.frozensets(st.integers() | st.text(st.characters()), max_size=3)
    ),
    max_leaves=20,
)


def test_each():
    """Values one by one are what each is alone, also beside one that is no plain JSON."""
    for odd in (1, Hostile(), "\ud800", 2**70, Colour.RED):
        values = [{"a": 1}, odd, Model(name="n")]

        assert encode_each(values) == tuple(encode(value) for value in values)
    assert encode_each([]) == ()


@given(json_values)
def test_round_trip(value: Any):
    """A JSON value comes back equal."""
    assert decode(encode(value)) == value


@given(any_values)
@settings(max_examples=400, deadline=None)
def test_never_raises(value: Any):
    """Whatever it is, it becomes JSON in UTF-8 that other readers accept."""
    text = encode(value).decode("utf-8")

    json.loads(text, parse_constant=lambda constant: pytest.fail(constant))


@given(any_values)
@settings(max_examples=100, deadline=None)
def test_slow_path(value: Any):
    """What orjson refuses at once is taken apart, and the rest of it is kept."""
    assert plain(["\ud800", value, {"kept": [1, True, None, "x"]}])[2] == {
        "kept": [1, True, None, "x"]
    }


@given(st.text(st.characters()))
def test_as_text(text: str):
    """A string stays a string, as far as UTF-8 can hold it."""
    kept = as_text(text)

    kept.encode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert kept == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        ([math.inf, "\ud800"], [None, "\ufffd"]),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\udc00b", "a\ufffdb"),
        (2**64, str(2**64)),
        (-(2**70), str(-(2**70))),
        (10**5000, hex(10**5000)),
        (b"abc", "YWJj"),
        (bytearray(b"abc"), "YWJj"),
        ([b"abc", 2**64], ["YWJj", str(2**64)]),
        ({1, 2}, [1, 2]),
        ((1, (2,)), [1, [2]]),
        (range(3), [0, 1, 2]),
        (collections.deque([1, 2]), [1, 2]),
        (collections.UserList([1]), [1]),
        ([collections.UserList([2**64])], [[str(2**64)]]),
        (collections.OrderedDict(a=1), {"a": 1}),
        ({"a": 1}.values(), [1]),
        ({1: "int", None: "none", False: "bool"}, {"1": "int", "null": "none", "false": "bool"}),
        ({(1, 2): "tuple"}, {"(1, 2)": "tuple"}),
        ({None: 2**64, 1.5: 1}, {"null": str(2**64), "1.5": 1}),
        ({Colour.RED: 1}, {"red": 1}),
        ([Colour.RED, Level.HIGH, 2**64], ["red", 3, str(2**64)]),
        (Point(1, [2]), {"x": 1, "y": [2]}),
        (Point(2**64), {"x": str(2**64), "y": 2}),
        (Model(name="n"), {"name": "n", "unit": "C", "extra": None}),
        (Model(name="\ud800"), {"name": "\ufffd", "unit": "C", "extra": None}),
        (Model(name=Point(1)), {"name": {"x": 1, "y": 2}, "unit": "C", "extra": None}),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
        ([uuid.UUID(int=1), 2**64], [str(uuid.UUID(int=1)), str(2**64)]),
        (decimal.Decimal("1.50"), "1.50"),
        (cyclic_list(), [1, "<cycle>"]),
        (Hostile(), "<unprintable Hostile>"),
        ([Hostile(), 1], ["<unprintable Hostile>", 1]),
        (HostileKey(), "<unprintable HostileKey>"),
        ({HostileKey(): 1}, {"<unprintable HostileKey>": 1}),
        (object, "<class 'object'>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_forms(value: Any, expected: Any):
    """Each kind of value is recorded in the best form it has."""
    assert plain(value) == expected


def test_unset():
    """What a server did not send is not recorded as sent; a user's default is."""
    usage = ResponseUsage.model_construct(input_tokens=1)

    assert plain(usage) == {"input_tokens": 1}
    assert plain(Model(name=1))["unit"] == "C"


def test_deep():
    """Nesting is kept to a depth of a hundred at least, and then cut with a mark."""
    value = plain(nested(100))
    for _ in range(100):
        value = value[0]

    assert value == "\ufffd"
    assert b"<too deep>" in encode(nested(300))
    assert b"<too deep>" in encode(Endless())
    encode(nested(100_000))


def test_consumed():
    """A generator is not consumed by being recorded."""
    numbers = (n for n in range(3))
    encode(numbers)

    assert list(numbers) == [0, 1, 2]


def test_attribute():
    """An attribute that is no string is kept as JSON text."""
    assert as_text({"a": [1]}) == '{"a":[1]}'
    assert as_text(None) == "null"
    assert as_text(1.5) == "1.5"


def test_describe():
    """An object is described by its text, or by its type where it has none."""
    assert describe(1.5) == "1.5"
    assert describe(Hostile()) == "<unprintable Hostile>"


def test_exit_not_theirs():
    """A value that calls for an exit as it is written is recorded by its type."""
    leaves = Leaves()

    assert plain(leaves) == describe(leaves) == "<unprintable Leaves>"
    assert plain([leaves, 2**64]) == ["<unprintable Leaves>", str(2**64)]
    assert plain({leaves: 1}) == {"<unprintable Leaves>": 1}
    assert encode_each([1, leaves]) == (b"1", b'"<unprintable Leaves>"')


@pytest.mark.parametrize("record", [describe, encode, lambda value: encode_each([value])])
def test_interrupt(record):
    """Ctrl-C while a value is written passes through."""
    with pytest.raises(KeyboardInterrupt):
        record(Interrupted())
