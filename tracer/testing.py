r"""Fakes that users' tests may use too: a processor that keeps records, a clock, ids.

from tracer.testing import Capture

with Capture() as capture:
    answer("Where is my order?")
assert capture.tree() == "trace answer\n  function look_up"
"""

from __future__ import annotations

import threading
from typing import Any

from tracer.processor_interface import TracingProcessor
from tracer.provider import DefaultTraceProvider
from tracer.setup import get_trace_provider, set_trace_provider
from tracer.snapshot import SpanRecord, TraceRecord, span_record, trace_record
from tracer.spans import Span
from tracer.traces import Trace


class Capture(TracingProcessor):
    """Keeps the record of everything; as a context manager it is the only processor meanwhile.

    Attributes:
        traces: Records of traces that ended, in the order of their end.
        spans: Records of spans that ended, in the order of their end.
        started: Records of spans at their start, in order.
        open_spans: Ids of spans that have started and not ended.
    """

    def __init__(self) -> None:
        self.traces: list[TraceRecord] = []
        self.spans: list[SpanRecord] = []
        self.started: list[SpanRecord] = []
        self.open_spans: set[str] = set()
        self._started_traces: dict[str, TraceRecord] = {}
        self._lock = threading.RLock()
        self._before: Any = None

    def __enter__(self) -> Capture:
        self._before = get_trace_provider()
        provider = DefaultTraceProvider([self])
        provider.set_disabled(False)  # whatever the environment of the test says
        set_trace_provider(provider)
        return self

    def __exit__(self, *_: object) -> None:
        set_trace_provider(self._before)

    def on_trace_start(self, trace: Trace) -> None:
        """Keep the trace's name for the tree."""
        with self._lock:
            self._started_traces[trace.trace_id] = trace_record(trace)

    def on_trace_end(self, trace: Trace) -> None:
        """Keep the record."""
        with self._lock:
            self.traces.append(trace_record(trace))

    def on_span_start(self, span: Span[Any]) -> None:
        """Keep the record."""
        with self._lock:
            self.started.append(span_record(span))
            self.open_spans.add(span.span_id)

    def on_span_end(self, span: Span[Any]) -> None:
        """Keep the record."""
        with self._lock:
            self.spans.append(span_record(span))
            self.open_spans.discard(span.span_id)

    def named(self, name: str) -> SpanRecord:
        """The one span of that name that ended.

        Raises:
            LookupError: If there is none, or more than one.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = sorted({span.name for span in self.spans})
            raise LookupError(
                f"{len(found)} spans are called {name!r}. named() takes a name that one span has. "
                f"The names are: {', '.join(names)}."
            )
        return found[0]

    def of_type(self, type: str) -> list[SpanRecord]:
        """Spans of a type that ended, in the order of their start."""
        return sorted((span for span in self.spans if span.type == type), key=lambda s: s.start_ns)

    def tree(self) -> str:
        """Traces and their spans as indented text, in the order of their start.

        One line a span: type, name, and in brackets the status where it is not `ok`.
        """
        ended = {span.span_id: span for span in self.spans}
        spans = [ended.get(span.span_id, span) for span in self.started]
        lines: list[str] = []
        done = {trace.trace_id: trace for trace in self.traces}
        for trace_id, trace in self._started_traces.items():
            known = done.get(trace_id, trace)
            lines.append(f"trace {known.name}{_mark(known)}")
            inside = [span for span in spans if span.trace_id == trace_id]
            ids = {span.span_id for span in inside}
            for span in inside:
                if span.parent_id not in ids:
                    _add(lines, inside, span, 1)
        return "\n".join(lines)


def _add(lines: list[str], spans: list[SpanRecord], span: SpanRecord, depth: int) -> None:
    lines.append(f"{'  ' * depth}{span.type} {span.name}{_mark(span)}")
    for child in spans:
        if child.parent_id == span.span_id:
            _add(lines, spans, child, depth + 1)


def _mark(record: TraceRecord | SpanRecord) -> str:
    return "" if record.status == "ok" else f" [{record.status}]"


class StepClock:
    """A clock that goes forward by one step each time it is asked."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000, step_ns: int = 1_000_000) -> None:
        self.time_ns = start_ns
        self.step_ns = step_ns

    def now_ns(self) -> int:
        """The time, after a step."""
        self.time_ns += self.step_ns
        return self.time_ns

    def anchor(self) -> None:
        """Nothing: it follows no other clock."""


class CountingIds:
    """Ids that count from 1, in the right format."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def trace_id(self) -> str:
        """The next trace id."""
        return f"trace_{self._next():032x}"

    def span_id(self) -> str:
        """The next span id."""
        return f"span_{self._next():024x}"

    def group_id(self) -> str:
        """The next group id."""
        return f"group_{self._next():024x}"

    def _next(self) -> int:
        with self._lock:
            self._last += 1
            return self._last
