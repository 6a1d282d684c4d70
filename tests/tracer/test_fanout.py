import logging
from collections.abc import Callable
from typing import Any

import pytest

from tracer import (
    DefaultTraceProvider,
    Span,
    Trace,
    TracingProcessor,
    custom_span,
    set_trace_provider,
    trace,
)
from tracer.fanout import Fanout
from tracer.losses import Loss, losses


class Broken(TracingProcessor):
    """Raises on every call."""

    def on_trace_start(self, trace: Trace) -> None:
        raise RuntimeError("trace start")

    def on_trace_end(self, trace: Trace) -> None:
        raise RuntimeError("trace end")

    def on_span_start(self, span: Span[Any]) -> None:
        raise RuntimeError("span start")

    def on_span_end(self, span: Span[Any]) -> None:
        raise RuntimeError("span end")

    def shutdown(self) -> None:
        raise RuntimeError("shutdown")

    def force_flush(self) -> None:
        raise RuntimeError("flush")


def test_order(heard):
    """Processors are told of everything, in the order they were added."""
    words: list[str] = []
    first, second = type(heard)(), heard
    first.words = second.words = words
    set_trace_provider(DefaultTraceProvider([first, second]))
    with trace("t"), custom_span("s"):
        pass

    assert words == [
        word
        for pair in ("trace start t", "span start s", "span end s", "trace end t")
        for word in (pair, pair)
    ]


def test_isolated(heard, caplog: pytest.LogCaptureFixture):
    """A processor that raises is logged once a verb with its traceback; the others go on."""
    provider = DefaultTraceProvider([Broken(), heard])
    set_trace_provider(provider)
    with caplog.at_level(logging.ERROR, "flightlog.tracer"):
        for _ in range(3):
            with trace("t"), custom_span("s"):
                pass
        provider.force_flush()
        provider.shutdown()

    assert len(heard.words) == 3 * 4 + 2
    assert len(caplog.records) == 6
    assert all(record.exc_info for record in caplog.records)
    assert "Broken.on_trace_start raised" in caplog.records[0].getMessage()
    assert "set_trace_processors()" in caplog.records[0].getMessage()


def test_counted():
    """Every call that failed is counted, with the trace it was about."""
    provider = DefaultTraceProvider([Broken()])
    set_trace_provider(provider)
    with trace("t") as t:
        for _ in range(3):
            with custom_span("s"):
                pass

    assert losses.totals()[Loss("Broken", "on_span_end raised", t.trace_id)] == 3
    assert losses.totals()[Loss("Broken", "on_trace_start raised", t.trace_id)] == 1


def test_user_exception(heard):
    """The program's own exception is what it gets, though a processor raises as well."""
    set_trace_provider(DefaultTraceProvider([Broken(), heard]))

    with pytest.raises(ValueError, match="mine"), trace("t"), custom_span("s"):
        raise ValueError("mine")


def test_interrupt(heard):
    """Ctrl-C in the middle of a processor is not swallowed."""

    class Interrupted(Broken):
        def on_span_start(self, span: Span[Any]) -> None:
            raise KeyboardInterrupt

    set_trace_provider(DefaultTraceProvider([Interrupted()]))

    with pytest.raises(KeyboardInterrupt):
        custom_span("s").start()


def test_replace(heard):
    """Processors can be added and replaced between two calls."""
    fanout = Fanout()
    fanout.add(heard)
    assert fanout.processors == (heard,)
    fanout.replace([])
    assert fanout.processors == ()


def test_exit_not_theirs(heard):
    """A processor cannot end the program: its SystemExit counts as one more failure."""

    class Leaving(Broken):
        def on_span_start(self, span: Span[Any]) -> None:
            raise SystemExit(3)

        on_span_end = on_span_start

        def on_trace_start(self, trace: Trace) -> None:
            raise SystemExit(3)

        on_trace_end = on_trace_start

        def shutdown(self) -> None:
            raise SystemExit(3)

        force_flush = shutdown

    provider = DefaultTraceProvider([Leaving(), heard])
    set_trace_provider(provider)
    with trace("t"), custom_span("s"):
        pass
    provider.force_flush()
    provider.shutdown()

    assert len(heard.words) == 4 + 2
    assert sum(losses.totals().values()) == 6


HANGING = """
    import threading
    from tracer import *
    from tracer import processors, provider
    class Quiet(TracingProcessor):
        def on_span_start(self, span): pass
        def on_span_end(self, span): pass
    class Hangs(Quiet):
        def shutdown(self): threading.Event().wait()
    class HangsInBatch(BatchTraceProcessor):
        def shutdown(self): threading.Event().wait()
    class Kept(TracingExporter):
        def export(self, items): print("exported", flush=True)
    class Says(Quiet):
        def __init__(self, word): self.word = word
        def shutdown(self): print(self.word, flush=True)
    processors.EXIT_SECONDS = provider.EXIT_SECONDS = 0.5
"""


def test_hanging_exit(python: Callable[..., Any]):
    """A shutdown that hangs costs no more than the deadline, is counted, and stops no other."""
    done = python(
        HANGING
        + """
    import atexit
    from tracer.losses import losses
    atexit.unregister(provider._shut_down_at_exit)
    atexit.register(lambda: print(sorted(loss[:2] for loss in losses.totals()), flush=True))
    atexit.register(provider._shut_down_at_exit)
    other = DefaultTraceProvider([Hangs()])
    batch = HangsInBatch(Kept(), schedule_delay=60)
    set_trace_processors([Says("first"), Hangs(), batch, Says("last")])
    with custom_span("s"):
        pass
    raise SystemExit(3)
    """,
        code=3,
    )

    words = done.stdout.splitlines()
    reason = "not shut down before exit"
    assert words.index("first") < words.index("last")
    assert words.count("exported") == 1
    assert words[-1] == str([("Hangs", reason), ("HangsInBatch", reason)])
    assert done.stderr.count("Hangs.shutdown() had not returned") == 1


def test_slow_exit(python: Callable[..., Any]):
    """A shutdown that takes some of the time is waited for."""
    done = python("""
        import threading
        from tracer import *
        class Slow(TracingProcessor):
            def on_span_start(self, span): pass
            def on_span_end(self, span): pass
            def shutdown(self):
                threading.Event().wait(1)
                print("done", flush=True)
        set_trace_processors([Slow()])
    """)

    assert done.stdout == "done\n"
    assert done.stderr == ""


def test_exit_without_threads(python: Callable[..., Any]):
    """Where no thread can be had at exit any more, processors are shut down all the same."""
    done = python(
        HANGING
        + """
    def refused(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    set_trace_processors([Says("first"), Says("last")])
    threading.Thread.start = refused
    """
    )

    assert done.stdout == "first\nlast\n"
