"""One event loop for each thread."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest

from runtime.thread_loop import run_in_thread_loop


async def loop():
    """The loop that runs this."""
    return asyncio.get_running_loop()


def test_one_loop():
    """A thread keeps its loop, another thread has another, which ends with it."""
    mine = run_in_thread_loop(loop())
    others = []
    thread = threading.Thread(target=lambda: others.append(run_in_thread_loop(loop())))
    thread.start()
    thread.join()
    gc.collect()

    assert run_in_thread_loop(loop()) is mine
    assert others[0] is not mine
    assert others[0].is_closed()
    assert not mine.is_closed()


def test_error():
    """An error comes out, and the loop still serves."""

    async def fail():
        raise LookupError("no")

    with pytest.raises(LookupError):
        run_in_thread_loop(fail())
    assert run_in_thread_loop(loop())


def test_after_fork():
    """A child process gets a loop of its own and leaves the parent's alone."""
    mine = run_in_thread_loop(loop())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"own" if run_in_thread_loop(loop()) is not mine else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)

    assert os.read(read, 10) == b"own"
    os.close(read)
    assert run_in_thread_loop(loop()) is mine
