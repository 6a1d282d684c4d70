"""Deliveries: what reached its destination, and what did not, by exporter."""

from __future__ import annotations

import os
import threading

from tracer.deliveries import Deliveries, Delivery


def test_counts() -> None:
    """Items add up by exporter and outcome."""
    counted = Deliveries()
    counted.count("otlp", 3)
    counted.count("otlp", 4)
    counted.count("otlp", 2, reason="refused")
    counted.count("openai", 1)

    assert counted.totals() == {
        Delivery("otlp"): 7,
        Delivery("otlp", "refused"): 2,
        Delivery("openai"): 1,
    }
    assert [delivery.status for delivery in counted.totals()] == [
        "delivered",
        "failed",
        "delivered",
    ]


def test_many_reasons() -> None:
    """Reasons without end do not fill the memory; every item is counted."""
    counted = Deliveries()
    for number in range(3000):
        counted.count("otlp", 1, reason=f"reason {number}")

    assert sum(counted.totals().values()) == 3000
    assert len(counted.totals()) <= 1001
    assert counted.totals()[Delivery("otlp", "other reasons")] == 2000


def test_threads() -> None:
    """Counting in several threads loses nothing."""
    counted = Deliveries()

    def work() -> None:
        for _ in range(1000):
            counted.count("otlp", 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted.totals() == {Delivery("otlp"): 4000}


def test_fork() -> None:
    """A forked child counts from nothing; what the parent counted is the parent's."""
    counted = Deliveries()
    counted.count("otlp", 3)
    pid = os.fork()
    if pid == 0:
        os._exit(len(counted.totals()))

    assert os.waitpid(pid, 0)[1] == 0
    assert counted.totals() == {Delivery("otlp"): 3}
