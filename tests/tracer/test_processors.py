import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tracer import (
    BatchTraceProcessor,
    DefaultTraceProvider,
    Span,
    Trace,
    TracingExporter,
    custom_span,
    flush_traces,
    set_trace_provider,
    trace,
)
from tracer import processors as processors_module
from tracer.deliveries import deliveries
from tracer.losses import Loss, losses

FLAVOURS = ["os", "fork", "forkserver", "spawn"]


@pytest.fixture
def batch(kept) -> Iterator[Callable[..., BatchTraceProcessor]]:
    """Makes the one processor of the test, behind which is the exporter `kept`."""
    made: list[BatchTraceProcessor] = []

    def make(**options: Any) -> BatchTraceProcessor:
        made.append(BatchTraceProcessor(kept, **{"schedule_delay": 60.0, **options}))
        set_trace_provider(DefaultTraceProvider([made[-1]]))
        return made[-1]

    yield make
    kept.gate.set()
    for processor in made:
        processor.shutdown()


def spans(*names: object) -> None:
    """Record a span of each name."""
    for name in names:
        with custom_span(str(name)):
            pass


def test_order(batch, kept):
    """Traces come as they start and spans as they end, in that order, on one worker."""
    batch()
    with trace("t"), custom_span("outer"):
        spans("a", "b")
    flush_traces()

    assert isinstance(kept.items[0], Trace)
    assert kept.names == ["a", "b", "outer"]
    assert kept.most_at_once == len(kept.threads) == 1


def test_many_threads(batch, kept):
    """What many threads record is exported once each, by one worker."""
    batch(max_batch_size=7)
    with trace("t") as t:
        threads = [threading.Thread(target=lambda: [span(t) for _ in range(100)]) for _ in range(8)]

        def span(parent: Trace) -> None:
            with custom_span("s", parent=parent):
                pass

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    flush_traces()

    assert len({item.span_id for item in kept.items if isinstance(item, Span)}) == 800
    assert len(kept.items) == 801
    assert max(len(one) for one in kept.batches) <= 7
    assert kept.most_at_once == len(kept.threads) == 1


def test_lazy(batch):
    """There is no thread before the first item."""
    processor = batch()
    before = threading.active_count()
    assert processor.force_flush()
    assert threading.active_count() == before
    spans("a")
    assert threading.active_count() == before + 1


def test_trigger(batch, kept, until):
    """A queue that fills up is exported before the delay is over."""
    batch(max_queue_size=10, export_trigger_ratio=0.5)
    with trace("t"):
        spans(1, 2, 3)
        assert kept.batches == []
        spans(4)
        until(lambda: len(kept.items) == 5)


def test_bytes_trigger(batch, kept, until):
    """So is one that grows heavy."""
    batch(max_batch_bytes=2000)
    with trace("t"), custom_span("s", {"text": "x" * 3000}):
        pass

    until(lambda: len(kept.items) == 2)


def test_delay(batch, kept, until):
    """An item waits no longer than the delay."""
    batch(schedule_delay=0.01)
    spans("a")

    until(lambda: kept.names == ["a"])


def test_batch_bounds(batch, kept):
    """A batch is bounded by count and by bytes; what is larger alone goes alone."""
    batch(max_batch_size=3, max_batch_bytes=5000)
    with trace("t"):
        kept.gate.clear()
        spans("first")
        for number in range(5):
            with custom_span(str(number), {"text": "x" * 2000}):
                pass
        with custom_span("large", {"text": "x" * 9000}):
            pass
        spans("last")
        kept.gate.set()
        flush_traces()

    assert kept.names == ["first", "0", "1", "2", "3", "4", "large", "last"]
    for one in kept.batches:
        assert len(one) <= 3
        assert len(one) == 1 or sum(item.size for item in one) <= 5000


def test_full_by_count(batch, kept, caplog: pytest.LogCaptureFixture):
    """A full queue drops the newest, counts it with its trace, and says so once."""
    batch(max_queue_size=3)
    kept.gate.clear()
    with caplog.at_level(logging.WARNING, "flightlog.tracer"), trace("t") as t:
        flusher = threading.Thread(target=flush_traces)
        flusher.start()
        assert kept.entered.wait(60)
        spans("a", "b", "c", "lost", "lost too")
        kept.gate.set()
        flusher.join()
    flush_traces()

    assert kept.names == ["a", "b", "c"]
    assert losses.totals() == {Loss("Kept", "queue full", t.trace_id): 2}
    assert len(caplog.records) == 1
    assert "Raise max_queue_size" in caplog.records[0].getMessage()


def test_full_by_bytes(batch, kept):
    """A queue is full too when it holds sixteen times the bytes of a batch."""
    batch(max_batch_bytes=1000)
    kept.gate.clear()
    with trace("t"):
        flusher = threading.Thread(target=flush_traces)
        flusher.start()
        assert kept.entered.wait(60)
        for number in range(20):
            with custom_span(str(number), {"text": "x" * 1000}):
                pass
        kept.gate.set()
        flusher.join()
    flush_traces()

    lost = sum(losses.totals().values())
    assert 5 <= lost < 20
    assert kept.names == [str(number) for number in range(20 - lost)]


def test_snapshot(batch, kept):
    """What waits in the queue does not change any more."""
    batch()
    messages = ["one"]
    with custom_span("s", {"messages": messages}) as span:
        pass
    messages.append("two")
    span.span_data.name = "renamed"
    flush_traces()

    assert kept.names == ["s"]
    assert kept.items[1].span_data.data == {"messages": ["one"]}


def test_idle(batch, kept, monkeypatch: pytest.MonkeyPatch, until):
    """With an empty queue the worker sleeps without a time-out."""
    waits: list[float | None] = []
    processor = batch()
    wait = processor._changed.wait

    def noted(timeout: float | None = None) -> bool:
        waits.append(timeout)
        return wait(timeout)

    monkeypatch.setattr(processor._changed, "wait", noted)
    spans("a")
    flush_traces()
    until(lambda: waits and waits[-1] is None)

    assert len(waits) < 10


def test_flush_timeout(batch, kept):
    """A flush waits no longer than it is told, and says whether all is out."""
    processor = batch()
    kept.gate.clear()
    spans("a")
    assert not processor.force_flush(0.01)
    kept.gate.set()
    assert processor.force_flush(10)


def test_flush_now(batch, kept):
    """A flush waits for what is queued when it is called, not for what comes meanwhile."""
    processor = batch(max_batch_size=2)
    kept.gate.clear()
    spans("a")
    done = threading.Event()
    flusher = threading.Thread(target=lambda: processor.force_flush(10) and done.set())
    flusher.start()
    assert kept.entered.wait(60)
    before = len(kept.batches)
    kept.gate.set()
    spans(*range(50))
    flusher.join()

    assert done.is_set()
    assert len(kept.batches) > before


def test_flush_from_exporter(kept):
    """An exporter that asks for a flush does not wait for itself."""

    class Asking(TracingExporter):
        said: bool | None = None

        def export(self, items: Sequence[Trace | Span[Any]]) -> None:
            self.said = processor.force_flush()
            processor.shutdown()

    exporter = Asking()
    processor = BatchTraceProcessor(exporter)
    set_trace_provider(DefaultTraceProvider([processor]))
    spans("a")
    processor.shutdown()

    assert exporter.said is False


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1), KeyboardInterrupt()])
def test_raising(batch, kept, monkeypatch, caplog: pytest.LogCaptureFixture, error):
    """A batch whose export raises is lost and counted; the next one is tried."""
    batch()
    export = kept.export
    failures = [error, error]

    def fails(items: Sequence[Trace | Span[Any]]) -> None:
        if failures:
            raise failures.pop()
        export(items)

    monkeypatch.setattr(kept, "export", fails)
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        spans("a")
        flush_traces()
        spans("b")
        flush_traces()
        spans("c")
        flush_traces()

    assert kept.names == ["c"]
    assert losses.totals() == {Loss("Kept", "export raised"): 4}
    assert len(caplog.records) == 1
    assert type(error).__name__ in caplog.records[0].getMessage()


@pytest.fixture
def outcomes() -> Iterator[Callable[[], dict[tuple[str | None, ...], int]]]:
    """How many items were delivered or not, by exporter and reason."""
    deliveries.reset()
    yield lambda: {tuple(delivery): items for delivery, items in deliveries.totals().items()}
    deliveries.reset()


def test_outcomes(batch, kept, monkeypatch, outcomes):
    """Each export is counted: delivered, or failed with what it raised."""
    batch()
    spans("a", "b")
    flush_traces()
    export = kept.export

    def fails(items: Sequence[Trace | Span[Any]]) -> None:
        monkeypatch.setattr(kept, "export", export)
        raise TimeoutError

    monkeypatch.setattr(kept, "export", fails)
    spans("c")
    flush_traces()

    assert outcomes() == {("Kept", None): 4, ("Kept", "export raised TimeoutError"): 2}


def test_outcome_of_dropped(batch, kept, outcomes):
    """What never reached the exporter was not delivered either."""
    batch(max_queue_size=2)
    kept.gate.clear()
    with trace("t"):
        flusher = threading.Thread(target=flush_traces)
        flusher.start()
        assert kept.entered.wait(60)
        spans("a", "b", "c")
        kept.gate.set()
        flusher.join()
    flush_traces()

    assert outcomes() == {("Kept", None): 3, ("Kept", "queue full"): 1}


def test_outcome_of_hanging(batch, kept, outcomes, until):
    """What an exporter still held when it was given up has failed, and is counted once."""
    processor = batch()
    kept.gate.clear()
    spans("a")
    flusher = threading.Thread(target=flush_traces)
    flusher.start()
    assert kept.entered.wait(60)
    processor.shutdown(timeout=0.01)
    kept.gate.set()
    flusher.join()
    until(lambda: kept.batches)

    assert outcomes() == {("Kept", "not delivered before exit"): 2}


def test_shutdown(batch, kept):
    """A shutdown delivers, closes the exporter, and may be called again."""
    processor = batch()
    spans("a")
    processor.shutdown()
    processor.shutdown()

    assert kept.names == ["a"]
    assert kept.closed == 1


def test_used_again(batch, kept):
    """Recording after a shutdown starts again."""
    processor = batch()
    spans("a")
    processor.shutdown()
    spans("b")
    processor.shutdown()

    assert kept.names == ["a", "b"]
    assert kept.closed == 2
    assert len(kept.threads) == 2 or kept.most_at_once == 1


def test_never_used(batch, kept):
    """An exporter that got nothing is closed all the same."""
    batch().shutdown()

    assert kept.closed == 1


def test_close_raises(batch, kept, monkeypatch, caplog: pytest.LogCaptureFixture):
    """An exporter that cannot be closed is a line in the log."""

    def close() -> None:
        raise OSError

    monkeypatch.setattr(kept, "close", close)
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        batch().shutdown()

    assert "Kept failed to close with OSError" in caplog.text


def test_hanging(batch, kept, caplog: pytest.LogCaptureFixture):
    """An exporter that hangs holds a shutdown up to its deadline; the rest is counted as lost."""
    processor = batch(max_batch_size=2)
    kept.gate.clear()
    with caplog.at_level(logging.WARNING, "flightlog.tracer"):
        with trace("t"):
            spans(1, 2, 3)
        processor.shutdown(0.0625)

    assert losses.totals() == {Loss("Kept", "not delivered before exit"): 4}
    assert "had not delivered 4 items when its 0.1 s at exit were over" in caplog.text
    assert kept.closed == 0


def test_after_hanging(batch, kept, until):
    """After a worker was given up, the next one waits for it; none is exported twice or at once."""
    processor = batch(max_batch_size=2)
    kept.gate.clear()
    with trace("t"):
        spans("in hand", "lost")
        processor.shutdown(0.05)
        spans("next")
        flusher = threading.Thread(target=flush_traces)
        flusher.start()
        kept.gate.set()
        flusher.join()

    assert kept.names == ["in hand", "next"]
    assert kept.most_at_once == 1


def test_no_thread(batch, kept, monkeypatch: pytest.MonkeyPatch):
    """Where no thread can be started any more, a flush and a shutdown deliver by themselves."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    processor = batch()
    monkeypatch.setattr(threading.Thread, "start", start)
    spans("a")
    assert processor.force_flush()
    assert kept.names == ["a"]
    spans("b")
    processor.shutdown()
    assert kept.names == ["a", "b"]


def test_common_deadline(kept):
    """Several exporters that hang share one deadline."""
    hanging = [BatchTraceProcessor(kept) for _ in range(3)]
    set_trace_provider(DefaultTraceProvider(list(hanging)))
    kept.gate.clear()
    spans("a")
    processors_module.deliver_all(0.05)

    assert sum(losses.totals().values()) == 6


PROGRAM = """
    import json, os, sys, time
    from tracer import *
    class ToFile(TracingExporter):
        def export(self, items):
            names = [i.span_data.name for i in items if isinstance(i, Span)]
            descriptor = os.open("{path}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, "".join(n + "\\n" for n in names).encode())
            os.close(descriptor)
"""


def test_exit(python, tmp_path):
    """What is queued is delivered at the end of the program, without any call."""
    path = tmp_path / "out"
    python(
        PROGRAM.replace("{path}", str(path))
        + """
    set_trace_processors([BatchTraceProcessor(ToFile(), schedule_delay=60)])
    with custom_span("added"):
        pass
    set_trace_provider(DefaultTraceProvider([BatchTraceProcessor(ToFile(), schedule_delay=60)]))
    with custom_span("given"):
        pass
    raise SystemExit(3)
    """,
        code=3,
    )

    assert sorted(path.read_text().split()) == ["added", "given"]


def test_hanging_exit(python):
    """Exporters that hang, in export or in close, cost the program no more than the deadline."""
    done = python("""
        import threading
        from tracer import *
        from tracer import processors, provider
        class Hangs(TracingExporter):
            def export(self, items):
                threading.Event().wait()
        class HangsAtClose(TracingExporter):
            def export(self, items):
                pass
            def close(self):
                threading.Event().wait()
        processors.deliver_all.__defaults__ = (0.2,)
        provider.EXIT_SECONDS = 0.2
        exporters = [Hangs(), Hangs(), HangsAtClose()]
        set_trace_processors([BatchTraceProcessor(exporter) for exporter in exporters])
        with custom_span("s"):
            pass
        print("done")
    """)

    assert done.stdout == "done\n"
    assert done.stderr.count("had not delivered 2 items") == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_children(tmp_path, flavour):
    """Children deliver what they record, without any call: 20 of 20, and nothing twice."""
    path = tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import os, sys
from tracer import *
import multiprocessing
class ToFile(TracingExporter):
    def export(self, items):
        names = [i.span_data.name for i in items if isinstance(i, Span)]
        descriptor = os.open({str(path)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, "".join(n + "\\n" for n in names).encode())
        os.close(descriptor)
def set_up():
    set_trace_processors([BatchTraceProcessor(ToFile(), schedule_delay=60)])
def work(number):
    if {flavour!r} in ("spawn", "forkserver"):
        set_up()
    with custom_span(f"child{{number}}"):
        pass
if __name__ == "__main__":
    set_up()
    with custom_span("parent"):
        pass
    if {flavour!r} == "os":
        children = []
        for number in range(20):
            child = os.fork()
            if child == 0:
                work(number)
                sys.exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
    else:
        start = multiprocessing.get_context({flavour!r}).Process
        count = 20 if {flavour!r} != "spawn" else 4
        children = [start(target=work, args=(number,)) for number in range(count)]
        for child in children:
            child.start()
        for child in children:
            child.join()
"""
    )
    subprocess.run([sys.executable, "-W", "error", str(program)], check=True, timeout=50)

    children = 4 if flavour == "spawn" else 20
    assert sorted(path.read_text().split()) == sorted(
        ["parent", *(f"child{number}" for number in range(children))]
    )
