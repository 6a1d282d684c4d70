"""Questions in SQL from Python: `sql` and what it gives."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporters.duckdb.local import DuckDBStore
from exporters.store import SqlResult, TraceStore
from tracer.config import settings

_WIDEST = 60
_SHOWN = 40


class Rows(Sequence[tuple[Any, ...]]):
    """The rows of a query: a sequence of tuples that shows itself as a table.

    Attributes:
        columns: Names of the columns.
        types: DuckDB's types of the columns.
        truncated: Whether there were more rows than the limit.
        elapsed_ms: How long the query took.
    """

    def __init__(self, result: SqlResult) -> None:
        self.columns = tuple(column.name for column in result.columns)
        self.types = tuple(column.type for column in result.columns)
        self.truncated = result.truncated
        self.elapsed_ms = result.elapsed_ms
        self._rows = tuple(result.rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Rows):
            return self.columns == other.columns and self._rows == other._rows
        return isinstance(other, list | tuple) and list(self._rows) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dicts by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self._rows]

    def __repr__(self) -> str:
        """A table, as wide as its values need but no wider than reads well."""
        cells = [[_cell(value) for value in row] for row in self._rows[:_SHOWN]]
        widths = [
            max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(self.columns)
        ]
        numeric = [_is_number(kind) for kind in self.types]
        lines = [_line(self.columns, widths, numeric), "  ".join("─" * width for width in widths)]
        lines += [_line(row, widths, numeric) for row in cells]
        return "\n".join([*lines, self._footer()])

    def _repr_html_(self) -> str:
        """A table for a notebook."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
            for row in self._rows[:_SHOWN]
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{html.escape(self._footer())}</p>"
        )

    def _footer(self) -> str:
        count = len(self._rows)
        said = f"{count} row{'' if count == 1 else 's'}"
        if self.truncated:
            said += ", and there are more: pass limit="
        if count > _SHOWN:
            said += f"; the first {_SHOWN} are shown"
        return f"({said})"


def sql(
    query: str,
    params: Sequence[Any] | Mapping[str, Any] = (),
    *,
    store: TraceStore | str | os.PathLike[str] | None = None,
    limit: int | None = None,
    timeout: float = 60.0,
) -> Rows:
    """Rows that answer one reading statement over the views of a store.

    Args:
        query: SQL, with `?` or `$name` where parameters go.
        params: The parameters, by place or by name.
        store: A store that is open, or the path of one; by default the one that is recorded to.
        limit: The most rows to give; by default 100000.
        timeout: Seconds after which the query is stopped.

    Raises:
        StoreError: If the store cannot be read; a `QueryError` if the query is at fault.
    """
    most = 100_000 if limit is None else limit
    if store is not None and not isinstance(store, str | os.PathLike):
        return Rows(store.sql(query, params=params, limit=most, timeout=timeout))
    opened = open_store(store)
    try:
        return Rows(opened.sql(query, params=params, limit=most, timeout=timeout))
    finally:
        opened.close()


def open_store(path: str | os.PathLike[str] | None = None) -> TraceStore:
    """The store at a path, by default the one that is recorded to.

    A store that does not exist yet is empty, and shows what is recorded from then on. The caller
    closes it.

    Raises:
        StoreError: If the path is no store's, or the store is of a newer format.
    """
    return DuckDBStore(settings().store if path is None else path)


def _cell(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _is_number(kind: str) -> bool:
    return kind.endswith("INT") or kind.endswith("INTEGER") or kind in ("DOUBLE", "FLOAT")


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()
