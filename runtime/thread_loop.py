"""One event loop for each thread, for `run_sync`.

It stays between runs, because clients keep connections open and a connection belongs to the loop
it was made in: with a new loop for each run the second one would meet dead connections.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from runtime.exceptions import UserError

T = TypeVar("T")


class _Loop:
    """The loop of one thread; closed when the thread or the process ends."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.runner = asyncio.Runner()
        self.finalizer = weakref.finalize(self, self.runner.close)


_local = threading.local()

# Loops of the parent process, left alone: closing one here would disturb it there.
_inherited: list[_Loop] = []


def run_in_thread_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end in the loop of this thread, in a copy of the current context.

    Ctrl-C cancels it, waits for it and then raises KeyboardInterrupt.

    Raises:
        UserError: If an event loop is running in this thread.
    """
    if asyncio._get_running_loop() is not None:
        coroutine.close()
        raise UserError(
            "Runner.run_sync() was called while an event loop is running in this thread. It needs "
            "the thread for itself, and would stop that loop. Use 'await Runner.run(...)' in async "
            "code and in notebooks."
        )
    loop: _Loop | None = getattr(_local, "loop", None)
    if loop is not None and loop.process != os.getpid():
        loop.finalizer.detach()
        _inherited.append(loop)
        loop = None
    if loop is None:
        loop = _local.loop = _Loop()
    return loop.runner.run(coroutine, context=contextvars.copy_context())
