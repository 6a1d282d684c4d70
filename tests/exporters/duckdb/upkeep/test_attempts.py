"""Attempts: what could not be merged rests for a day, and garbage says nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

from exporters.duckdb.layout import Layout, PartName, create
from exporters.duckdb.upkeep.attempts import (
    REST_SECONDS,
    Attempts,
    attempts_file,
    read_attempts,
    write_attempts,
)

PART = PartName(1_700_000_000_000, 1, 2, "beef")


def test_remembered(store: Path) -> None:
    """What rests and what went wrong is there the next time; nothing to say is no file."""
    layout = Layout.of(store)
    create(layout)
    made = Attempts(problems=["it was too much"])
    made.rest([PART])
    write_attempts(layout, made)

    found = read_attempts(layout)
    assert (found.resting, found.problems) == (made.resting, made.problems)
    assert found.at > 0
    write_attempts(layout, Attempts())
    assert not attempts_file(layout).exists()
    assert list(layout.tmp.iterdir()) == []


def test_over(store: Path) -> None:
    """After a day it is tried again, also where the clock went back."""
    layout = Layout.of(store)
    create(layout)
    for until in (time.time() - 1, time.time() + 2 * REST_SECONDS):
        said = {"at": 1.0, "problems": [], "resting": {PART.dirname: until}}
        attempts_file(layout).write_text(json.dumps(said))
        assert read_attempts(layout).resting == {}


def test_garbage(store: Path) -> None:
    """A file that cannot be read remembers nothing."""
    layout = Layout.of(store)
    create(layout)
    for text in ("", "[]", '{"at":"x"}', '{"at":1,"problems":[],"resting":{"p-x":"never"}}'):
        attempts_file(layout).write_text(text)
        assert read_attempts(layout).resting == {}
