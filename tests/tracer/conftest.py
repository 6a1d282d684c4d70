"""What the tracer's tests share."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tracer import Span, Trace, TracingExporter, TracingProcessor
from tracer.testing import Capture


class Kept(TracingExporter):
    """An exporter that keeps what it was given; a gate can hold it up."""

    def __init__(self) -> None:
        self.batches: list[list[Trace | Span[Any]]] = []
        self.closed = 0
        self.most_at_once = 0
        self.threads: set[int] = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._inside = 0

    def export(self, items: Sequence[Trace | Span[Any]]) -> None:
        self._inside += 1
        self.most_at_once = max(self.most_at_once, self._inside)
        self.threads.add(threading.get_ident())
        self.entered.set()
        self.gate.wait(120)
        self.batches.append(list(items))
        self._inside -= 1

    def close(self) -> None:
        self.closed += 1

    @property
    def items(self) -> list[Trace | Span[Any]]:
        return [item for batch in self.batches for item in batch]

    @property
    def names(self) -> list[str]:
        return [item.span_data.name for item in self.items if isinstance(item, Span)]


class Heard(TracingProcessor):
    """A processor that keeps what it was told, word by word."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def on_trace_start(self, trace: Trace) -> None:
        self.words.append(f"trace start {trace.name}")

    def on_trace_end(self, trace: Trace) -> None:
        self.words.append(f"trace end {trace.name}")

    def on_span_start(self, span: Span[Any]) -> None:
        self.words.append(f"span start {span.span_data.name}")

    def on_span_end(self, span: Span[Any]) -> None:
        self.words.append(f"span end {span.span_data.name}")

    def shutdown(self) -> None:
        self.words.append("shutdown")

    def force_flush(self) -> None:
        self.words.append("force_flush")


@pytest.fixture
def kept() -> Iterator[Kept]:
    """An exporter whose gate is open again at the end."""
    exporter = Kept()
    yield exporter
    exporter.gate.set()


@pytest.fixture
def heard() -> Heard:
    """A processor that listens."""
    return Heard()


@pytest.fixture
def capture() -> Iterator[Capture]:
    """Records of all that the test traces."""
    with Capture() as records:
        yield records


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits until something is so, and fails if it is not within a minute."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not come true within a minute"
            time.sleep(0.002)

    return wait


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a Python of its own, where warnings are errors."""

    def run(program: str, *, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return run
