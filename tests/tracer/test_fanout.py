import logging
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
