"""Puts questions in SQL to processes that answer them, a few at once and each in its turn.

A process of ours has at most `AT_ONCE` that answer, for all its stores together; one that is idle
is kept for the next question of its store and ends by itself after a minute. Questions beyond
that wait. None starves the others: when all places are taken by questions that take long, the one
that came last of these makes room for who waits, and is asked again from the start later.

Time counts from the call to the end, waiting included; only what the answering process needs to
read the store first does not count, as no question is at fault for it.
"""

from __future__ import annotations

import atexit
import pickle
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from exporters.duckdb.layout import Layout
from exporters.duckdb.sql.answerer import Answerer, Event, surroundings
from exporters.store import Column, QueryError, SqlResult, Stop, StoreError
from tracer.forking import anew_in_child

AT_ONCE = 3
MOST_WAITING = 100
KILL_SECONDS = 1.0  # from asking a question to stop to killing who answers it
_ASIDE_SECONDS = 0.3  # the same where another waits for the place
_PREPARING_SECONDS = 300.0
_SENDING_SECONDS = 30.0
_LONGEST = 1_000_000.0  # seconds

Due = Literal["time", "stop", "aside", "kill", "late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """How a talk with a process ended; with neither error nor result, the question made room."""

    fit: bool = True  # the process can answer another
    result: SqlResult | None = None
    error: StoreError | None = None
    unheard: bool = False  # the process ended before it began


class Turn:
    """A question on its way, and what happens to it."""

    def __init__(self, layout: Layout, query: str, params: bytes, limit: int, timeout: float):
        self.layout = layout
        self.query, self.params, self.limit = query, params, limit
        self.timeout = timeout
        self.deadline = time.monotonic() + min(timeout, _LONGEST)
        self.granted = 0  # a number that grows
        self.slow = False  # it was set aside before
        self.put = 0.0  # when it was put to a process
        self.begun: float | None = None  # when that had read the store
        self.answered: float | None = None  # when the answer began to come in
        self.why: Due | None = None  # it was asked to stop
        self.kill_at = 0.0
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put_to(self, answerer: Answerer) -> int:
        """Put it to a process; its number there."""
        self.put = time.monotonic()
        self.begun = self.answered = self.why = None
        left = max(0.0, self.deadline - self.put)
        return answerer.put(
            (self.query, self.params, self.limit, left),
            lambda message: self.events.put(("said", answerer, message)),
        )

    def halt(self, answerer: Answerer, why: Due) -> None:
        """Ask it to stop; killing comes next."""
        self.why = why
        patience = _ASIDE_SECONDS if why == "aside" else KILL_SECONDS
        self.kill_at = time.monotonic() + patience
        answerer.interrupt()

    def is_slow(self, now: float, allowed: float) -> bool:
        """Whether it takes long."""
        return self.slow or (self.begun is not None and now - self.begun > allowed)


def allowed_seconds(waiting: int) -> float:
    """How long a question may hold a place that others wait for: the more wait, the shorter."""
    return max(0.05, min(0.5, 3.0 / max(1, waiting)))


def takes_slow(running: Sequence[Turn], fresh: int, slow: int, now: float) -> bool:
    """Whether a free place goes to a question that was set aside before, or to a new one.

    One place is kept for new ones, as long as there are any.
    """
    if not slow or not fresh:
        return bool(slow)
    allowed = allowed_seconds(fresh)
    return sum(turn.is_slow(now, allowed) for turn in running) < AT_ONCE - 1


def aside_at(turn: Turn, running: Sequence[Turn], fresh: int) -> float | None:
    """When a question has to make room for one that waits; None for not as things are."""
    if not fresh or len(running) < AT_ONCE or turn.begun is None:
        return None
    if turn is not max(running, key=lambda each: (not each.slow, each.granted)):
        return None  # the others have the places for what takes long, and end or time out there
    return turn.begun + allowed_seconds(fresh)


class Desk:
    """Gives questions their turns and processes."""

    def __init__(self) -> None:
        self.make_anew()
        anew_in_child(self)

    def make_anew(self) -> None:
        """In a forked child: the processes are the parent's."""
        for answerer in [*getattr(self, "_idle", ()), *getattr(self, "_busy", ())]:
            answerer.disown()
        self._lock = threading.Lock()
        self._idle: list[Answerer] = []  # the one used last is last
        self._busy: list[Answerer] = []
        self._running: list[Turn] = []
        self._fresh: deque[Turn] = deque()
        self._slow: deque[Turn] = deque()
        self._count = 0

    def warm(self, layout: Layout) -> None:
        """Start a process for a store, so that the first question need not wait for that."""
        with self._lock:
            if all(each.gone for each in (*self._idle, *self._busy)):
                self._idle.append(Answerer(layout, surroundings()))

    def ask(self, turn: Turn, stops: Sequence[Stop]) -> SqlResult:
        """The answer to a question.

        Raises:
            QueryError: If it is refused, wrong, stopped, or too many wait already.
            StoreError: If the store cannot be read.
        """
        with ExitStack() as stack:
            for stop in stops:
                stack.enter_context(stop.heard_by(lambda: turn.events.put(("stop",))))
            self._enter(turn)
            stack.callback(self._leave, turn)
            while True:
                self._wait(turn)
                result = self._attend(turn)
                if result is not None:
                    return result
                self._again(turn)

    def close(self) -> None:
        """At exit: processes that answer are killed, the others end by themselves."""
        with self._lock:
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for answerer in idle:
            answerer.end(now=False)
            answerer.leave()
        for answerer in busy:
            answerer.end(now=True)

    def _enter(self, turn: Turn) -> None:
        with self._lock:
            if len(self._fresh) + len(self._slow) >= MOST_WAITING:
                raise QueryError(
                    f"The query was not asked: {MOST_WAITING} wait already, too busy to take one "
                    f"more. {AT_ONCE} are answered at once. Ask again when some have ended."
                )
            self._fresh.append(turn)
            self._grant()

    def _again(self, turn: Turn) -> None:
        with self._lock:
            turn.slow, turn.begun, turn.why = True, None, None
            self._running.remove(turn)
            self._slow.append(turn)
            self._grant()

    def _leave(self, turn: Turn) -> None:
        with self._lock:
            for place in (self._running, self._fresh, self._slow):
                if turn in place:
                    place.remove(turn)
            self._grant()

    def _grant(self) -> None:
        """Give free places away; where there is none, let who runs see that others wait."""
        while len(self._running) < AT_ONCE and (self._fresh or self._slow):
            slow = takes_slow(self._running, len(self._fresh), len(self._slow), time.monotonic())
            if slow:
                turn = self._slow.popleft()
            elif len(self._fresh) > 2 * AT_ONCE:
                turn = self._fresh.pop()  # a flood: who waits at its end would wait for nothing
            else:
                turn = self._fresh.popleft()
            self._count += 1
            turn.granted = self._count
            self._running.append(turn)
            turn.events.put(("go",))
        if self._fresh:
            for turn in self._running:
                turn.events.put(("look",))

    def _wait(self, turn: Turn) -> None:
        """Until it is the question's turn."""
        while True:
            try:
                (kind, *_) = turn.events.get(timeout=_left(turn.deadline))
            except queue.Empty:
                raise QueryError(
                    f"The query was stopped after {turn.timeout:g} s, in which it waited for "
                    f"others. {AT_ONCE} are answered at once. Ask again when some have ended, or "
                    f"allow more time."
                ) from None
            if kind == "go":
                return
            if kind == "stop":
                raise _cancelled()

    def _attend(self, turn: Turn) -> SqlResult | None:
        """The answer of a process; None if the question made room for others."""
        while True:
            answerer, used = self._take(turn.layout)
            outcome = _Outcome(fit=False)  # unless all goes well: an exception such as Ctrl-C
            try:
                outcome = self._talk(turn, answerer)
            finally:
                self._release(answerer, fit=outcome.fit)
            if outcome.unheard and used and turn.why is None:
                continue  # it had just ended, as nobody asked for long
            if outcome.error is not None:
                raise outcome.error
            return outcome.result

    def _take(self, layout: Layout) -> tuple[Answerer, bool]:
        """A process for a store, and whether it has been there before."""
        bare = surroundings()
        with self._lock:
            self._idle = [each for each in self._idle if not each.gone]
            for answerer in reversed(self._idle):
                if answerer.layout == layout and answerer.surroundings == bare:
                    self._idle.remove(answerer)
                    self._busy.append(answerer)
                    return answerer, True
            while self._idle and len(self._idle) + len(self._busy) >= AT_ONCE:
                self._idle.pop(0).end(now=False)
            answerer = Answerer(layout, bare)
            self._busy.append(answerer)
            return answerer, False

    def _release(self, answerer: Answerer, *, fit: bool) -> None:
        fit = fit and not answerer.gone
        if fit:
            answerer.rest()
        else:
            answerer.end(now=True)
        with self._lock:
            if answerer in self._busy:  # not so after a fork
                self._busy.remove(answerer)
                if fit:
                    self._idle.append(answerer)

    def _talk(self, turn: Turn, answerer: Answerer) -> _Outcome:
        """Put a question to a process, and see it through."""
        number = turn.put_to(answerer)
        rows: list[tuple[Any, ...]] = []
        while True:
            due, at = self._due(turn)
            try:
                event = turn.events.get(timeout=_left(at))
            except queue.Empty:
                if due in ("kill", "late"):
                    return _Outcome(fit=False, error=_reason(turn, due))
                turn.halt(answerer, due)
                continue
            match event:
                case ("stop",) if turn.why != "stop":
                    turn.halt(answerer, "stop")
                case ("said", who, ("ended",)) if who is answerer:
                    return _ended(turn, answerer)
                case ("said", who, (kind, of, *told)) if who is answerer and of == number:
                    if (outcome := _heard(turn, rows, kind, told)) is not None:
                        return outcome

    def _due(self, turn: Turn) -> tuple[Due, float]:
        """What is to be done with a question next, and when."""
        if turn.why is not None:
            return "kill", turn.kill_at
        if turn.begun is None:
            return "late", turn.put + _PREPARING_SECONDS
        if turn.answered is not None:  # and on its way; to stop it would gain nothing
            return "kill", max(turn.deadline, turn.answered + _SENDING_SECONDS)
        with self._lock:
            aside = aside_at(turn, self._running, len(self._fresh))
        if aside is not None and aside < turn.deadline:
            return "aside", aside
        return "time", turn.deadline


class Asker:
    """Asks questions of one store. Safe in any thread, and in a forked process."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.make_anew()
        anew_in_child(self)

    def make_anew(self) -> None:
        """In a forked child: what is asked is the parent's."""
        self._closed = Stop()

    def ask(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        limit: int = 1000,
        timeout: float = 10.0,
        stop: Stop | None = None,
    ) -> SqlResult:
        """The rows of one reading statement, as far as `limit`.

        Raises:
            QueryError: If the statement is refused, is wrong, is stopped, takes longer than
                `timeout` seconds or more memory than it may.
            StoreError: If the store cannot be read.
        """
        if limit < 0:
            raise QueryError(f"limit is {limit!r}. It counts rows. Pass 0 or more.")
        turn = Turn(self._layout, query, _pickled(params), limit, timeout)
        return _desk.ask(turn, [self._closed] if stop is None else [self._closed, stop])

    def close(self) -> None:
        """Stop what is being asked."""
        self._closed.tell()


def warm(layout: Layout) -> None:
    """Start a process that answers questions of a store, for one that will come soon."""
    _desk.warm(layout)


def _heard(turn: Turn, rows: list[Any], kind: str, told: list[Any]) -> _Outcome | None:
    """What a message of a process means."""
    now = time.monotonic()
    if kind == "begun":
        turn.begun = now
        turn.deadline += now - turn.put
        return None
    if kind == "reading":  # more of the store, which takes its time too and is nobody's fault
        turn.begun, turn.put = None, now
        return None
    turn.answered = now
    if kind == "rows":
        rows += told[0]
        return None
    if kind == "done":
        columns, truncated, elapsed, last = told
        result = SqlResult(
            columns=[Column(name=name, type=kind) for name, kind in columns],
            rows=rows,
            truncated=truncated,
            elapsed_ms=elapsed,
        )
        return _Outcome(fit=not last, result=result)
    why, text, position, last = told
    if why == "stopped":
        return _Outcome(fit=not last, error=_reason(turn, "kill"))
    error = StoreError(text) if why == "store" else QueryError(text, position=position)
    return _Outcome(fit=not last, error=error)


def _ended(turn: Turn, answerer: Answerer) -> _Outcome:
    """What it means that a process ended while it was asked."""
    if turn.why is not None:
        return _Outcome(fit=False, error=_reason(turn, "kill"))
    if turn.begun is not None:
        error: StoreError = QueryError(
            "The query ended the process that answered it: it took more memory than it may, or "
            "met a fault of DuckDB's. A query has to fit into the limits. Write it in smaller "
            "steps, or select less."
        )
    else:
        error = StoreError(
            f"The process that answers SQL ended before it had read the store "
            f"{str(turn.layout.catalog)!r}. It runs {answerer.command!r}. Run that to see why."
        )
    return _Outcome(fit=False, error=error, unheard=turn.begun is None)


def _reason(turn: Turn, due: Due) -> StoreError | None:
    """Why a question ends without an answer; None if it only makes room."""
    if due == "late":
        return StoreError(
            f"The store {str(turn.layout.catalog)!r} could not be read within "
            f"{_PREPARING_SECONDS:g} s. Much that is not compacted takes long to read. "
            f"Compact it: flightlog doctor --repair --store {turn.layout.catalog}"
        )
    if turn.why == "aside":
        return None
    if turn.why == "stop":
        return _cancelled()
    return QueryError(
        f"The query was stopped after {turn.timeout:g} s. A query may take as long as its "
        f"time-out. Narrow it, for example with WHERE started_at > now() - INTERVAL 1 DAY, or "
        f"allow more."
    )


def _cancelled() -> QueryError:
    return QueryError(
        "The query was cancelled. A query ends when nobody waits for its answer any more. "
        "Ask it again if you still want to know."
    )


def _left(at: float) -> float:
    return max(0.0, at - time.monotonic())


def _pickled(params: Sequence[Any] | Mapping[str, Any]) -> bytes:
    given = dict(params) if isinstance(params, Mapping) else list(params)
    try:
        return pickle.dumps(_plain(given), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise QueryError(
            f"A parameter cannot be passed on ({type(error).__name__}). Parameters are numbers, "
            f"texts, times and the like, and lists and dicts of them. Convert it to one of these."
        ) from error


def _plain(value: Any) -> Any:
    """A parameter without classes of the program's, which the other process does not have."""
    match value:
        case str():
            return str.__str__(value)  # of an enum, what it stands for
        case bool() | None:
            return value
        case int():
            return int(value)
        case memoryview():
            return bytes(value)
        case Mapping():
            return {_plain(key): _plain(element) for key, element in value.items()}
        case tuple():
            return tuple(_plain(element) for element in value)
        case list():
            return [_plain(element) for element in value]
        case _:
            return value


_desk = Desk()
atexit.register(_desk.close)
