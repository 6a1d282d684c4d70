"""Where traces go, and how to ask them questions.

    from exporters import sql

    sql("SELECT name, status, span_count FROM traces ORDER BY started_at")

`export_traces` and `import_traces` take traces along. All of this loads DuckDB when it is first
used, so that recording never does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.query import Rows, open_store, sql
    from exporters.transfer import Exported, Imported, export_traces, import_traces

__all__ = ["Exported", "Imported", "Rows", "export_traces", "import_traces", "open_store", "sql"]

_TRANSFER = frozenset({"Exported", "Imported", "export_traces", "import_traces"})


def __getattr__(name: str) -> Any:
    if name == "duckdb":  # `import exporters` is enough for `exporters.duckdb.recorder()`
        return import_module("exporters.duckdb")
    if name in __all__:
        module = "exporters.transfer" if name in _TRANSFER else "exporters.query"
        return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
