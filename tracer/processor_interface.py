"""The two protocols of the pipeline: processors see spans happen, exporters carry them away."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from tracer.spans import Span
from tracer.traces import Trace


class TracingProcessor(abc.ABC):
    """Is told of every trace and span, in the thread and at the moment it starts and ends.

    Called synchronously by the traced program: be quick, never block, be safe in any thread. What
    is raised is logged once, counted, and does not reach the program or other processors.

    The object passed in lives on in the program; whoever keeps it longer than the call keeps
    `tracer.snapshot.freeze(...)` of it.
    """

    def on_trace_start(self, trace: Trace) -> None:  # noqa: B027 (a default that does nothing)
        """A trace has started."""

    def on_trace_end(self, trace: Trace) -> None:  # noqa: B027
        """A trace has ended; spans of it that run on may still end later."""

    @abc.abstractmethod
    def on_span_start(self, span: Span[Any]) -> None:
        """A span has started; its data may be incomplete."""

    @abc.abstractmethod
    def on_span_end(self, span: Span[Any]) -> None:
        """A span has ended; its data is as it will stay."""

    def shutdown(self) -> None:  # noqa: B027
        """Deliver what is held and let go of threads and files. May be called more than once.

        A span recorded afterwards makes the processor start again.
        """

    def force_flush(self) -> object:
        """Deliver what is held before returning. May block. What it returns is not looked at."""
        return None


class TracingExporter(abc.ABC):
    """Carries finished traces and spans to where they are kept.

    `BatchTraceProcessor` calls `export` from its one worker thread, never concurrently with
    itself. Items are frozen: they may be kept. A batch that raises is lost and counted, so an
    exporter owns its retries.
    """

    @abc.abstractmethod
    def export(self, items: Sequence[Trace | Span[Any]]) -> None:
        """Export items: traces as they started, spans as they ended. Raises to report failure."""

    def close(self) -> None:  # noqa: B027
        """Let go of connections; called when the processor shuts down.

        Processors may be used again after that, so an `export` that follows connects anew.
        """
