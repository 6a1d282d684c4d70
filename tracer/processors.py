"""`BatchTraceProcessor`: holds what ended, and hands it to an exporter in batches."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import Any

from tracer.losses import losses
from tracer.processor_interface import TracingExporter, TracingProcessor
from tracer.snapshot import FrozenSpan, FrozenTrace
from tracer.spans import Span
from tracer.traces import Trace

__all__ = ["BatchTraceProcessor"]

EXIT_SECONDS = 5.0
_alive: weakref.WeakSet[BatchTraceProcessor] = weakref.WeakSet()


class BatchTraceProcessor(TracingProcessor):
    """Queues frozen items, bounded by count and by bytes, and exports them on a thread of its own.

    The thread starts with the first item, waits on a condition, and is made anew after a fork.
    A full queue drops the newest item and counts it. Traces are exported as they start, spans as
    they end.

    Args:
        exporter: Where batches go.
        max_queue_size: Most items that wait.
        max_batch_size: Most items in one call of the exporter.
        schedule_delay: Longest wait of an item, in seconds, while the queue is not filling up.
        export_trigger_ratio: Share of the queue that, once waiting, is exported at once.
        max_batch_bytes: Most bytes of JSON in one call of the exporter, and sixteen times that
            in the queue.
    """

    def __init__(
        self,
        exporter: TracingExporter,
        max_queue_size: int = 8192,
        max_batch_size: int = 128,
        schedule_delay: float = 5.0,
        export_trigger_ratio: float = 0.7,
        max_batch_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self._exporter = exporter
        self._name = type(exporter).__name__
        self._max_queue = max_queue_size
        self._max_batch = max_batch_size
        self._delay = schedule_delay
        self._trigger = max(1, int(max_queue_size * export_trigger_ratio))
        self._max_bytes = max_batch_bytes
        self._closed = False
        self.make_anew()
        _alive.add(self)

    def make_anew(self) -> None:
        """No thread, nothing queued: the state at first, and in a forked child.

        What waits in the parent at a fork is the parent's to deliver.
        """
        self._queue: deque[FrozenTrace | FrozenSpan] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._urgent = False
        self._exporting = 0
        self._stop = False
        self._deadline: float | None = None

    def on_trace_start(self, trace: Trace) -> None:
        """Queue the trace."""
        self._put(FrozenTrace(trace))

    def on_span_start(self, span: Span[Any]) -> None:
        """Nothing: a span is queued at its end."""

    def on_span_end(self, span: Span[Any]) -> None:
        """Queue the span."""
        self._put(FrozenSpan(span))

    def force_flush(self, timeout: float | None = None) -> bool:
        """Wait until what is queued now has been exported or lost.

        Args:
            timeout: Longest wait in seconds; None waits as long as the exporter takes.

        Returns:
            Whether all was exported or lost within the time.
        """
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(self._idle, timeout)

    def shutdown(self, timeout: float | None = EXIT_SECONDS) -> None:
        """Export what is queued within `timeout` seconds, count the rest as lost, and stop."""
        with self._changed:
            worker, self._stop = self._worker, True
            self._deadline = None if timeout is None else time.monotonic() + timeout
            self._changed.notify_all()
        if worker is not None:
            worker.join(timeout)
        with self._changed:
            left = len(self._queue) + (self._exporting if worker and worker.is_alive() else 0)
            self._queue.clear()
            self._bytes = 0
            self._worker = None
        if left:
            losses.count(self._name, "not delivered before exit", left)
            losses.warn(
                f"{self._name}:exit",
                f"{self._name} had not delivered {left} items when its {timeout} s at exit were "
                f"over. They are lost to it, not to the local store. Call flush_traces() earlier.",
            )
        if worker is None or not worker.is_alive():
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._exporter.close()

    def _idle(self) -> bool:
        return not self._queue and not self._exporting

    def _put(self, item: FrozenTrace | FrozenSpan) -> None:
        with self._changed:
            full = (
                len(self._queue) >= self._max_queue
                or self._bytes + item.size > self._max_bytes * 16
            )
            if not full:
                self._queue.append(item)
                self._bytes += item.size
                if self._worker is None:
                    self._start()
                if len(self._queue) == 1 or self._due():
                    self._changed.notify_all()
        if full:
            losses.count(self._name, "queue full", trace_id=item.trace_id)
            losses.warn(
                f"{self._name}:full",
                f"{self._name} cannot keep up: {self._max_queue} items are waiting, and what comes "
                f"now is dropped and counted. Raise max_queue_size, or look at its destination.",
            )

    def _start(self) -> None:
        self._stop, self._closed, self._deadline = False, False, None
        worker = threading.Thread(target=self._work, name=f"flightlog-{self._name}", daemon=True)
        worker.start()
        self._worker = worker

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._urgent or self._stop)
                self._changed.wait_for(self._due, self._delay)
                if self._worker not in (me, None):
                    return
                self._urgent = False
                stop = self._stop
            self._drain()
            if stop:
                return

    def _due(self) -> bool:
        return (
            self._stop
            or self._urgent
            or len(self._queue) >= self._trigger
            or self._bytes >= self._max_bytes
        )

    def _drain(self) -> None:
        while self._deadline is None or time.monotonic() < self._deadline:
            with self._changed:
                batch = self._take()
                self._exporting = len(batch)
            if not batch:
                break
            try:
                self._exporter.export(batch)
            except Exception as error:  # noqa: BLE001 (an exporter's failure is ours to count)
                losses.count(self._name, "export raised", len(batch))
                losses.warn(
                    f"{self._name}:{type(error).__name__}",
                    f"{self._name} failed with {type(error).__name__}; {len(batch)} items did not "
                    f"reach its destination. They are counted; the local store has them.",
                )
        with self._changed:
            self._exporting = 0
            self._changed.notify_all()

    def _take(self) -> list[FrozenTrace | FrozenSpan]:
        batch: list[FrozenTrace | FrozenSpan] = []
        size = 0
        while self._queue and len(batch) < self._max_batch:
            if batch and size + self._queue[0].size > self._max_bytes:
                break
            item = self._queue.popleft()
            size += item.size
            batch.append(item)
        self._bytes -= size
        return batch


def _after_fork() -> None:
    for processor in list(_alive):
        processor.make_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
