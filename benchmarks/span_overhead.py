"""What a span costs the program: flightlog beside openai-agents and the OpenTelemetry SDK.

    python benchmarks/span_overhead.py [--rounds 5] [--spans 5000]

Each library runs in a process of its own, several rounds in turn, so that a busy machine is
unfair to all alike. One JSON line for each measure: the median over the rounds in microseconds a
span (of the calling thread: start, end, and whatever the pipeline does there), and the ratio of
flightlog to each peer (below 1: flightlog is cheaper).

Measures:
    bare            a span that no processor is told of
    listener        a span, one processor that does nothing
    batch           a span behind a batch processor whose exporter drops it; frozen on the way
    generation_3k   a model call with 3 KB of messages, behind the same batch processor
    generation_100  a model call with 100 messages of 500 bytes, behind the same batch processor
    record_3k       flightlog only: the same model call, made a record for the local store
    store, store_*  flightlog only: span, tool's call (1 KB in, 1 KB out, all new) or model call
                    through the local store's recorder
"""

from __future__ import annotations

import argparse
import gc
import importlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

LIBRARIES = ("flightlog", "openai-agents", "opentelemetry")


class Measure(NamedTuple):
    """What to measure, and what to do once before it."""

    set_up: Callable[[], None]
    work: Callable[[], None]


Measures = dict[str, Measure]

SMALL = [
    {"role": "system", "content": "You answer customers. " * 40},
    {"role": "user", "content": "Where is my order? " * 100},
]
LARGE = [{"role": "user", "content": "x" * 500} for _ in range(100)]
ANSWER = [{"role": "assistant", "content": "It is on its way. " * 10}]
PIECE = "Where is it? " * 75
USAGE = {"input_tokens": 100, "output_tokens": 20}


def flightlog() -> Measures:
    """The measures of flightlog, each as one span."""
    tracer = importlib.import_module("tracer")

    class Listener(tracer.TracingProcessor):  # type: ignore[misc, name-defined]
        def on_span_start(self, span: Any) -> None:
            """Nothing."""

        def on_span_end(self, span: Any) -> None:
            """Nothing."""

    return _agents_like(tracer, Listener) | _flightlog_only(tracer)


def openai_agents() -> Measures:
    """The measures of openai-agents, each as one span."""
    tracing = importlib.import_module("agents.tracing")

    class Listener(tracing.TracingProcessor):  # type: ignore[misc, name-defined]
        def on_trace_start(self, trace: Any) -> None:
            """Nothing."""

        def on_trace_end(self, trace: Any) -> None:
            """Nothing."""

        def on_span_start(self, span: Any) -> None:
            """Nothing."""

        def on_span_end(self, span: Any) -> None:
            """Nothing."""

        def shutdown(self) -> None:
            """Nothing."""

        def force_flush(self) -> None:
            """Nothing."""

    return _agents_like(tracing, Listener)


def _agents_like(library: Any, listener: Callable[[], Any]) -> Measures:
    """What the two libraries of the same interface have in common."""

    def custom() -> None:
        with library.custom_span("work", {"k": 1}):
            pass

    def generation(messages: list[dict[str, Any]]) -> None:
        with library.generation_span(input=messages, model="m") as span:
            span.span_data.output = ANSWER
            span.span_data.usage = USAGE

    def batch() -> Any:
        processors = importlib.import_module(f"{library.__name__}.processors")
        interface = importlib.import_module(f"{library.__name__}.processor_interface")

        class Null(interface.TracingExporter):  # type: ignore[misc, name-defined]
            def export(self, items: Any) -> None:
                """Nothing."""

        return processors.BatchTraceProcessor(Null(), max_queue_size=1_000_000)

    def told(processors: list[Any], work: Callable[[], None]) -> Measure:
        def set_up() -> None:
            library.set_trace_processors(processors)
            library.trace("benchmark").start(mark_as_current=True)

        return Measure(set_up, work)

    return {
        "bare": told([], custom),
        "listener": told([listener()], custom),
        "batch": told([batch()], custom),
        "generation_3k": told([batch()], lambda: generation(SMALL)),
        "generation_100": told([batch()], lambda: generation(LARGE)),
    }


def _flightlog_only(tracer: Any) -> Measures:
    class Recorder(importlib.import_module("tracer.testing").Capture):  # type: ignore[misc]
        """Makes records and drops them."""

        def on_span_start(self, span: Any) -> None:
            super().on_span_start(span)
            self.started.clear()
            self.open_spans.clear()

        def on_span_end(self, span: Any) -> None:
            super().on_span_end(span)
            self.spans.clear()

    def generation(messages: list[dict[str, Any]]) -> None:
        with tracer.generation_span(input=messages, model="m") as span:
            span.span_data.output = ANSWER
            span.span_data.usage = USAGE

    def custom() -> None:
        with tracer.custom_span("work", {"k": 1}):
            pass

    def told(make: Callable[[], Any], work: Callable[[], None]) -> Measure:
        def set_up() -> None:
            tracer.set_trace_processors([make()])
            tracer.trace("benchmark").start(mark_as_current=True)

        return Measure(set_up, work)

    numbers = itertools.count()

    def tool() -> None:
        number = next(numbers)
        with tracer.function_span(
            "look_up", input=f'{{"id": {number}, "fields": "{PIECE}"}}'
        ) as span:
            span.span_data.output = f"order {number} {PIECE}"

    measures = {"record_3k": told(Recorder, lambda: generation(SMALL))}
    try:
        recorder = importlib.import_module("exporters.duckdb").recorder
    except (ImportError, AttributeError):
        return measures
    return measures | {
        "store": told(recorder, custom),
        "store_tool_2k": told(recorder, tool),
        "store_generation_3k": told(recorder, lambda: generation(SMALL)),
        "store_generation_100": told(recorder, lambda: generation(LARGE)),
    }


def opentelemetry() -> Measures:
    """The measures of the OpenTelemetry SDK; messages are JSON text, as its attributes must be."""
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    exporting = importlib.import_module("opentelemetry.sdk.trace.export")

    class Null(exporting.SpanExporter):  # type: ignore[misc, name-defined]
        def export(self, spans: Any) -> Any:
            return exporting.SpanExportResult.SUCCESS

    def tracer_of(*processors: Any) -> Any:
        provider = sdk.TracerProvider()
        for processor in processors:
            provider.add_span_processor(processor)
        return provider.get_tracer("benchmark")

    def custom(tracer: Any) -> Measure:
        def work() -> None:
            with tracer.start_as_current_span("work", attributes={"k": 1}):
                pass

        return Measure(lambda: None, work)

    def generation(tracer: Any, messages: list[dict[str, Any]]) -> Measure:
        def work() -> None:
            with tracer.start_as_current_span("m") as span:
                span.set_attribute("gen_ai.input.messages", json.dumps(messages))
                span.set_attribute("gen_ai.output.messages", json.dumps(ANSWER))
                span.set_attribute("gen_ai.usage.input_tokens", 100)
                span.set_attribute("gen_ai.usage.output_tokens", 20)

        return Measure(lambda: None, work)

    def batch() -> Any:
        return exporting.BatchSpanProcessor(Null(), max_queue_size=1_000_000)

    return {
        "bare": custom(tracer_of()),
        "listener": custom(tracer_of(sdk.SpanProcessor())),
        "batch": custom(tracer_of(batch())),
        "generation_3k": generation(tracer_of(batch()), SMALL),
        "generation_100": generation(tracer_of(batch()), LARGE),
    }


def measure(library: str, spans: int) -> dict[str, float]:
    """Microseconds a span of each measure, in this process."""
    made = {"flightlog": flightlog, "openai-agents": openai_agents}.get(library, opentelemetry)()
    results = {}
    for name, (set_up, work) in made.items():
        set_up()
        count = spans if "100" not in name else max(1, spans // 10)
        for _ in range(count // 10 + 1):
            work()
        gc.collect()
        start = time.thread_time_ns()
        for _ in range(count):
            work()
        results[name] = (time.thread_time_ns() - start) / count / 1000
    return results


def in_process(library: str, spans: int) -> dict[str, float]:
    """The same in a process of its own, whose store is a temporary one."""
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "FLIGHTLOG_HOME": home, "OPENAI_API_KEY": "none"}
        done = subprocess.run(
            [sys.executable, __file__, "--library", library, "--spans", str(spans)],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
    results: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return results


def main() -> None:
    """Run all libraries in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description="The cost of a span, beside its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spans", type=int, default=5000)
    parser.add_argument("--library", choices=LIBRARIES, help="measure this one, in this process")
    options = parser.parse_args()
    if options.library:
        print(json.dumps(measure(options.library, options.spans)))
        return
    rounds: dict[str, dict[str, list[float]]] = {library: {} for library in LIBRARIES}
    for _ in range(options.rounds):
        for library in LIBRARIES:
            for name, value in in_process(library, options.spans).items():
                rounds[library].setdefault(name, []).append(value)
    medians = {
        library: {name: statistics.median(values) for name, values in measures.items()}
        for library, measures in rounds.items()
    }
    for name, ours in medians["flightlog"].items():
        theirs = {
            library: medians[library][name] for library in LIBRARIES[1:] if name in medians[library]
        }
        line: dict[str, Any] = {"measure": name, "unit": "us per span", "flightlog": round(ours, 2)}
        line |= {library: round(value, 2) for library, value in theirs.items()}
        line |= {f"ratio to {library}": round(ours / value, 2) for library, value in theirs.items()}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
