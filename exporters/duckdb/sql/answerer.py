"""The asker's hold on a process that answers: starts it, talks to it, and ends it.

The process is started with a plain command and talks over two pipes, so it makes no difference
whether it is started from a notebook, a thread, a server or a forked process. It ends when its
stdin is closed, so it never outlives whoever started it. It gets a bare environment, without keys.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporters.duckdb import scratch
from exporters.duckdb.layout import Layout
from exporters.duckdb.sql import frames
from exporters.store import StoreError
from tracer.config import bare_environ

Event = tuple[Any, ...]
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_REAP_SECONDS = 5.0


class Answerer:
    """One process that answers one question at a time.

    While a question is put to it, `hear` is called from a thread of this object with each message
    of the answer, and with `("ended",)` when the process has.

    Raises:
        StoreError: If no process can be started.
    """

    def __init__(self, layout: Layout, surroundings: Mapping[str, str]) -> None:
        self.layout, self.surroundings = layout, surroundings
        self.gone = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # else a message could go to a file that is opened next
        self._hear: Callable[[Event], None] | None = None
        self._number = 0
        self._scratch = scratch.made()
        spill = None if self._scratch is None else self._scratch.path
        try:
            self._process, self._to, self._from = _start(layout, surroundings, spill)
        except BaseException:
            self._clear()
            raise
        try:
            threading.Thread(target=self._listen, daemon=True, name="flightlog-sql").start()
        except RuntimeError as error:
            self.end(now=True)
            os.close(self._from)
            raise _refused(layout, error) from error

    @property
    def command(self) -> str:
        """What it was started with."""
        return shlex.join(_command(self.layout))

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def put(self, question: tuple[str, bytes, int, float], hear: Callable[[Event], None]) -> int:
        """Put a question (query, pickled parameters, limit, seconds); gives its number."""
        with self._lock:
            self._number += 1
            self._hear = hear
        if self.gone:
            hear(("ended",))
        self._tell(("ask", self._number, *question))
        return self._number

    def interrupt(self) -> None:
        """Ask the question that is put to stop; it is answered by a failure, if all is well."""
        self._tell(("interrupt", self._number))

    def rest(self) -> None:
        """The question is over: nothing is heard any more."""
        with self._lock:
            self._hear = None

    def end(self, *, now: bool) -> None:
        """Let the process end: killed and reaped now, or by itself and soon."""
        self.rest()
        if now:
            with contextlib.suppress(OSError):
                self._process.kill()
        with self._writing:
            if self._to >= 0:
                os.close(self._to)
                self._to = -1
        if now:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAP_SECONDS)
                self._clear()

    def leave(self) -> None:
        """Nobody waits for its end."""
        self._process.returncode = 0

    def disown(self) -> None:
        """In a forked child: the process is the parent's; let go of what leads to it."""
        self.leave()  # it is not ours to wait for
        self._hear, self.gone = None, True
        if self._scratch is not None:
            self._scratch.leave()
            self._scratch = None
        for fd in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _clear(self) -> None:
        """Remove what the process spilled: one that was killed could not."""
        if self._scratch is not None:
            self._scratch.close()

    def _tell(self, message: Event) -> None:
        data = frames.packed(message)
        with self._writing, contextlib.suppress(OSError):  # it ended, which is heard
            if self._to >= 0:
                frames.send(self._to, data)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, pickle.UnpicklingError, EOFError, MemoryError):
            while (data := frames.receive(self._from)) is not None:
                message = frames.values(data)
                with self._lock:
                    hear = self._hear if message[1] == self._number else None
                if hear is not None:
                    hear(message)
        self.gone = True
        with self._lock:
            hear = self._hear
        if hear is not None:
            hear(("ended",))
        with contextlib.suppress(OSError):
            self._process.kill()  # where it sent what cannot be read
        self._process.wait()
        self._clear()
        self.end(now=False)
        os.close(self._from)
        self._from = -1


def _command(layout: Layout) -> list[str]:
    # -P: the folder that the program runs in must not bring modules of the same names.
    module = "exporters.duckdb.sql.answering"
    return [sys.executable or "python", "-P", "-m", module, "--store", str(layout.catalog)]


def _start(
    layout: Layout, surroundings: Mapping[str, str], spill: Path | None
) -> tuple[subprocess.Popen[bytes], int, int]:
    stdin, to = os.pipe()
    back, stdout = os.pipe()
    try:
        process = subprocess.Popen(
            [*_command(layout), *(["--spill", str(spill)] if spill is not None else [])],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=surroundings,
            start_new_session=True,  # Ctrl-C is for the asker
        )
    except OSError as error:
        os.close(to)
        os.close(back)
        raise _refused(layout, error) from error
    finally:
        os.close(stdin)
        os.close(stdout)
    return process, to, back


def _refused(layout: Layout, error: Exception) -> StoreError:
    return StoreError(
        f"No process could be started to answer SQL: {error}. Questions are answered by a process "
        f"of their own, started as {shlex.join(_command(layout))!r}. See why that fails here."
    )


def surroundings() -> dict[str, str]:
    """What a process that answers is told by the environment: no keys, but where our code is."""
    told = bare_environ()
    root = Path(__file__).parents[3]
    if root.name not in _INSTALLED:  # a source tree, or packages put beside a program
        known = told.get("PYTHONPATH")
        told["PYTHONPATH"] = os.pathsep.join([str(root), *([known] if known else [])])
    return told
