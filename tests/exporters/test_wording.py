"""Counts, sizes and times in words."""

from __future__ import annotations

import pytest

from exporters.wording import length_of_time, moment, plural, size
from tracer.config import parse_size


@pytest.mark.parametrize(
    ("bytes_", "wanted"),
    [
        (0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (40_000_000, "40.0 MB"),
        (123_456_789, "123 MB"), (2 * 10**12, "2.0 TB"),
    ],
)  # fmt: skip
def test_size(bytes_: int, wanted: str) -> None:
    """A size has the digits that matter, and could be given to FLIGHTLOG_MAX_DISK as it is."""
    assert size(bytes_) == wanted
    assert parse_size(wanted) == pytest.approx(bytes_, rel=0.05)


def test_plural() -> None:
    """A number and its noun go together."""
    assert [plural(number, "trace") for number in (0, 1, 2, 1234)] == [
        "0 traces", "1 trace", "2 traces", "1,234 traces",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.2, "a second"), (90, "90 seconds"), (150, "2 minutes"), (3e4, "8 hours"), (1e6, "11 days")],
)
def test_length_of_time(seconds: float, wanted: str) -> None:
    """A length of time is told in the unit that tells most."""
    assert length_of_time(seconds) == wanted


def test_moment() -> None:
    """A time is told in the local zone; one that no calendar has is told as it is."""
    assert moment(0)[:4] in ("1969", "1970")
    assert moment(10**30) == f"{10**30} ns after 1970"
