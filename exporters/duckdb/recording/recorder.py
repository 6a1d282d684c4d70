"""The recorder: the processor that puts every trace and span into the local store.

It is not behind a queue. What starts or ends is encoded in the caller's thread and on file when
the call returns, so that the death of the process costs nothing that ended. Objects of another
tracer with the same public attributes are recorded as well.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from exporters.duckdb.recording.counts import NAME
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import span_line, trace_line
from tracer.losses import losses
from tracer.processor_interface import TracingProcessor
from tracer.snapshot import TraceRecord, span_record, trace_record
from tracer.spans import LiveSpan, Span
from tracer.traces import LiveTrace, Status, Trace

_FOREIGN_LIMIT = 4096
_ENDED_LIMIT = 256


class Recorder(TracingProcessor):
    """Records to the store of a journal. Safe in any thread; raises nothing, never blocks long."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Spans of other tracers know no more of their trace than its id.
        self._foreign: OrderedDict[str, TraceRecord] = OrderedDict()
        self._foreign_ended: OrderedDict[str, TraceRecord] = OrderedDict()

    @property
    def store(self) -> Path:
        """The store's path, as users know it."""
        return self._journal.store.catalog

    @property
    def owner(self) -> str:
        """The identity of this process's recorder, as rows carry it."""
        return self._journal.owner

    def on_trace_start(self, trace: Trace) -> None:
        """Record that it started."""
        try:
            record = trace_record(trace)
            if not isinstance(trace, LiveTrace):
                record = record._replace(start_ns=time.time_ns())
                _remember(self._foreign, record, _FOREIGN_LIMIT)
            self._journal.append(trace_line(record))
        except Exception:  # noqa: BLE001 (recording never hurts)
            _failed(trace)

    def on_trace_end(self, trace: Trace) -> None:
        """Record it as it ended."""
        try:
            record = trace_record(trace)
            if not isinstance(trace, LiveTrace):
                record = self._ended(record)
            self._journal.append(trace_line(record))
        except Exception:  # noqa: BLE001
            _failed(trace)

    def on_span_start(self, span: Span[Any]) -> None:
        """Record that it started, with what is known of it by now."""
        self._span(span)

    def on_span_end(self, span: Span[Any]) -> None:
        """Record it as it ended."""
        self._span(span)

    def force_flush(self) -> None:
        """Make what was recorded survive even a loss of power."""
        self._journal.flush()

    def shutdown(self) -> None:
        """Seal the segment and stop; a span recorded afterwards starts again."""
        self._journal.close()

    def _span(self, span: Span[Any]) -> None:
        try:
            known = None
            if not isinstance(span, LiveSpan):
                trace_id = span.trace_id
                known = self._foreign.get(trace_id) or self._foreign_ended.get(trace_id)
            self._journal.append(span_line(span_record(span, known)))
        except Exception:  # noqa: BLE001
            _failed(span)

    def _ended(self, record: TraceRecord) -> TraceRecord:
        """A foreign trace at its end; its own clock is not ours to read."""
        now = time.time_ns()
        before = self._foreign.pop(record.trace_id, None)
        start = now if before is None else before.start_ns
        status: Status = "ok" if record.error is None else "error"
        record = record._replace(start_ns=start, end_ns=max(now, start), status=status)
        _remember(self._foreign_ended, record, _ENDED_LIMIT)
        return record


def _remember(records: OrderedDict[str, TraceRecord], record: TraceRecord, limit: int) -> None:
    records[record.trace_id] = record
    while len(records) > limit:
        try:
            records.popitem(last=False)
        except KeyError:  # another thread was quicker
            return


def _failed(traced: Trace | Span[Any]) -> None:
    trace_id = getattr(traced, "trace_id", None)
    losses.count(NAME, "could not be encoded", trace_id=trace_id if trace_id else None)
    losses.warn(
        "duckdb encoding",
        f"A {type(traced).__name__} could not be recorded. It is counted as lost and the run goes "
        f"on. Please report the traceback below.",
        exc_info=True,
    )
