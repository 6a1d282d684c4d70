"""`BatchTraceProcessor`: holds what ended, and hands it to an exporter in batches."""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from collections import deque
from typing import Any

from tracer.deliveries import deliveries
from tracer.forking import anew_in_child
from tracer.losses import losses
from tracer.processor_interface import TracingExporter, TracingProcessor
from tracer.snapshot import FrozenSpan, FrozenTrace
from tracer.spans import Span
from tracer.traces import Trace

__all__ = ["BatchTraceProcessor"]

EXIT_SECONDS = 5.0
_alive: weakref.WeakSet[BatchTraceProcessor] = weakref.WeakSet()


class _Worker:
    """One life of the worker thread: from the first item to a shutdown."""

    __slots__ = ("abandoned", "in_hand", "stopping", "thread")

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.stopping = False
        self.abandoned = False
        self.in_hand = 0

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class BatchTraceProcessor(TracingProcessor):
    """Queues frozen items, bounded by count and by bytes, and exports them on a thread of its own.

    The thread starts with the first item, waits on a condition, and is made anew after a fork.
    A full queue drops the newest item and counts it. Traces are exported as they start, spans as
    they end. What waits when the program ends is delivered then, within five seconds in all.

    Args:
        exporter: Where batches go.
        max_queue_size: Most items that wait.
        max_batch_size: Most items in one call of the exporter.
        schedule_delay: Longest wait of an item, in seconds, while the queue is not filling up.
        export_trigger_ratio: Share of the queue that, once waiting, is exported at once.
        max_batch_bytes: Most bytes of JSON in one call of the exporter, and sixteen times that
            in the queue. An item that is larger alone is exported alone.

    Attributes:
        name: What counters and the log call the exporter: the name that it is registered by, or
            that of its class.
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
        self.name = type(exporter).__name__
        self._max_queue = max_queue_size
        self._max_batch = max_batch_size
        self._delay = schedule_delay
        self._trigger = max(1, int(max_queue_size * export_trigger_ratio))
        self._max_bytes = max_batch_bytes
        self.make_anew()
        self._open = True
        _alive.add(self)
        anew_in_child(self)

    def make_anew(self) -> None:
        """No thread, nothing queued: the state at first, and in a forked child.

        What waits in the parent at a fork is the parent's to deliver, and so is the closing of an
        exporter that the child never uses.
        """
        self._queue: deque[FrozenTrace | FrozenSpan] = deque()
        self._bytes = 0
        self._accepted = 0
        self._settled = 0
        self._changed = threading.Condition()
        # A worker that was given up may still hang in the exporter when the next one starts.
        self._exporting = threading.Lock()
        self._worker: _Worker | None = None
        self._urgent = False
        self._open = False

    def on_trace_start(self, trace: Trace) -> None:
        """Queue the trace."""
        if self._has_room(trace.trace_id):
            self._put(FrozenTrace(trace))

    def on_span_start(self, span: Span[Any]) -> None:
        """Nothing: a span is queued at its end."""

    def on_span_end(self, span: Span[Any]) -> None:
        """Queue the span."""
        if self._has_room(span.trace_id):
            self._put(FrozenSpan(span))

    def force_flush(self, timeout: float | None = None) -> bool:
        """Wait until what is queued now has been exported or lost.

        Args:
            timeout: Longest wait in seconds; None waits as long as the exporter takes.

        Returns:
            Whether all was exported or lost within the time.
        """
        with self._changed:
            target, worker = self._accepted, self._worker
            if self._settled >= target:
                return True
            if worker is not None and worker.thread is threading.current_thread():
                return False  # the exporter itself asks, and would wait for itself
            if worker is None or worker.thread is not None:
                self._urgent = True
                self._changed.notify_all()
                return self._changed.wait_for(lambda: self._settled >= target, timeout)
        self.shutdown(timeout)  # no thread can be had any more
        return True

    def shutdown(self, timeout: float | None = EXIT_SECONDS) -> None:
        """Export what is queued within `timeout` seconds, count the rest as lost, and stop."""
        worker = self._ask_to_stop()
        if worker is None or worker.thread is threading.current_thread():
            return
        if worker.thread is None:
            self._work(worker)
        else:
            worker.thread.join(timeout)
        if worker.running and (left := self._give_up(worker)):
            self._lost("not delivered before exit", left)
            seconds = EXIT_SECONDS if timeout is None else timeout
            losses.warn(
                f"{self.name}:exit",
                f"{self.name} had not delivered {left} items when its {seconds:.1f} s at exit "
                f"were over. They are lost to this exporter only. Call flush_traces() earlier.",
            )

    def _ask_to_stop(self) -> _Worker | None:
        """The worker that now stops once the queue is empty; None if there is nothing to do."""
        with self._changed:
            if self._worker is None and (self._queue or self._open):
                self._start()
            worker = self._worker
            if worker is not None:
                worker.stopping = True
                self._changed.notify_all()
            return worker

    def _give_up(self, worker: _Worker) -> int:
        """Leave a worker that hangs in the exporter to itself; how many items that loses."""
        with self._changed:
            worker.abandoned = True
            left = worker.in_hand
            if self._worker is worker:
                self._worker = None
                self._open = False  # it cannot be closed while it hangs
                left += len(self._queue)
                self._queue.clear()
                self._bytes = 0
                self._settled = self._accepted
                self._changed.notify_all()
            return left

    def _has_room(self, trace_id: str) -> bool:
        """Whether the queue takes one more; asked before the cost of a copy is paid."""
        if len(self._queue) < self._max_queue:
            return True
        self._dropped(trace_id)
        return False

    def _put(self, item: FrozenTrace | FrozenSpan) -> None:
        with self._changed:
            waiting = len(self._queue)
            full = waiting >= self._max_queue or (
                waiting > 0 and self._bytes + item.size > self._max_bytes * 16
            )
            if not full:
                self._queue.append(item)
                self._bytes += item.size
                self._accepted += 1
                worker = self._worker or self._start()
                if not waiting or self._due(worker):
                    self._changed.notify_all()
        if full:
            self._dropped(item.trace_id)

    def _dropped(self, trace_id: str) -> None:
        self._lost("queue full", 1, trace_id)
        losses.warn(
            f"{self.name}:full",
            f"{self.name} cannot keep up: {len(self._queue)} items are waiting, and what comes "
            f"now is dropped and counted. Raise max_queue_size, or look at its destination.",
        )

    def _start(self) -> _Worker:
        self._open = True
        self._worker = worker = _Worker()
        _deliver_when_a_child_ends()
        thread = threading.Thread(
            target=self._work, args=(worker,), name=f"flightlog-{self.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: `shutdown` works in its own thread
            return worker
        worker.thread = thread
        return worker

    def _work(self, worker: _Worker) -> None:
        while self._wait(worker):
            while batch := self._take(worker):
                self._export(batch, worker)
        if not worker.abandoned:
            self._close()

    def _wait(self, worker: _Worker) -> bool:
        """Wait for a reason to export; False when this worker is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or worker.stopping)
            self._changed.wait_for(lambda: self._due(worker), self._delay)
            if self._queue and not worker.abandoned:
                return True
            if worker.stopping and self._worker is worker:
                self._worker = None  # what comes from now on starts another
            return not worker.stopping

    def _due(self, worker: _Worker) -> bool:
        return (
            worker.stopping
            or self._urgent
            or len(self._queue) >= self._trigger
            or self._bytes >= self._max_bytes
        )

    def _take(self, worker: _Worker) -> list[FrozenTrace | FrozenSpan]:
        batch: list[FrozenTrace | FrozenSpan] = []
        size = 0
        with self._changed:
            if worker.abandoned:
                return batch
            while self._queue and len(batch) < self._max_batch:
                if batch and size + self._queue[0].size > self._max_bytes:
                    break
                item = self._queue.popleft()
                size += item.size
                batch.append(item)
            self._bytes -= size
            worker.in_hand = len(batch)
            if not batch:
                self._urgent = False
        return batch

    def _export(self, batch: list[FrozenTrace | FrozenSpan], worker: _Worker) -> None:
        try:
            with self._exporting:
                if worker.abandoned:
                    return
                self._exporter.export(batch)
        except BaseException as error:  # noqa: BLE001 (also sys.exit() in an exporter)
            self._failed(error, len(batch))
        else:
            if not worker.abandoned:  # or it was counted as lost by then
                deliveries.count(self.name, len(batch))
        finally:
            with self._changed:
                if not worker.abandoned:
                    worker.in_hand = 0
                    self._settled += len(batch)
                    self._changed.notify_all()

    def _failed(self, error: BaseException, items: int) -> None:
        losses.count(self.name, "export raised", items)
        deliveries.count(self.name, items, reason=f"export raised {type(error).__name__}")
        losses.warn(
            f"{self.name}:{type(error).__name__}",
            f"{self.name} failed with {type(error).__name__}; {items} items did not reach its "
            f"destination. They are counted, and lost to it alone. Look at its destination.",
        )

    def _lost(self, reason: str, items: int, trace_id: str | None = None) -> None:
        losses.count(self.name, reason, items, trace_id=trace_id)
        deliveries.count(self.name, items, reason=reason)

    def _close(self) -> None:
        with self._exporting:
            if not self._open or self._worker is not None:
                return
            self._open = False
            try:
                self._exporter.close()
            except BaseException as error:  # noqa: BLE001
                losses.warn(
                    f"{self.name}:close",
                    f"{self.name} failed to close with {type(error).__name__}. What it was given "
                    f"before is delivered. Mend the exporter.",
                )


def _deliver_when_a_child_ends() -> None:
    """Deliver at the end of a child of `multiprocessing`, which ends without running `atexit`."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, _end_child, exitpriority=0)


def _end_child() -> None:
    deliver_all()
    losses.keep()


def ask_all_to_stop() -> None:
    """Have every processor of this process deliver on its thread what it holds; wait for none."""
    for processor in list(_alive):
        processor._ask_to_stop()


@atexit.register
def deliver_all(timeout: float = EXIT_SECONDS) -> None:
    """Shut down every processor of this process, within one deadline for all of them."""
    deadline = time.monotonic() + timeout
    ask_all_to_stop()
    for processor in list(_alive):
        # Not a subclass's own, which may hang: the fan-out calls that.
        BatchTraceProcessor.shutdown(processor, max(0.0, deadline - time.monotonic()))
