import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.clock import SystemClock, iso, ns_from_iso


def test_monotonic():
    """Time never goes back between two anchors."""
    clock = SystemClock()
    times = [clock.now_ns() for _ in range(1000)]

    assert times == sorted(times)


def test_wall_time():
    """It starts from the wall clock."""
    before = time.time_ns()
    now = SystemClock().now_ns()

    assert before - 250_000_000 <= now


def test_step(monkeypatch: pytest.MonkeyPatch):
    """A stepped wall clock is followed at the next anchor and not before."""
    clock = SystemClock()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)

    assert clock.now_ns() < real() + 1_800_000_000_000
    clock.anchor()
    assert clock.now_ns() > real() + 1_800_000_000_000


def test_step_back(monkeypatch: pytest.MonkeyPatch):
    """A wall clock stepped backwards is followed at the next anchor, too, and not before."""
    wall, ticks = [1_700_000_000_000_000_000], [5_000]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: ticks[0])
    clock = SystemClock()
    before = wall[0]
    ticks[0] += 1_000_000
    wall[0] -= 3_600_000_000_000

    assert clock.now_ns() == before + 1_000_000
    clock.anchor()
    assert clock.now_ns() == wall[0]


def test_drift(monkeypatch: pytest.MonkeyPatch):
    """A wall clock off by less than a quarter of a second is not followed."""
    clock = SystemClock()
    before = clock.now_ns() - time.monotonic_ns()
    offset = time.time_ns() - time.monotonic_ns()
    monkeypatch.setattr(time, "time_ns", lambda: time.monotonic_ns() + offset + 100_000_000)
    clock.anchor()

    assert abs(clock.now_ns() - time.monotonic_ns() - before) < 50_000_000


def test_iso():
    """Times are written in UTC with microseconds, and None stays None."""
    assert iso(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456+00:00"
    assert iso(1_700_000_000_000_000_000) == "2023-11-14T22:13:20.000000+00:00"
    assert iso(None) is None


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_round_trip(ns: int):
    """What is written is read back to the microsecond."""
    text = iso(ns)

    assert text is not None
    assert ns_from_iso(text) == ns // 1000 * 1000


def test_zones():
    """A time without a zone is UTC; one with a zone is honoured; others are refused."""
    assert ns_from_iso("2023-11-14T22:13:20") == 1_700_000_000_000_000_000
    assert ns_from_iso("2023-11-14T22:13:20Z") == 1_700_000_000_000_000_000
    assert ns_from_iso("2023-11-15T00:13:20+02:00") == 1_700_000_000_000_000_000
    with pytest.raises(ValueError, match="yesterday"):
        ns_from_iso("yesterday")
