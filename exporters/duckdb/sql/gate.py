"""The gate: what SQL of users may be, whether it comes by command line, Python or HTTP.

One reading statement goes through. Five things hold that, each by itself enough for what it
holds: the statement's kind and the functions in its syntax tree (here), a read-only transaction, a
connection that reaches no file outside the store's folder and whose configuration is locked,
limits of memory, time and rows, and a process of its own that can be killed (`answering`, which
is started by `answerer` and given its turns by `asking`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from exporters.duckdb.parts import quoted
from exporters.duckdb.reading.reader import said
from exporters.store import QueryError

RESULT_BYTES = 256 * 1024 * 1024
NEEDS_MEMORY = (
    "The query needs more memory than it may use. Its intermediate results have to fit into the "
    "limit. Select fewer columns, or narrow it with WHERE or LIMIT."
)
_LONGEST = 1_000_000  # characters of a query
_EXPLAIN = re.compile(r"(?is)\s*explain(\s+analyze)?(\s*\([^)]*\))?\s+")
_COMMENT = re.compile(r"(?s)^\s*(--[^\n]*(\n|$)|/\*.*?\*/)")
_WIDTH = re.compile(r"\d{5,}|\*|\{[^}]*\{")
# They run text that the syntax tree does not show, or look beyond the store.
_REFUSED = frozenset(
    {"query", "query_table", "json_execute_serialized_sql", "json_serialize_plan", "getenv",
     "write_log", "parse_duckdb_log_message", "duckdb_secrets", "which_secret", "checkpoint",
     "force_checkpoint", "truncate_duckdb_logs"}
)  # fmt: skip
# They make large values in one step, which only killing the process would stop: told sooner.
_CAPPED = frozenset(
    {"repeat", "lpad", "rpad", "range", "generate_series", "list_resize", "array_resize", "bar",
     "bitstring"}
)  # fmt: skip
_FORMATS = frozenset({"format", "printf"})
_SHOWS = re.compile(r'(?i)\s*(?:show|desc|describe)(?:\s+(?:all\s+)?(\w+|"\w+"))?\s*;?\s*')
_LISTS = frozenset({"tables", "__show_tables_expanded"})
_VIEWS = (
    "select view_name as name, comment from duckdb_views() "
    "where not internal and not starts_with(view_name, '_') order by lower(view_name)"
)
_COLUMNS = (
    "select column_name, data_type as column_type, comment from duckdb_columns() "
    "where table_name = {view} order by column_index"
)
_READS = "It takes one SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN statement"


def shields() -> Iterator[str]:
    """Macros that stand before built-in functions and cap what they make in one step."""

    def capped(value: str, size: str) -> str:
        problem = "'one value may have 100000 characters or elements: FROM can make more rows'"
        return f"if({size} > 100000, error({problem}), {value})"

    yield f"create macro repeat(s, n) as system.main.repeat(s, {capped('n', 'n * len(s)')})"
    for name in ("lpad", "rpad"):
        yield f"create macro {name}(s, n, c) as system.main.{name}(s, {capped('n', 'n')}, c)"
    for name in ("list_resize", "array_resize"):
        yield (
            f"create macro {name}(l, n) as system.main.{name}(l, {capped('n', 'n')}), "
            f"(l, n, v) as system.main.{name}(l, {capped('n', 'n')}, v)"
        )
    yield f"create macro bar(x, a, b, w) as system.main.bar(x, a, b, {capped('w', 'w')})"
    yield f"create macro bitstring(s, n) as system.main.bitstring(s, {capped('n', 'n')})"
    for name in ("range", "generate_series"):
        call = f"system.main.{name}"
        a, b, c = (f"try_cast({letter}::varchar as hugeint)" for letter in "abc")
        yield (
            f"create macro {name}(a) as {call}({capped('a', a)}), "
            f"(a, b) as {call}(a, {capped('b', f'{b} - {a}')}), "
            f"(a, b, c) as {call}(a, {capped('b', f'abs(({b} - {a}) // {c})')}, c)"
        )


def check(cursor: duckdb.DuckDBPyConnection, query: str) -> Mapping[str, Any]:
    """Refuse what is not one reading statement; gives the syntax tree of one that is.

    Raises:
        QueryError: With the rule.
        duckdb.ParserException: If it is no SQL.
    """
    if len(query) > _LONGEST:
        raise QueryError(
            f"The query has {len(query)} characters. It may have {_LONGEST}. "
            f"Pass long values as parameters."
        )
    try:
        found = cursor.extract_statements(query)
    except ValueError as error:  # a kind of statement that this version's Python does not know
        raise _refusal("another kind of") from error
    if not found:
        raise QueryError(f"The query is empty. {_READS}. Try: SELECT * FROM traces")
    if len(found) > 1:
        raise QueryError(
            f"The query has {len(found)} statements. {_READS}. Send them one after the other."
        )
    kind = found[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        inner = _EXPLAIN.sub("", _bare(query), count=1)
        if _EXPLAIN.match(_bare(inner)):
            raise _refusal("nested EXPLAIN")
        return check(cursor, inner)
    if kind != duckdb.StatementType.SELECT:
        raise _refusal(str(kind).rpartition(".")[2])
    return _checked_tree(cursor, query)


def _refusal(kind: str) -> QueryError:
    return QueryError(
        f"The query is a {kind} statement. {_READS}, which read. To change data or write files, "
        f"open the store with DuckDB yourself."
    )


def _bare(query: str) -> str:
    """The query without comments before it."""
    while (match := _COMMENT.match(query)) is not None:
        query = query[match.end() :]
    return query


def _checked_tree(cursor: duckdb.DuckDBPyConnection, query: str) -> Mapping[str, Any]:
    row = cursor.execute("select json_serialize_sql(?)", [query]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {}
    if tree.get("error", True):  # what cannot be looked through does not go through
        raise _refusal("another kind of")
    for node in nodes(tree):
        if node.get("type") in ("INSERT_QUERY_NODE", "UPDATE_QUERY_NODE", "DELETE_QUERY_NODE"):
            raise _refusal("writing WITH")
        name = str(node.get("function_name", "")).lower()
        if not name:
            continue
        schema = str(node.get("schema") or "").lower()
        catalog = str(node.get("catalog") or "").lower()
        if name in _REFUSED:
            raise _refused_function(name, "runs text as SQL or looks beyond the store")
        if name in _CAPPED and (schema or catalog):
            raise _refused_function(name, "is capped, and may not be called by its full name")
        if name in _FORMATS and not _is_plain_format(node):
            raise _refused_function(
                name, "needs a text in place, without wide fields, to format by"
            )
    return tree


def listing(cursor: duckdb.DuckDBPyConnection, query: str, tree: Mapping[str, Any]) -> str | None:
    """What is asked in place of SHOW TABLES, or of DESCRIBE and a view of ours; None for all else.

    DuckDB would list what views are made of among them, and leave out what columns mean.
    """
    asked = _SHOWS.fullmatch(_bare(query))
    shown = tree["statements"][0]["node"].get("from_table") or {}
    if asked is None or shown.get("type") != "SHOW_REF":
        return None
    if shown.get("show_type") == "SHOW_SPECIAL":
        return _VIEWS if str(shown.get("table_name")).strip('"') in _LISTS else None
    name = str(asked[1]).strip('"')
    found = cursor.execute(f"select name from ({_VIEWS}) where lower(name) = lower(?)", [name])
    view = found.fetchone()
    return None if view is None else _COLUMNS.format(view=quoted(view[0]))


def _refused_function(name: str, why: str) -> QueryError:
    return QueryError(
        f"The query calls {name!r}. That function {why}, so the gate does not let it through. "
        f"Write the query without it."
    )


def _is_plain_format(node: Mapping[str, Any]) -> bool:
    given = [argument["expression"] for argument in node.get("arguments", ())]
    literal = given[0].get("literal", {}) if given else {}
    return literal.get("kind") == "STRING" and not _WIDTH.search(str(literal.get("text")))


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a syntax tree as DuckDB gives it in JSON, in no order."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def size_of(value: Any) -> int:
    """About how many bytes a value of a result takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return 8 + sum(size_of(element) for element in value)
    if isinstance(value, dict):
        return 8 + sum(size_of(key) + size_of(element) for key, element in value.items())
    return 8


def too_large() -> QueryError:
    """What a result of more than `RESULT_BYTES` is told as."""
    return QueryError(
        f"The result is larger than {RESULT_BYTES >> 20} MiB. A result has to fit into "
        f"memory. Select fewer columns or rows, or shorten text with left(text, 1000)."
    )


def translated(error: duckdb.Error, query: str) -> QueryError:
    """An error of DuckDB's as ours, with the place in the query."""
    kind, text, offset = said(error)
    if is_memory(error):
        return QueryError(NEEDS_MEMORY)
    if isinstance(error, duckdb.PermissionException):
        return QueryError(
            f"The query is refused: {text}. SQL reads this store's own files and nothing else. "
            f"Query the views, such as traces and spans.",
            position=offset,
        )
    position = None
    if offset is not None:
        position = len(query.encode()[:offset].decode(errors="ignore"))
        text = f"{text}\n{_caret(query, position)}"
    return QueryError(
        f"{kind} error: {text}\nThe query has to be valid DuckDB SQL over the store's views. "
        f"Look up names with: FROM README, or DESCRIBE traces",
        position=position,
    )


def is_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: DuckDB's own, or the process's."""
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return True
    return isinstance(error, duckdb.Error) and "bad_alloc" in str(error)


def _caret(query: str, position: int) -> str:
    """The line of a place in a query, and a mark under it."""
    start = query.rfind("\n", 0, position) + 1
    end = query.find("\n", position)
    line = query[start : end if end >= 0 else len(query)]
    number, column = query.count("\n", 0, position) + 1, position - start
    first = max(0, column - 60)
    shown = line[first : column + 60]
    head = f"line {number}, column {column + 1}: "
    return f"{head}{shown}\n{' ' * (len(head) + column - first)}^"
