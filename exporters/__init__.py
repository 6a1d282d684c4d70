"""Where traces go, and how to ask them questions.

    from exporters import sql

    sql("SELECT name, status, span_count FROM traces ORDER BY started_at")

`sql`, `open_store` and `Rows` load DuckDB when they are first used, so that recording never does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.query import Rows, open_store, sql

__all__ = ["Rows", "open_store", "sql"]


def __getattr__(name: str) -> Any:
    if name == "duckdb":  # `import exporters` is enough for `exporters.duckdb.recorder()`
        return import_module("exporters.duckdb")
    if name in __all__:
        return getattr(import_module("exporters.query"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
