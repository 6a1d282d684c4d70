"""Messages arrive as they were sent, and hold nothing that runs."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytz
from hypothesis import given
from hypothesis import strategies as st

from exporters.duckdb.sql import frames

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.datetimes(timezones=st.none() | st.just(pytz.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
)
nested = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner)
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe: to read and to write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@given(st.lists(nested, max_size=5))
def test_values(message: list[Any]) -> None:
    """Every kind of value comes back as it was, with its type."""
    data = frames.packed(tuple(message))

    found = frames.values(data[8:])

    assert found == tuple(message)
    assert [type(value) for value in found] == [type(value) for value in message]


def test_large(pipe: tuple[int, int]) -> None:
    """A message larger than a pipe holds comes through whole, and the next one after it."""
    inbound, outbound = pipe
    message = ("rows", 1, ["x" * 3_000_000])

    def write() -> None:
        frames.send(outbound, frames.packed(message))
        frames.send(outbound, frames.packed(("done",)))

    writer = threading.Thread(target=write)
    writer.start()
    first, second = frames.receive(inbound), frames.receive(inbound)
    writer.join()

    assert frames.values(first or b"") == message
    assert frames.values(second or b"") == ("done",)


def test_end() -> None:
    """The end of the pipe is None, also within a message."""
    inbound, outbound = os.pipe()
    os.write(outbound, frames.packed(("done",))[:-1])
    os.close(outbound)

    assert frames.receive(inbound) is None
    os.close(inbound)


@pytest.mark.parametrize("thing", [os.system, Path("x"), pickle.Unpickler, eval])
def test_nothing_that_runs(thing: Any) -> None:
    """A message with anything but values is refused."""
    with pytest.raises(pickle.UnpicklingError, match="no class of values"):
        frames.values(pickle.dumps((thing,)))
