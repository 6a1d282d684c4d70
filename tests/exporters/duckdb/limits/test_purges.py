"""A purge is remembered until it is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporters.duckdb.layout import Layout, create
from exporters.duckdb.limits.purges import Purge, is_purge_due, open_purges, settle, submit


@pytest.fixture
def layout(store: Path) -> Layout:
    """A store's folder."""
    found = Layout.of(store)
    create(found)
    return found


def test_remembered(layout: Layout) -> None:
    """What was submitted is there, oldest first, until nothing of it is left."""
    assert open_purges(layout) == []
    first = submit(layout, Purge(frozenset({"a", 'ü "\ud800'}), 7, True))
    second = submit(layout, Purge(frozenset({"b"})))
    assert open_purges(layout) == [first, second]

    settle([first, second], {"a"})
    assert open_purges(layout) == [first]
    settle([first], {"b"})
    assert open_purges(layout) == []
    assert list(layout.tmp.iterdir()) == []


def test_due(layout: Layout) -> None:
    """One that nobody has looked at for a minute is due; looking puts it off."""
    assert not is_purge_due(layout)
    purge = submit(layout, Purge(frozenset({"a"})))
    assert purge.path is not None
    assert not is_purge_due(layout)
    os.utime(purge.path, (0, 0))
    assert is_purge_due(layout)
    settle([purge], {"a"})
    assert not is_purge_due(layout)


def test_damaged(layout: Layout) -> None:
    """A file that says nothing is put aside; the others count."""
    good = submit(layout, Purge(frozenset({"a"})))
    assert good.path is not None
    bad = good.path.with_name("0.json")
    bad.write_text('{"traces":')

    assert open_purges(layout) == [good]
    assert bad.with_suffix(".damaged").exists()
    assert open_purges(layout) == [good]
