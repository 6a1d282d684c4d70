import asyncio
import contextvars
import gc
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracer import (
    DefaultTraceProvider,
    Span,
    Trace,
    context,
    custom_span,
    get_current_span,
    get_current_trace,
    get_trace_provider,
    set_trace_provider,
    trace,
)
from tracer.scope import Scope
from tracer.testing import Capture


def test_gather(capture: Capture):
    """Spans of tasks that run at once nest in the span that started the tasks."""

    async def work(name: str) -> None:
        with custom_span(name):
            await asyncio.sleep(0)
            with custom_span(f"{name}.inner"):
                await asyncio.sleep(0)

    async def main() -> None:
        with trace("t"), custom_span("outer"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())

    assert capture.tree().splitlines() == [
        "trace t",
        "  custom outer",
        "    custom a",
        "      custom a.inner",
        "    custom b",
        "      custom b.inner",
    ]


def test_to_thread(capture: Capture):
    """Work handed to a thread by asyncio nests in the span that handed it over."""

    def work() -> None:
        with custom_span("in thread"):
            pass

    async def main() -> None:
        with trace("t"), custom_span("outer"):
            await asyncio.to_thread(work)

    asyncio.run(main())

    assert capture.tree() == "trace t\n  custom outer\n    custom in thread"


def test_plain_thread(capture: Capture):
    """A plain thread starts with nothing current; a copied context carries what was."""

    def work(name: str) -> None:
        with custom_span(name):
            pass

    with trace("t"), custom_span("outer"), ThreadPoolExecutor(1) as pool:
        pool.submit(work, "alone").result()
        pool.submit(contextvars.copy_context().run, work, "carried").result()

    assert capture.named("alone").trace_name == "alone"
    assert capture.named("carried").parent_id == capture.named("outer").span_id


def test_outliving(capture: Capture):
    """A task that outlives the span it was started in stays under it."""

    async def later(go: asyncio.Event) -> None:
        await go.wait()
        with custom_span("late"):
            pass
        with custom_span("later"):
            pass

    async def main() -> None:
        go = asyncio.Event()
        with trace("t"), custom_span("outer"):
            task = asyncio.create_task(later(go))
        assert get_current_span() is None
        go.set()
        await task

    asyncio.run(main())

    assert capture.tree() == "trace t\n  custom outer\n    custom late\n    custom later"


def test_generator(capture: Capture):
    """A generator's span that another task closes is current nowhere afterwards."""

    async def numbers() -> Any:
        with custom_span("generator"):
            yield 1
            yield 2

    async def main() -> None:
        with trace("t"), custom_span("outer") as outer:
            generator = numbers()
            await anext(generator)
            await asyncio.create_task(generator.aclose())
            assert get_current_span() is outer
            with custom_span("after"):
                pass
        assert get_current_trace() is None

    asyncio.run(main())

    assert capture.tree() == (
        "trace t\n  custom outer\n    custom generator [cancelled]\n    custom after"
    )


def test_silent_generator(capture: Capture):
    """So it is with a span that is not recorded: what follows is recorded again."""

    async def numbers() -> Any:
        with custom_span("generator", disabled=True):
            yield 1

    async def main() -> None:
        with trace("t") as t:
            generator = numbers()
            await anext(generator)
            await asyncio.create_task(generator.aclose())
            assert get_current_trace() is t
            with custom_span("after"):
                pass

    asyncio.run(main())

    assert capture.tree() == "trace t\n  custom after"


def test_abandoned(capture: Capture):
    """A generator left by `break` and closed by the collector harms nobody."""

    def numbers() -> Iterator[int]:
        with custom_span("generator"):
            yield 1
            yield 2

    with trace("t"), custom_span("outer") as outer:
        for _ in numbers():
            break
        gc.collect()
        assert get_current_span() is outer

    assert capture.named("generator").status == "cancelled"


def test_out_of_order(capture: Capture):
    """Spans that end out of order leave the right one current."""
    with trace("t") as t:
        a, b, c = (custom_span(name) for name in "abc")
        for span in (a, b, c):
            span.start(mark_as_current=True)
        b.finish(reset_current=True)
        assert get_current_span() is c
        c.finish(reset_current=True)
        assert get_current_span() is a
        a.finish(reset_current=True)
        assert get_current_trace() is t


def test_cancelled_task(capture: Capture):
    """A cancelled task's span is cancelled, and the canceller's own span is unharmed."""

    async def hangs(started: asyncio.Event) -> None:
        with custom_span("hangs"):
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        started = asyncio.Event()
        with trace("t"), custom_span("outer") as outer:
            task = asyncio.create_task(hangs(started))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert get_current_span() is outer

    asyncio.run(main())

    assert capture.tree() == "trace t\n  custom outer\n    custom hangs [cancelled]"


def test_closed_by_child(capture: Capture):
    """A span that a task started inside it closes leaves its own task where it was."""

    async def work(parent_over: asyncio.Event) -> None:
        await parent_over.wait()
        with custom_span("mine") as mine:
            await asyncio.create_task(close(mine))
            with custom_span("next"):
                pass

    async def close(span: Span[Any]) -> None:
        span.finish(reset_current=True)

    async def main() -> None:
        over = asyncio.Event()
        with trace("t"), custom_span("outer"):
            task = asyncio.create_task(work(over))
        over.set()
        await task

    asyncio.run(main())

    assert capture.tree() == "trace t\n  custom outer\n    custom mine\n    custom next"


def test_released():
    """Tasks that start each other for ever do not keep the spans of those before them."""
    held: list[weakref.ref[Any]] = []

    async def link(left: int, done: asyncio.Event) -> None:
        with custom_span(str(left)) as span:
            held.append(weakref.ref(span))
            if left:
                chain.append(asyncio.create_task(link(left - 1, done)))
        if not left:
            await done.wait()

    async def main() -> None:
        done = asyncio.Event()
        with Capture():
            chain.append(asyncio.create_task(link(50, done)))
            while len(held) < 51:  # noqa: ASYNC110 (the tasks need turns, not an event)
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            del chain[:-1]
            gc.collect()
            alive = sum(ref() is not None for ref in held)
            done.set()
            await chain[-1]
        assert alive <= 3

    chain: list[asyncio.Task[None]] = []
    asyncio.run(main())


def test_scope(capture: Capture):
    """What is current can be set and reset by hand."""
    with trace("t") as t, custom_span("s") as span:
        token = Scope.set_current_span(None)
        assert Scope.get_current_span() is None
        assert Scope.get_current_trace() is t
        Scope.reset_current_span(token)
        assert Scope.get_current_span() is span
        token = Scope.set_current_trace(None)
        assert Scope.get_current_trace() is None
        Scope.reset_current_trace(token)
        assert Scope.get_current_span() is span


def test_foreign_token():
    """Undoing in another context does nothing."""
    token = contextvars.copy_context().run(context.put, None)

    context.undo(token)


class Where:
    """A place where code runs, and what the model believes of it."""

    def __init__(self, owner: int, stack: list[Any], call: Callable[[Callable[[], Any]], Any]):
        self.owner = owner
        self.stack = stack
        self.call = call

    def visible(self, ended: dict[Any, int | None], owners: dict[Any, int]) -> list[Any]:
        stack = list(self.stack)
        while stack and ended[stack[-1]] is not None and owners[stack[-1]] == self.owner:
            stack.pop()
        return stack


class Interleavings(RuleBasedStateMachine):
    """Traces and spans start and end in any order and place; the model is a stack a place."""

    def __init__(self) -> None:
        super().__init__()
        self.before = get_trace_provider()
        self.capture = Capture()
        set_trace_provider(DefaultTraceProvider([self.capture]))
        self.ended: dict[Any, int | None] = {}
        self.owners: dict[Any, int] = {}
        self.parents: dict[str, str | None] = {}
        self.traces: dict[str, str | None] = {}
        self.made: list[Span[Any]] = []
        self.places = [self.first()]

    def first(self) -> Where:
        inner = contextvars.Context()
        return Where(0, [], inner.run)

    def another(self, place: Where) -> Where:
        inner: contextvars.Context = place.call(contextvars.copy_context)
        return Where(0, list(place.stack), inner.run)

    def pick(self, data: st.DataObject) -> Where:
        return self.places[data.draw(st.integers(0, len(self.places) - 1))]

    def entered(self, place: Where, node: Any) -> None:
        place.stack = [*place.visible(self.ended, self.owners), node]
        self.ended[node] = None
        self.owners[node] = place.owner

    @rule(data=st.data())
    def spawn(self, data: st.DataObject) -> None:
        if len(self.places) < 6:
            self.places.append(self.another(self.pick(data)))

    @rule(data=st.data())
    def start_trace(self, data: st.DataObject) -> None:
        place = self.pick(data)
        made = trace("t")
        place.call(lambda: made.start(mark_as_current=True))
        self.entered(place, made)

    @rule(data=st.data())
    def make(self, data: st.DataObject) -> None:
        place = self.pick(data)
        span: Span[Any] = place.call(lambda: custom_span(str(len(self.parents))))
        seen = place.visible(self.ended, self.owners)
        above = seen[-1] if seen else None
        self.parents[span.span_id] = above.span_id if isinstance(above, Span) else None
        self.traces[span.span_id] = above.trace_id if above is not None else None
        self.made.append(span)

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        place = self.pick(data)
        span = self.made.pop(data.draw(st.integers(0, len(self.made) - 1)))
        place.call(lambda: span.start(mark_as_current=True))
        self.entered(place, span)

    @precondition(lambda self: any(end is None for end in self.ended.values()))
    @rule(data=st.data(), reset=st.sampled_from([True, True, False]))
    def finish(self, data: st.DataObject, reset: bool) -> None:
        place = self.pick(data)
        running = [node for node, end in self.ended.items() if end is None]
        node = running[data.draw(st.integers(0, len(running) - 1))]
        place.call(lambda: node.finish(reset_current=reset))
        self.ended[node] = 1
        if reset and place.stack and place.stack[-1] is node:
            place.stack.pop()
            place.stack = place.visible(self.ended, self.owners)

    @invariant()
    def current(self) -> None:
        for place in self.places:
            seen = place.visible(self.ended, self.owners)
            above = seen[-1] if seen else None
            assert place.call(get_current_span) is (above if isinstance(above, Span) else None)
            now = place.call(get_current_trace)
            assert (now.trace_id if now else None) == (above.trace_id if above else None)
            if isinstance(above, Trace):
                assert now is above

    def teardown(self) -> None:
        set_trace_provider(self.before)
        for record in self.capture.started:
            assert record.parent_id == self.parents[record.span_id]
            if self.traces[record.span_id] is not None:
                assert record.trace_id == self.traces[record.span_id]


class Tasks(Interleavings):
    """The same, where places are tasks that start each other."""

    def first(self) -> Where:
        self.loop = asyncio.new_event_loop()
        self.orders: list[asyncio.Queue[Any]] = []
        self.tasks: list[asyncio.Task[None]] = []
        return self.task([], self.loop.run_until_complete(self.started()))

    def another(self, place: Where) -> Where:
        return self.task(list(place.stack), place.call(self.create))

    def create(self) -> asyncio.Queue[Any]:
        orders: asyncio.Queue[Any] = asyncio.Queue()
        self.orders.append(orders)
        self.tasks.append(asyncio.get_running_loop().create_task(self.obey(orders)))
        return orders

    async def started(self) -> asyncio.Queue[Any]:
        return self.create()

    async def obey(self, orders: asyncio.Queue[Any]) -> None:
        while (order := await orders.get()) is not None:
            work, answer = order
            answer.set_result(work())

    def task(self, stack: list[Any], orders: asyncio.Queue[Any]) -> Where:
        async def ask(work: Callable[[], Any]) -> Any:
            answer = self.loop.create_future()
            orders.put_nowait((work, answer))
            return await answer

        return Where(len(self.orders), stack, lambda work: self.loop.run_until_complete(ask(work)))

    def teardown(self) -> None:
        super().teardown()
        for orders in self.orders:
            orders.put_nowait(None)
        self.loop.run_until_complete(asyncio.gather(*self.tasks))
        self.loop.close()


class Threads(Interleavings):
    """The same, where places are threads that carry a copied context."""

    def first(self) -> Where:
        self.orders: list[queue.SimpleQueue[Any]] = []
        self.threads: list[threading.Thread] = []
        return self.thread([], contextvars.Context())

    def another(self, place: Where) -> Where:
        return self.thread(list(place.stack), place.call(contextvars.copy_context))

    def thread(self, stack: list[Any], inner: contextvars.Context) -> Where:
        orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def obey() -> None:
            while (work := orders.get()) is not None:
                answers.put(work())

        thread = threading.Thread(target=inner.run, args=(obey,))
        thread.start()
        self.orders.append(orders)
        self.threads.append(thread)

        def ask(work: Callable[[], Any]) -> Any:
            orders.put(work)
            return answers.get(timeout=60)

        return Where(len(self.orders), stack, ask)

    def teardown(self) -> None:
        super().teardown()
        for orders in self.orders:
            orders.put(None)
        for thread in self.threads:
            thread.join()


for machine, examples in ((Interleavings, 100), (Tasks, 60), (Threads, 40)):
    machine.TestCase.settings = settings(
        max_examples=examples, stateful_step_count=40, deadline=None
    )
TestInterleavings = Interleavings.TestCase
TestTasks = Tasks.TestCase
TestThreads = Threads.TestCase
