import datetime
import json
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.encoding import cell, to_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"]))
    | st.binary()
    | st.decimals()
    | st.timedeltas()
    | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


@given(values)
def test_any_value(value: Any) -> None:
    """Whatever a query gives or a program recorded becomes JSON, and never raises."""
    json.loads(to_json(value))
    json.loads(to_json(cell(value)))


def test_non_finite() -> None:
    """NaN and infinities are null, as JSON has no word for them."""
    assert to_json([math.nan, math.inf, 1.5]) == b"[null,null,1.5]"


def test_beyond_orjson() -> None:
    """A lone surrogate and an integer over 64 bits do not take the rest down with them."""
    assert json.loads(to_json({"a": "\ud800", "b": 2**70, "c": [1]})) == {
        "a": "?",
        "b": str(2**70),
        "c": [1],
    }


def test_too_deep() -> None:
    """What is nested without end is cut, and says so."""
    value: list[Any] = []
    for _ in range(400):
        value = [value]

    assert b"nested deeper than 200 levels" in to_json(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (Decimal("1.5"), 1.5),
        (Decimal("0.10000000000000000001"), "0.10000000000000000001"),
        (b"\x00\xff", "00ff"),
        (datetime.timedelta(seconds=90), "0:01:30"),
        ({"k": [2**60]}, {"k": [str(2**60)]}),
        (True, True),
        (None, None),
    ],
)
def test_cell(value: Any, wanted: Any) -> None:
    """A number is a number where a double holds it, else text."""
    assert cell(value) == wanted


def test_cell_without_doubles() -> None:
    """For readers with real integers, integers stay."""
    assert cell([2**60], doubles=False) == [2**60]


def test_engine_types() -> None:
    """Times are ISO 8601 and ids their text."""
    when = datetime.datetime(2027, 1, 2, tzinfo=datetime.UTC)
    identity = UUID(int=1)

    assert json.loads(to_json([when, identity])) == [
        "2027-01-02T00:00:00+00:00",
        "00000000-0000-0000-0000-000000000001",
    ]
