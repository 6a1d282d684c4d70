"""The choice of what retention deletes: pure, and the same for parts and for segments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trace as the decision sees it; `kept` is one that must stay: pinned, or running."""

    trace_id: str
    start_ns: int
    bytes: float
    kept: bool = False


def choose(traces: Iterable[Candidate], *, before_ns: int, excess: float) -> list[Candidate]:
    """Which traces go: every one that started before a moment, and the oldest until enough.

    Args:
        traces: Oldest start first.
        before_ns: The moment.
        excess: Bytes that have to go in all.
    """
    chosen = []
    for trace in traces:
        if trace.start_ns >= before_ns and excess <= 0:
            break
        if not trace.kept:
            chosen.append(trace)
            excess -= trace.bytes
    return chosen
