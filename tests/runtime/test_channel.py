"""The bounded queue between a run and its reader."""

from __future__ import annotations

import asyncio

from runtime.channel import Channel


async def spin():
    """Let every other task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_order_and_end():
    """Items come in order; a closed channel hands out what is left, then None for ever."""

    async def main():
        channel = Channel(8)
        for n in range(3):
            await channel.send(n)
        channel.close()
        await channel.send(3)
        return [await channel.receive() for _ in range(5)]

    assert asyncio.run(main()) == [0, 1, 2, None, None]


def test_full():
    """A full channel makes the sender wait, and each item read lets one more in."""

    async def main():
        channel, sent = Channel(2), []

        async def send():
            for n in range(5):
                await channel.send(n)
                sent.append(n)

        task = asyncio.create_task(send())
        await spin()
        before = list(sent)
        await channel.receive()
        await spin()
        after = list(sent)
        channel.close(discard=True)
        await task
        return before, after, await channel.receive()

    assert asyncio.run(main()) == ([0, 1], [0, 1, 2], None)


def test_close_wakes_reader():
    """A reader that waits is woken by the end."""

    async def main():
        channel = Channel(1)
        task = asyncio.create_task(channel.receive())
        await spin()
        channel.close()
        return await task

    assert asyncio.run(main()) is None
