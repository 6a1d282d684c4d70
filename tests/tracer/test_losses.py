import logging
import threading

import pytest

from tracer import losses as losses_module
from tracer.losses import Loss, Losses


def test_count():
    """Items are added up by exporter, reason and trace."""
    losses = Losses()
    losses.count("otlp", "queue full")
    losses.count("otlp", "queue full", 2)
    losses.count("otlp", "queue full", trace_id="trace_1")

    assert losses.totals() == {
        Loss("otlp", "queue full"): 3,
        Loss("otlp", "queue full", "trace_1"): 1,
    }


def test_threads():
    """No count is lost between threads."""
    losses = Losses()
    threads = [
        threading.Thread(target=lambda: [losses.count("x", "y") for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert losses.totals() == {Loss("x", "y"): 4000}


def test_bounded(monkeypatch: pytest.MonkeyPatch):
    """Beyond a number of traces the trace is not named any more, but every item is counted."""
    monkeypatch.setattr(losses_module, "_MOST_COUNTERS", 3)
    losses = Losses()
    for number in range(10):
        losses.count("x", "y", trace_id=f"trace_{number}")
    losses.count("x", "y", trace_id="trace_0")

    assert sum(losses.totals().values()) == 11
    assert len(losses.totals()) == 4
    assert losses.totals()[Loss("x", "y", "trace_0")] == 2


def test_quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """A cause is logged once a minute; another cause is logged besides."""
    now = [1000.0]
    monkeypatch.setattr(losses_module.time, "monotonic", lambda: now[0])
    losses = Losses()
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        said = [losses.warn("a", "100 % full"), losses.warn("a", "again"), losses.warn("b", "b")]
        now[0] += 61
        said.append(losses.warn("a", "later"))

    assert said == [True, False, True, True]
    assert [record.getMessage() for record in caplog.records] == ["100 % full", "b", "later"]


def test_reset():
    """A reset forgets counts and silences."""
    losses = Losses()
    losses.count("x", "y")
    losses.warn("x", "y")
    losses.reset()

    assert losses.totals() == {}
    assert losses.warn("x", "y")


def test_kept(python):
    """Whoever keeps the counters is called after exporters have ended, also in a child."""
    done = python("""
        import multiprocessing
        from tracer import TracingExporter, BatchTraceProcessor, custom_span, set_trace_processors
        from tracer.deliveries import deliveries
        from tracer.losses import losses
        class Mine(TracingExporter):
            def export(self, items): pass
        def record():
            losses.kept_by(lambda: print(dict(deliveries.totals()), flush=True))
            set_trace_processors([BatchTraceProcessor(Mine())])
            with custom_span("s"): pass
        child = multiprocessing.get_context("fork").Process(target=record)
        child.start()
        child.join()
        record()
    """)

    assert done.stdout.splitlines() == ["{Delivery(exporter='Mine', reason=None): 2}"] * 2


def test_fork(python):
    """A forked child starts from zero, also when another thread was counting at that moment."""
    python("""
        import os, threading
        from tracer.losses import losses
        losses.count("x", "y")
        held, done = threading.Event(), threading.Event()
        def hold():
            with losses._lock:
                held.set()
                done.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            os._exit(len(losses.totals()))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        done.set()
        thread.join()
        assert status == 0, status
        assert len(losses.totals()) == 1
    """)
