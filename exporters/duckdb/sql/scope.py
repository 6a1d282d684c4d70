"""What of a store a question can see, as its syntax tree tells: no more is made ready for it.

A backlog takes a while to be made ready, and most questions see little of it: a list of the views
sees no row, a question about one trace the files that have something of it. In doubt it is all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporters.duckdb.sql.gate import nodes

# What they show of a trace comes from rows of that trace alone.
_OF_ONE_TRACE = frozenset(
    {"traces", "spans", "generations", "tool_calls", "handoffs", "guardrails", "errors", "messages"}
)
_ROWLESS = frozenset({"readme", "_prices", "_meta", "_gone", "_pins"})
_MACROS = frozenset({"search", "content"})
_TRACE = "trace_id"

Given = Sequence[Any] | Mapping[str, Any]


class Scope(NamedTuple):
    """What a question can see: rows at all, and if so those of one trace only."""

    rows: bool = True
    trace_id: str | None = None


def scope_of(tree: Mapping[str, Any], given: Given) -> Scope:
    """What a question can see.

    Args:
        tree: Its syntax tree, as DuckDB serializes it.
        given: Its parameters.
    """
    statements: Sequence[Any] = tree.get("statements") or []
    if len(statements) != 1:
        return Scope()
    node = statements[0].get("node") or {}
    names = set(_names(node))
    if not names - _ROWLESS:
        return Scope(rows=False)
    numbers = {
        str(each.get("key")): each.get("value") for each in statements[0].get("named_param_map", ())
    }
    return Scope(trace_id=_Reading(given, numbers).trace_of(node))


class _Reading:
    """Looks for the one trace that a question is about."""

    def __init__(self, given: Given, numbers: Mapping[str, Any]) -> None:
        self._given, self._numbers = given, numbers

    def trace_of(self, node: Mapping[str, Any]) -> str | None:
        """The trace that a plain SELECT from one view says it is about."""
        if node.get("type") != "SELECT_NODE" or len(list(_selects(node))) != 1:
            return None
        source = node.get("from_table") or {}
        if source.get("type") == "TABLE_FUNCTION":
            return self._of_content(source)
        if source.get("type") != "BASE_TABLE" or _name(source) not in _OF_ONE_TRACE:
            return None
        if source.get("column_name_alias") or source.get("sample") or node.get("sample"):
            return None  # the column may be another one, or the rows not those of the trace
        alias = str(source.get("alias") or _name(source)).lower()
        return self._of_where(node.get("where_clause") or {}, [[_TRACE], [alias, _TRACE]])

    def _of_content(self, source: Mapping[str, Any]) -> str | None:
        function = source.get("function") or {}
        arguments = function.get("arguments") or []
        if str(function.get("function_name", "")).lower() != "content" or len(arguments) != 2:
            return None
        if any(argument.get("name") for argument in arguments):
            return None
        return self._text(arguments[0].get("expression") or {})

    def _of_where(self, clause: Mapping[str, Any], columns: list[list[str]]) -> str | None:
        if clause.get("type") == "CONJUNCTION_AND":
            found = (self._of_where(child, columns) for child in clause.get("children", ()))
            return next((trace_id for trace_id in found if trace_id is not None), None)
        if clause.get("type") != "COMPARE_EQUAL":
            return None
        for one, other in (("left", "right"), ("right", "left")):
            names = [str(name).lower() for name in (clause.get(one) or {}).get("column_names", [])]
            if names in columns:
                return self._text(clause.get(other) or {})
        return None

    def _text(self, node: Mapping[str, Any]) -> str | None:
        """A text that stands in the question or is given with it."""
        if node.get("type") == "VALUE_CONSTANT":
            literal = node.get("literal") or {}
            text = literal.get("text")
            return text if literal.get("kind") == "STRING" and isinstance(text, str) else None
        if node.get("type") != "VALUE_PARAMETER":
            return None
        name = str(node.get("identifier"))
        if isinstance(self._given, Mapping):
            value = self._given.get(name)
        elif name.isdecimal() and 1 <= int(name) <= len(self._given):
            value = self._given[int(name) - 1]
        else:
            return None
        return value if isinstance(value, str) else None


def _selects(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every select in a tree, itself included: a second one may see anything."""
    for each in nodes(node):
        if str(each.get("type", "")).endswith("_NODE") or "subquery" in each:
            yield each


def _names(node: Mapping[str, Any]) -> Iterator[str]:
    """Names of the tables that a question reads, and of our macros that it calls."""
    shown = node.get("from_table") or {}
    if shown.get("type") == "SHOW_REF" and shown.get("show_type") == "DESCRIBE":
        return  # it tells of columns
    for each in nodes(node):
        if each.get("type") == "BASE_TABLE":
            yield _name(each)
        elif each.get("type") == "TABLE_FUNCTION":
            function = str((each.get("function") or {}).get("function_name", "")).lower()
            if function in _MACROS:
                yield function


def _name(source: Mapping[str, Any]) -> str:
    path = (source.get("qualified_name") or {}).get("path")
    return str(path[-1] if path else source.get("table_name", "")).lower()
