"""Fan-out: every processor is told, and none can hurt the program or another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from tracer.forking import anew_in_child
from tracer.logger import logger
from tracer.losses import losses
from tracer.processor_interface import TracingProcessor
from tracer.spans import Span
from tracer.traces import Trace


class Fanout:
    """Tells processors in the order they were added.

    The tuple is replaced, never changed, so that it is read without a lock. A processor that
    raises is logged once with its traceback, and every call that failed is counted.
    """

    def __init__(self, processors: Iterable[TracingProcessor] = ()) -> None:
        self.make_anew()
        self._logged: set[tuple[int, str]] = set()
        self.processors: tuple[TracingProcessor, ...] = tuple(processors)
        anew_in_child(self)

    def make_anew(self) -> None:
        """A lock of its own for a forked child."""
        self._lock = threading.RLock()

    def add(self, processor: TracingProcessor) -> None:
        """Add a processor at the end."""
        with self._lock:
            self.processors = (*self.processors, processor)

    def replace(self, processors: Iterable[TracingProcessor]) -> None:
        """Put other processors in place of all there are."""
        with self._lock:
            self.processors = tuple(processors)
            self._logged.clear()

    def on_trace_start(self, trace: Trace) -> None:
        """Tell all that a trace started."""
        for processor in self.processors:
            try:
                processor.on_trace_start(trace)
            except Exception:  # noqa: BLE001 (recording never hurts)
                self._failed(processor, "on_trace_start", trace.trace_id)

    def on_trace_end(self, trace: Trace) -> None:
        """Tell all that a trace ended."""
        for processor in self.processors:
            try:
                processor.on_trace_end(trace)
            except Exception:  # noqa: BLE001
                self._failed(processor, "on_trace_end", trace.trace_id)

    def on_span_start(self, span: Span[Any]) -> None:
        """Tell all that a span started."""
        for processor in self.processors:
            try:
                processor.on_span_start(span)
            except Exception:  # noqa: BLE001
                self._failed(processor, "on_span_start", span.trace_id)

    def on_span_end(self, span: Span[Any]) -> None:
        """Tell all that a span ended."""
        for processor in self.processors:
            try:
                processor.on_span_end(span)
            except Exception:  # noqa: BLE001
                self._failed(processor, "on_span_end", span.trace_id)

    def force_flush(self) -> None:
        """Ask all to deliver what they hold."""
        self._each("force_flush", lambda processor: processor.force_flush())

    def shutdown(self) -> None:
        """Ask all to deliver what they hold and to let go."""
        self._each("shutdown", lambda processor: processor.shutdown())

    def _each(self, verb: str, call: Callable[[TracingProcessor], object]) -> None:
        for processor in self.processors:
            try:
                call(processor)
            except Exception:  # noqa: BLE001
                self._failed(processor, verb, None)

    def _failed(self, processor: TracingProcessor, verb: str, trace_id: str | None) -> None:
        name = type(processor).__name__
        losses.count(name, f"{verb} raised", trace_id=trace_id)
        if (id(processor), verb) not in self._logged:
            self._logged.add((id(processor), verb))
            logger.exception(
                "%s.%s raised. A processor must not; the call is counted as lost and the run "
                "goes on. Mend the processor, or take it out with set_trace_processors().",
                name,
                verb,
            )
