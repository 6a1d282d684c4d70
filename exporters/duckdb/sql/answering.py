"""The process that answers questions in SQL: started by `answerer`, talks over its pipes.

DuckDB's limits hold what DuckDB counts. A function that builds one huge value in one step, a
distance of two long texts, a sort of a long list: neither the memory limit nor `interrupt()` stops
those. So questions of users run here, where the kernel limits memory (RLIMIT_DATA, which counts
what DuckDB's allocator really takes; RLIMIT_AS would count its libraries and reserves too) and
where whoever asked can kill. On macOS the kernel knows no such limit: a thread looks at the
process's peak and ends it. Time is limited by the asker there and here: it interrupts at the
deadline and kills a second later, and should it be gone or stopped, this process ends itself.

Messages in: `("ask", number, query, params, limit, seconds)` (the parameters are
a pickle of their own), `("interrupt", number)`. Out:
`("begun", number)` once the store has been read, and between two of those `("reading", number)`
where the question needs more of it than is ready; then `("rows", number, rows)` as often as needed
and `("done", number, columns, truncated, elapsed_ms, last)`, or `("failed", number, kind, text,
position, last)`, where `last` says that this process ends now, as its memory ran out or as it
would keep too much of it. An answer is sent when it is whole,
so that one that grows too large costs the asker nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import pickle
import queue
import resource
import select
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import duckdb

from exporters.duckdb import scratch
from exporters.duckdb.layout import Layout
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.sql import frames, gate
from exporters.duckdb.sql.scope import Scope, scope_of
from exporters.duckdb.views.catalog import statements
from exporters.store import QueryError, StoreError

IDLE_SECONDS = 60.0
MEMORY = "512MB"  # that DuckDB may take; what is more goes to disk, where it can
CEILING = 2 * 1024 * 1024 * 1024  # bytes of memory that the process may take
_FEW, _BATCH = 64, 1024  # rows that are fetched in one go, while they are or may be wide, and else
_WIDE = 16 * 1024
_AGAIN = 0.02  # seconds between interrupts: one that comes between two steps is forgotten
_SWOLLEN = 256 * 1024 * 1024  # bytes that a question may leave behind in an idle process
_GRACE = 5.0  # seconds after its time at which a question ends the process by itself
_TRIES = 3  # a file may be replaced by another while it is read
_GONE, _FULL = 0, 3  # exit codes


@dataclass(frozen=True, slots=True)
class _Question:
    number: int
    query: str
    params: bytes
    limit: int
    seconds: float


class _StoppedError(Exception):
    """The asker wants no answer any more."""


class Answering:
    """Answers one question after the other, as they come in by a pipe."""

    def __init__(self, layout: Layout, inbound: int, outbound: int, spill: Path | None) -> None:
        self._layout, self._spill = layout, spill
        self._inbound, self._outbound = inbound, outbound
        self._inbox: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._number = -1  # of the question that is being answered
        self._stopped = -1  # of the one that is to stop
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._reader: Reader | None = None
        self._slim = 0  # bytes in memory before the question

    def run(self, *, idle: float) -> None:
        """Answer until nobody asks any more, or memory ran out."""
        threading.Thread(target=self._listen, daemon=True).start()
        with contextlib.suppress(StoreError):  # said when a question comes
            self._ready()
        with contextlib.suppress(queue.Empty, BrokenPipeError):
            while (question := self._inbox.get(timeout=idle)) is not None and self._take(question):
                pass
        if self._reader is not None:
            self._reader.close()

    def _ready(self) -> Reader:
        if self._reader is None:
            views = (*statements(raw=False, root=self._layout.root), *gate.shields())
            self._reader = Reader(self._layout, memory_limit=MEMORY, views=views, spill=self._spill)
        return self._reader

    def _take(self, question: _Question) -> bool:
        """Answer one question; says whether this process can answer another."""
        with self._lock:
            self._number = question.number
        try:
            *messages, (columns, truncated, elapsed) = self._answer(question)
            for data in messages:
                frames.send(self._outbound, data)
            del messages
            last = self._is_swollen()
            done = ("done", question.number, columns, truncated, elapsed, last)
            frames.send(self._outbound, frames.packed(done))
            return not last
        except _StoppedError:
            return self._fail("stopped", "")
        except QueryError as error:
            return self._fail("query", str(error), error.position)
        except StoreError as error:
            return self._fail("store", str(error))
        except MemoryError:
            return self._fail("query", gate.NEEDS_MEMORY, last=True)
        except duckdb.Error as error:
            if isinstance(error, duckdb.InterruptException) or self._stopped == question.number:
                return self._fail("stopped", "")
            told = gate.translated(error, question.query)
            broken = isinstance(error, duckdb.FatalException | duckdb.InternalException)
            return self._fail(
                "query", str(told), told.position, last=broken or gate.is_memory(error)
            )
        finally:
            faulthandler.cancel_dump_traceback_later()
            with self._lock:
                self._number = -1

    def _fail(self, kind: str, text: str, at: int | None = None, *, last: bool = False) -> bool:
        last = last or self._is_swollen()
        told = ("failed", self._number, kind, text, at, last)
        frames.send(self._outbound, frames.packed(told))
        return not last

    def _is_swollen(self) -> bool:
        return _resident() - self._slim > _SWOLLEN

    def _answer(self, question: _Question) -> list[Any]:
        """The messages with its rows; then columns, whether there were more rows, milliseconds."""
        reader = self._ready()
        reader.refresh()
        self._slim = _resident()
        self._say(question, "begun")
        given = _given(question.params)
        started = time.monotonic()
        for attempt in range(_TRIES):
            with contextlib.closing(reader.cursor()) as cursor, self._interruptible(cursor):
                try:
                    self._heed(question)
                    tree = gate.check(cursor, question.query)
                    query = gate.listing(cursor, question.query, tree) or question.query
                    started += self._gather(question, scope_of(tree, given))
                    self._heed(question)
                    *answer, (columns, truncated) = self._run(cursor, question, query, given)
                except duckdb.Error as error:
                    if attempt == _TRIES - 1 or not _is_of_files(reader, error):
                        raise
                    reader.refresh()
                    continue
            elapsed = (time.monotonic() - started) * 1000
            return [*answer, (columns, truncated, elapsed)]
        raise AssertionError("unreachable")

    def _say(self, question: _Question, what: Literal["begun", "reading"]) -> None:
        """Tell how far the question is; its time counts from where it has begun."""
        faulthandler.cancel_dump_traceback_later()
        frames.send(self._outbound, frames.packed((what, question.number)))
        if what == "begun":
            faulthandler.dump_traceback_later(question.seconds + _GRACE, exit=True)

    def _gather(self, question: _Question, scope: Scope) -> float:
        """Make ready what the question can see of a backlog; gives the seconds that it took."""
        reader = self._ready()
        if not (scope.rows and reader.has_backlog):
            return 0.0
        self._say(question, "reading")
        started = time.monotonic()
        reader.gather(scope.trace_id)
        self._slim = max(self._slim, _resident())
        self._say(question, "begun")
        return time.monotonic() - started

    def _run(
        self, cursor: duckdb.DuckDBPyConnection, question: _Question, query: str, given: Any
    ) -> Iterator[Any]:
        """Messages with the rows, then the columns and whether there were more rows."""
        self._heed(question)
        cursor.execute("begin transaction read only")
        self._heed(question)
        cursor.execute(query, given)
        columns = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
        count = size = 0
        step = _FEW
        while count <= question.limit:
            self._heed(question)
            rows = cursor.fetchmany(min(step, question.limit + 1 - count))
            if not rows:
                break
            count += len(rows)
            taken = sum(gate.size_of(value) for row in rows for value in row)
            size += taken
            if size > gate.RESULT_BYTES:
                raise gate.too_large()
            step = _BATCH if taken < _WIDE * len(rows) else _FEW
            if count > question.limit:
                rows.pop()
            yield frames.packed(("rows", question.number, rows))
        yield columns, count > question.limit

    def _heed(self, question: _Question) -> None:
        if self._stopped == question.number:
            raise _StoppedError

    @contextlib.contextmanager
    def _interruptible(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:  # held while it is interrupted, so not closed meanwhile
                self._cursor = None

    def _listen(self) -> None:
        """Take what comes in, also while a question is answered."""
        try:
            while True:
                stopping = self._stopped == self._number >= 0
                if not select.select([self._inbound], [], [], _AGAIN if stopping else None)[0]:
                    self._interrupt()
                    continue
                data = frames.receive(self._inbound)
                if data is None:
                    self._leave()
                self._heard(data)
        except BaseException:  # noqa: BLE001 - deaf, it could not be stopped any more
            os._exit(_FULL)

    def _heard(self, data: bytes) -> None:
        kind, number, *rest = pickle.loads(data)
        if kind == "interrupt":
            self._stopped = number
            self._interrupt()
        else:
            self._inbox.put(_Question(number, *rest))

    def _interrupt(self) -> None:
        with self._lock:
            if self._cursor is not None and self._stopped == self._number:
                self._cursor.interrupt()

    def _leave(self) -> NoReturn:
        """The asker is gone: end in good order if that is soon, and anyway."""
        self._inbox.put(None)
        for _ in range(50):
            self._stopped = self._number
            self._interrupt()
            time.sleep(_AGAIN)
        _remove(self._spill)
        os._exit(_GONE)


def _is_of_files(reader: Reader, error: duckdb.Error) -> bool:
    """Whether it may be well once the reader has looked again: a file was replaced, or damaged."""
    if gate.is_memory(error) or isinstance(error, duckdb.InterruptException):
        return False
    return reader.mend(error) or isinstance(error, duckdb.IOException)


def _given(params: bytes) -> Any:
    try:
        return pickle.loads(params)
    except MemoryError:
        raise
    except Exception as error:
        raise QueryError(
            f"A parameter cannot be passed on ({type(error).__name__}). Parameters are numbers, "
            f"texts, times and the like, and lists and dicts of them. Convert it to one of these."
        ) from error


def _resident() -> int:
    """Bytes in memory, as far as the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _remove(spill: Path | None) -> None:
    """Leave nothing behind; whoever asked does so too, but may be gone."""
    if spill is not None:
        shutil.rmtree(spill, ignore_errors=True)


def confine() -> None:
    """Limit what this process may take, before it reads anything of a user's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no payload lands in a dump
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = CEILING if most == resource.RLIM_INFINITY else min(CEILING, most)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
    with contextlib.suppress(OSError):  # where memory runs out anyway, this one goes first
        Path("/proc/self/oom_score_adj").write_text("500")
    if sys.platform != "linux":
        threading.Thread(target=_watch_peak, daemon=True).start()


def _watch_peak() -> None:
    unit = 1 if sys.platform == "darwin" else 1024
    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit < CEILING:
        time.sleep(0.05)
    os._exit(_FULL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer questions that come in by stdin."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.sql.answering",
        description="Answer questions in SQL over a store; talks in frames over stdin and stdout.",
    )
    parser.add_argument("--store", required=True, help="path of the catalog file")
    parser.add_argument("--spill", type=Path, help="a folder for what does not fit into memory")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds to wait for one")
    given = parser.parse_args(arguments)
    inbound, outbound = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):  # what a library prints must not land in a frame
        os.dup2(nowhere, fd)
    confine()
    if given.spill is not None:
        with contextlib.suppress(OSError):
            scratch.hold(given.spill)  # until the end, also where who asks is gone before
    Answering(Layout.of(given.store), inbound, outbound, given.spill).run(idle=given.idle)
    _remove(given.spill)
    return 0


if __name__ == "__main__":
    os._exit(main())  # without waiting for threads that run what nobody wants any more
