"""Deliveries: what exporters were given, and whether it reached their destination.

One counter for the process, beside the one of losses. What an exporter failed to deliver is lost to
it alone: the local store still has it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

from tracer.forking import anew_in_child

# Beyond so many, failures of further reasons are counted without naming the reason.
_MOST_COUNTERS = 1000


class Delivery(NamedTuple):
    """What one counter counts: items that an exporter delivered, or failed to for a reason."""

    exporter: str
    reason: str | None = None

    @property
    def status(self) -> Literal["delivered", "failed"]:
        """How it went."""
        return "delivered" if self.reason is None else "failed"


class Deliveries:
    """Counters of delivered items; safe in any thread."""

    def __init__(self) -> None:
        self.reset()
        anew_in_child(self)

    def count(self, exporter: str, items: int, *, reason: str | None = None) -> None:
        """Add items that were delivered, or for a reason were not, to a counter."""
        delivery = Delivery(exporter, reason)
        with self._lock:
            if len(self._counts) >= _MOST_COUNTERS and delivery not in self._counts:
                delivery = Delivery(exporter, reason and "other reasons")
            self._counts[delivery] += items

    def totals(self) -> Mapping[Delivery, int]:
        """All counters as they stand."""
        with self._lock:
            return dict(self._counts)

    def reset(self) -> None:
        """Forget everything; a forked child starts with this, as do tests."""
        self._lock = threading.RLock()
        self._counts: Counter[Delivery] = Counter()

    def make_anew(self) -> None:
        """Forget what the parent counted: it is the parent's to show."""
        self.reset()


deliveries = Deliveries()
