"""Several coroutines at once."""

from __future__ import annotations

import asyncio

import pytest

from runtime.together import together


def test_order():
    """Results keep the order given, whatever the order of the ends."""

    async def late(n):
        for _ in range(5 - n):
            await asyncio.sleep(0)
        return n

    async def main():
        return await together(late(n) for n in range(5)), await together([])

    assert asyncio.run(main()) == ([0, 1, 2, 3, 4], [])


def test_failure():
    """One failure cancels the others, waits for their clean-up, and goes on as it is."""
    log = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    async def fail():
        await asyncio.sleep(0)
        raise LookupError("first")

    async def fail_at_end():
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("second")

    async def main():
        with pytest.raises(LookupError, match="first"):
            await together([forever(), fail_at_end(), fail()])
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    assert log == ["cleaned up"]


def test_cancelled():
    """A cancelled call cancels what it started."""

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(together(asyncio.Event().wait() for _ in range(3)), 0.01)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
