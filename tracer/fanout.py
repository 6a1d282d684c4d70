"""Fan-out: every processor is told, and none can hurt the program or another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from tracer.forking import anew_in_child
from tracer.logger import logger
from tracer.losses import losses
from tracer.processor_interface import TracingProcessor
from tracer.processors import BatchTraceProcessor
from tracer.spans import Span
from tracer.traces import Trace

# Whether to exit is the program's to say, not a processor's. Ctrl-C passes through.
_RAISED = (Exception, SystemExit)


class Fanout:
    """Tells processors in the order they were added.

    The tuple is replaced, never changed, so that it is read without a lock. A processor that
    raises is logged once with its traceback, and every call that failed is counted.
    """

    def __init__(self, processors: Iterable[TracingProcessor] = ()) -> None:
        self.make_anew()
        self._logged: set[tuple[int, str]] = set()
        self._deadline: float | None = None
        self._ending: list[tuple[str, threading.Thread]] = []
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
            except _RAISED:  # recording never hurts
                self._failed(processor, "on_trace_start", trace.trace_id)

    def on_trace_end(self, trace: Trace) -> None:
        """Tell all that a trace ended."""
        for processor in self.processors:
            try:
                processor.on_trace_end(trace)
            except _RAISED:
                self._failed(processor, "on_trace_end", trace.trace_id)

    def on_span_start(self, span: Span[Any]) -> None:
        """Tell all that a span started."""
        for processor in self.processors:
            try:
                processor.on_span_start(span)
            except _RAISED:
                self._failed(processor, "on_span_start", span.trace_id)

    def on_span_end(self, span: Span[Any]) -> None:
        """Tell all that a span ended."""
        for processor in self.processors:
            try:
                processor.on_span_end(span)
            except _RAISED:
                self._failed(processor, "on_span_end", span.trace_id)

    def force_flush(self) -> None:
        """Ask all to deliver what they hold."""
        for processor in self.processors:
            self._call(processor, "force_flush", lambda one: one.force_flush())

    def shutdown(self) -> None:
        """Ask all to deliver what they hold and to let go."""
        for processor in self.processors:
            if self._deadline is None:
                self._shut_down(processor)
            elif not _is_plain_batch(processor):
                self._begin_end(processor, self._deadline)

    def end_by(self, deadline: float) -> None:
        """The program ends: until `give_up`, `shutdown` waits for nothing beyond this moment.

        It leaves out batch processors, which `deliver_all` ends within a deadline of its own.

        Args:
            deadline: A moment of `time.monotonic()`.
        """
        self._deadline = deadline

    def give_up(self) -> None:
        """Wait until the deadline for what still shuts down; count and log what then hangs."""
        for name, thread in self._ending:
            thread.join(_left(self._deadline))
            if thread.is_alive():
                losses.count(name, "not shut down before exit")
                losses.warn(
                    f"{name}:exit",
                    f"{name}.shutdown() had not returned when the time for it at exit was over. "
                    f"What it still held is lost to it alone. Mend the processor: it must not "
                    f"hang.",
                )
        self._ending.clear()
        self._deadline = None

    def _begin_end(self, processor: TracingProcessor, deadline: float) -> None:
        thread = threading.Thread(
            target=self._shut_down, args=(processor,), name="flightlog-exit", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be had any more
            self._shut_down(processor)
            return
        self._ending.append((type(processor).__name__, thread))
        thread.join(_left(deadline) / 2)  # one that hangs leaves time to those after it

    def _shut_down(self, processor: TracingProcessor) -> None:
        self._call(processor, "shutdown", lambda one: one.shutdown())

    def _call(
        self, processor: TracingProcessor, verb: str, call: Callable[[TracingProcessor], object]
    ) -> None:
        try:
            call(processor)
        except _RAISED:
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


def _is_plain_batch(processor: TracingProcessor) -> bool:
    """Whether `deliver_all` does all that this processor's own shutdown would."""
    return (
        isinstance(processor, BatchTraceProcessor)
        and type(processor).shutdown is BatchTraceProcessor.shutdown
    )


def _left(deadline: float | None) -> float:
    return 0.0 if deadline is None else max(0.0, deadline - time.monotonic())
