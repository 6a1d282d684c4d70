"""What stands in for an exporter that could not be loaded, and counts what it would have had."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tracer.losses import losses
from tracer.processor_interface import TracingProcessor
from tracer.spans import Span
from tracer.traces import Trace

NOT_LOADED = "exporter not loaded"
_FIRST_SECONDS, _LONGEST_SECONDS = 2.0, 300.0


class Absent(TracingProcessor):
    """Counts every trace and span that ends; says when to try to load the exporter again.

    What kept it from being loaded may pass, such as a lack of descriptors or memory, or may not,
    such as a wrong name: so the tries become rare.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._pause = _FIRST_SECONDS
        self._again_at = clock() + self._pause

    def is_due(self) -> bool:
        """Whether it is time for another try; whoever is told so makes it."""
        now = self._clock()
        if now < self._again_at:
            return False
        self._pause = min(2 * self._pause, _LONGEST_SECONDS)
        self._again_at = now + self._pause
        return True

    def on_trace_end(self, trace: Trace) -> None:
        """Count it."""
        losses.count(self.name, NOT_LOADED, trace_id=trace.trace_id)

    def on_span_start(self, span: Span[Any]) -> None:
        """Nothing: it is counted when it ends."""

    def on_span_end(self, span: Span[Any]) -> None:
        """Count it."""
        losses.count(self.name, NOT_LOADED, trace_id=span.trace_id)
