"""Sessions in SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import Session, SQLiteSession, UserError


def item(n):
    """An item that can be told from others."""
    return {"role": "user", "content": f"item {n}"}


def contents(items):
    """The numbers of items."""
    return [int(each["content"].split()[1]) for each in items]


@pytest.fixture(params=["memory", "file"])
def path(request, tmp_path):
    """Where a session is kept."""
    return ":memory:" if request.param == "memory" else tmp_path / "sessions.db"


def test_protocol():
    """It is a Session."""
    assert isinstance(SQLiteSession("s"), Session)


def test_operations(path):
    """Items stay in order, the latest are given on request, the latest can be taken back."""

    async def main():
        session = SQLiteSession("s", path)
        await session.add_items([])
        assert await session.pop_item() is None
        await session.add_items([item(1), item(2)])
        await session.add_items([item(3)])
        assert contents(await session.get_items()) == [1, 2, 3]
        assert contents(await session.get_items(limit=2)) == [2, 3]
        assert contents(await session.get_items(limit=0)) == []
        assert await session.pop_item() == item(3)
        assert contents(await session.get_items()) == [1, 2]
        await session.clear_session()
        assert await session.get_items() == []

    asyncio.run(main())


def test_kept_apart(tmp_path):
    """Conversations in one file do not see each other, and outlive the objects."""

    async def main():
        one, two = (SQLiteSession(name, tmp_path / "s.db") for name in ("one", "two"))
        await one.add_items([item(1)])
        await two.add_items([item(2)])
        await two.clear_session()
        one.close()
        again = SQLiteSession("one", tmp_path / "s.db")
        return contents(await again.get_items()), await two.get_items()

    assert asyncio.run(main()) == ([1], [])


def test_many_writers(path):
    """Tasks, threads and event loops at once lose nothing and keep each batch together."""
    session = SQLiteSession("s", path)

    async def write(writer):
        for n in range(5):
            await session.add_items([item(writer * 100 + 2 * n), item(writer * 100 + 2 * n + 1)])

    async def several(first):
        await asyncio.gather(write(first), write(first + 1))

    threads = [
        threading.Thread(target=lambda first=first: asyncio.run(several(first)))
        for first in (0, 2, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = contents(asyncio.run(session.get_items()))
    assert sorted(kept) == [w * 100 + n for w in range(6) for n in range(10)]
    assert all(b == a + 1 for a, b in zip(kept[::2], kept[1::2], strict=True))


def test_failed_commit(tmp_path):
    """A commit that fails adds nothing, and the session goes on."""
    session = SQLiteSession("s", tmp_path / "s.db", sessions_table="t", messages_table="m")
    with sqlite3.connect(tmp_path / "s.db") as other:
        # A constraint that is looked at when the transaction is committed.
        other.execute("CREATE TABLE parents (id PRIMARY KEY)")
        other.execute(
            "CREATE TABLE orphans (id REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        other.execute(
            "CREATE TRIGGER fail AFTER INSERT ON m WHEN NEW.message_data LIKE '%item 1%' "
            "BEGIN INSERT INTO orphans VALUES (1); END"
        )
    session._connection.execute("PRAGMA foreign_keys = ON")

    async def main():
        with pytest.raises(sqlite3.IntegrityError):
            await session.add_items([item(1)])
        await session.add_items([item(2)])
        return contents(await session.get_items())

    assert asyncio.run(main()) == [2]


def test_two_connections(tmp_path):
    """Two objects on one file wait for each other instead of failing."""
    sessions = [SQLiteSession("s", tmp_path / "s.db") for _ in range(4)]

    async def main():
        await asyncio.gather(
            *(session.add_items([item(n)]) for n in range(5) for session in sessions)
        )
        return len(await sessions[0].get_items())

    assert asyncio.run(main()) == 20


def test_all_or_nothing():
    """A batch that cannot be kept whole is not kept at all."""

    async def main():
        session = SQLiteSession("s")
        with pytest.raises(TypeError):
            await session.add_items([item(1), {"content": object()}])
        return await session.get_items()

    assert asyncio.run(main()) == []


def test_table_names(tmp_path):
    """Tables can have other names, but only plain ones."""
    SQLiteSession("s", tmp_path / "s.db", sessions_table="talks", messages_table="words")

    with sqlite3.connect(tmp_path / "s.db") as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert {"talks", "words"} <= names
    with pytest.raises(UserError, match="messages_table"):
        SQLiteSession("s", messages_table="words; DROP TABLE talks")


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("get"), st.integers(0, 4)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(OPERATIONS)
def test_like_a_list(operations):
    """Whatever is done to it, a session is a list."""

    async def main():
        session, model, counter = SQLiteSession("s"), [], 0
        for name, size in operations:
            if name == "add":
                batch = [item(counter + n) for n in range(size)]
                counter += size
                model.extend(batch)
                await session.add_items(batch)
            elif name == "pop":
                assert await session.pop_item() == (model.pop() if model else None)
            elif name == "clear":
                model.clear()
                await session.clear_session()
            else:
                expected = model[len(model) - size :] if size <= len(model) else model
                assert await session.get_items(limit=size) == (expected if size else [])
        assert await session.get_items() == model
        session.close()

    asyncio.run(main())
