import shutil
import time

import pytest

from exporters import open_store
from exporters.store import StoreError, TraceQuery
from viewer.cli import upkeep
from viewer.cli.upkeep import compacting


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Looks that come at once."""
    monkeypatch.setattr(upkeep, "_FIRST", 0.01)
    monkeypatch.setattr(upkeep, "_EVERY", 0.01)


def until(condition):
    """Waits for a condition, not for long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_compacts(recorded, tmp_path, monkeypatch):
    """What is due is compacted beside the viewer, and every trace is still there."""
    store = tmp_path / "traces.duckdb"
    shutil.copytree(f"{recorded.store}.d", f"{store}.d")
    parts = tmp_path / "traces.duckdb.d" / "parts"
    looks = iter([True])
    monkeypatch.setattr(upkeep, "due", lambda *_: next(looks, False))
    with compacting(store):
        until(lambda: any((part / "data.parquet").exists() for part in real(parts)))
    reader = open_store(store)
    found = reader.search(TraceQuery()).traces
    reader.close()

    assert len(found) == 3


def real(parts):
    """Folders of parts, without the one that only has the schema."""
    return [part for part in parts.iterdir() if not part.name.endswith("-schema")]


def test_not_due(tmp_path, monkeypatch):
    """What is not due is left alone, and a store that cannot be read ends no viewer."""
    looks = []

    def due(store, limits):
        looks.append(store)
        raise StoreError("The store is away.")

    monkeypatch.setattr(upkeep, "due", due)
    with compacting(tmp_path / "none"):
        until(lambda: len(looks) > 2)

    assert list(tmp_path.iterdir()) == []
