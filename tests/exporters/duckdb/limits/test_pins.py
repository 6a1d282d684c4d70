"""Pins are files whose names hold any id."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.duckdb.layout import Layout, create
from exporters.duckdb.limits.pins import pin, pinned, unpin


@pytest.fixture
def layout(store: Path) -> Layout:
    """A store's folder."""
    found = Layout.of(store)
    create(found)
    return found


def test_pin(layout: Layout) -> None:
    """A pin is there until it is taken out; both say whether they changed anything."""
    assert pinned(layout) == frozenset()
    assert pin(layout, "trace_1")
    assert not pin(layout, "trace_1")
    assert (layout.pins / "trace_1").read_bytes() == b""
    assert pinned(layout) == {"trace_1"}
    assert unpin(layout, "trace_1")
    assert not unpin(layout, "trace_1")
    assert pinned(layout) == frozenset()


def test_no_folder(layout: Layout) -> None:
    """A store from before there were pins has none, and takes one."""
    layout.pins.rmdir()

    assert pinned(layout) == frozenset()
    assert pin(layout, "trace_1")
    assert pinned(layout) == {"trace_1"}


@pytest.mark.parametrize(
    "trace_id",
    [
        "",
        ".",
        "..",
        "../../lock",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "%2e",
        "%.",
        "A",
        "ä" * 300,
        "\ud800",
    ],
)
def test_strange_ids(layout: Layout, trace_id: str) -> None:
    """No id leads out of the folder, and each comes back as it was."""
    pin(layout, "a")
    pin(layout, trace_id)

    assert pinned(layout) == {"a", trace_id}
    assert len(list(layout.pins.iterdir())) == 2
    assert {entry.name for entry in layout.root.iterdir()} == {
        "FORMAT", "hot", "lock", "parts", "pins", "quarantine", "tmp",
    }  # fmt: skip
    assert unpin(layout, trace_id)


def test_any_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any two ids have pins of their own, also where case is ignored."""

    @settings(max_examples=40, deadline=None)
    @given(st.sets(st.text(st.characters(exclude_categories=()), max_size=260), max_size=4))
    def check(ids: set[str]) -> None:
        layout = Layout.of(tmp_path_factory.mktemp("pins") / "traces.duckdb")
        create(layout)
        for trace_id in ids:
            pin(layout, trace_id)
        assert pinned(layout) == ids
        names = [entry.name.lower() for entry in layout.pins.iterdir()]
        assert len(set(names)) == len(ids)

    check()
