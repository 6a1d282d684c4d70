import pytest

from exporters.store import TRACE_STATUSES
from viewer.cli.wording import MARKS, ago, count, dollars, duration, tokens

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("ms", "wanted"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.42, "0.4 ms"),
        (812.3, "812 ms"),
        (2310.0, "2.31 s"),
        (59_900.0, "59.9 s"),
        (64_000.0, "1 min 04 s"),
        (7_500_000.0, "2 h 05 min"),
    ],
)
def test_duration(ms, wanted):
    """A duration has the digits that matter."""
    assert duration(ms) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(-3, "0 s ago"), (5, "5 s ago"), (125, "2 min ago"), (7300, "2 h ago"), (90_000, "1 d ago")],
)
def test_ago(seconds, wanted):
    """A time is told as seen from now."""
    assert ago(NOW - seconds * SECOND, NOW) == wanted


def test_ago_far():
    """What is more than a month away is told by its day."""
    assert ago(NOW - 40 * 86_400 * SECOND, NOW).startswith("2026-")
    assert ago(NOW + 86_400 * SECOND, NOW).startswith("2027-")


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(None, "-"), (0, "0"), (999, "999"), (1234, "1.2k"), (123_456, "123k"), (5 * 10**9, "5.0G")],
)
def test_count(number, wanted):
    """A count takes few characters."""
    assert count(number) == wanted


def test_tokens():
    """Tokens are told in and out, and not at all when nobody counted."""
    assert tokens(1200, 34) == "1.2k→34"
    assert tokens(1200, None) == "1.2k→-"
    assert tokens(None, None) == ""


@pytest.mark.parametrize(
    ("cost", "wanted"),
    [
        (None, ""), (0.0, "$0"), (1e-12, "$0"), (0.0000123, "$0.000012"), (0.000999, "$0.0010"),
        (0.30000000000000004, "$0.300"), (0.0123, "$0.012"), (0.9999, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)  # fmt: skip
def test_dollars(cost, wanted):
    """A cost has the digits that matter, and what is not known is not zero."""
    assert dollars(cost) == wanted


def test_dollars_partial():
    """A cost that leaves calls out is marked, and one that leaves all out is none."""
    assert dollars(0.5, partial=True) == "$0.500+"
    assert dollars(None, partial=True) == ""


def test_marks():
    """Every status has a glyph of its own, so that none is told by colour alone."""
    assert set(MARKS) == set(TRACE_STATUSES)
    assert len({mark.glyph for mark in MARKS.values()}) == len(MARKS)
