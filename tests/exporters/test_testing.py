"""Both stores pass the suite that every store passes."""

from __future__ import annotations

from pathlib import Path

from exporters.duckdb import recorder
from exporters.duckdb.local import DuckDBStore
from exporters.store import TraceStore
from exporters.testing import MemoryStore, StoreContract
from tracer.processor_interface import TracingProcessor


class TestMemoryStore(StoreContract):
    has_sql = False

    def make(self, folder: Path) -> tuple[TracingProcessor, TraceStore]:
        store = MemoryStore()
        return store, store


class TestDuckDBStore(StoreContract):
    def make(self, folder: Path) -> tuple[TracingProcessor, TraceStore]:
        path = folder / "traces.duckdb"
        return recorder(path), DuckDBStore(path)
