import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from exporters.store import StoreError
from viewer.live import Live

PERIOD = 0.01


def parse(block: bytes) -> dict:
    """An event's fields, its data read."""
    fields = dict(line.split(": ", 1) for line in block.decode().strip().splitlines())
    return fields | {"data": json.loads(fields["data"])}


async def read(stream: AsyncIterator[bytes]) -> dict:
    """The next event, which has to come."""
    async with asyncio.timeout(60):
        return parse(await anext(stream))


async def until(condition) -> None:
    """Waits for a condition, not for long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def test_change(own_store):
    """A page is greeted, then told what changes from then on, with where to resume."""

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream(None)) as stream:
            greeting = await read(stream)
            own_store.put(own_store.get("trace_1"))
            return greeting, await read(stream)

    greeting, change = asyncio.run(go())

    assert (greeting["event"], greeting["id"]) == ("ping", "1")
    assert (change["event"], change["id"]) == ("change", "2")
    assert change["data"] == {"trace_ids": ["trace_1"]}


def test_resume(own_store):
    """Who comes back with the id of their last event is told what they missed."""

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream("0")) as stream:
            return await read(stream), await read(stream)

    greeting, change = asyncio.run(go())

    assert greeting["id"] == "1"
    assert change["data"] == {"trace_ids": ["trace_1"]}


@pytest.mark.parametrize("cursor", ["rubbish", "", "é\x00"])
def test_unknown_cursor(own_store, cursor):
    """An id of another store begins from now."""

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream(cursor)) as stream:
            return await read(stream)

    assert asyncio.run(go())["id"] == "1"


def test_one_watch(own_store):
    """One look at the store tells fifty pages of a change."""
    follow, looks = own_store.follow, threading.Semaphore(0)

    def follow_once(cursor):
        looks.acquire()
        return follow(cursor)

    async def go():
        live = Live(own_store, period=PERIOD)
        streams = [live.stream(None) for _ in range(50)]
        for stream in streams:
            await read(stream)
        own_store.follow = follow_once
        own_store.put(own_store.get("trace_1"))
        looks.release()
        try:
            changes = [await read(stream) for stream in streams]
        finally:
            own_store.follow = follow
            looks.release()  # to the look that waits by now
        for stream in streams:
            await stream.aclose()
        return changes

    changes = asyncio.run(go())

    assert all(change["data"]["trace_ids"] == ["trace_1"] for change in changes)


def test_stops_looking(own_store):
    """The looking begins with the first page, ends with the last, and begins again."""

    async def go():
        live = Live(own_store, period=PERIOD)
        assert not live.watching
        for _ in range(2):
            first, second = live.stream(None), live.stream(None)
            await read(first)
            await read(second)
            await first.aclose()
            assert live.watching
            await second.aclose()
            assert not live.watching

    asyncio.run(go())


def test_gathers(own_store):
    """What changed while a page was busy comes as one event, each trace once."""

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream(None)) as stream:
            await read(stream)
            for _ in range(5):
                own_store.put(own_store.get("trace_1"))
                seen = own_store.follows
                await until(lambda seen=seen: own_store.follows > seen + 1)
            return await read(stream)

    change = asyncio.run(go())

    assert change["data"] == {"trace_ids": ["trace_1"]}
    assert change["id"] == "6"


def test_ping(own_store):
    """A quiet stream shows that it lives."""

    async def go():
        async with aclosing(Live(own_store, period=PERIOD, ping=0.01).stream(None)) as stream:
            return [await read(stream) for _ in range(3)]

    assert [event["event"] for event in asyncio.run(go())] == ["ping"] * 3


def test_outage(own_store, caplog, monkeypatch):
    """A store that cannot be read for a while is told of once, then followed from where it was."""
    monkeypatch.setattr("viewer.live._OUTAGE_PAUSE", 0.01)

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream(None)) as stream:
            await read(stream)
            own_store.failing = StoreError("The store is away.")
            seen = own_store.follows
            await until(lambda: own_store.follows > seen + 3)
            own_store.failing = None
            own_store.put(own_store.get("trace_1"))
            return await read(stream)

    assert asyncio.run(go())["data"] == {"trace_ids": ["trace_1"]}
    assert caplog.text.count("The store is away.") == 1


def test_no_store_at_first(own_store):
    """A page that comes during an outage is greeted all the same."""
    own_store.failing = StoreError("The store is away.")

    async def go():
        async with aclosing(Live(own_store, period=PERIOD).stream(None)) as stream:
            return await read(stream)

    assert "id" not in asyncio.run(go())


def test_close(own_store):
    """Closing ends every stream at once, and later ones before they begin."""

    async def go():
        live = Live(own_store, period=PERIOD)
        stream = live.stream(None)
        await read(stream)
        waiting = asyncio.create_task(anext(stream, None))
        await asyncio.sleep(0)
        live.close()
        live.close()
        async with asyncio.timeout(60):
            assert await waiting is None
            assert await anext(live.stream(None), None) is None
        assert not live.watching

    asyncio.run(go())
