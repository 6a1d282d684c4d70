"""`flightlog sql`."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from typing import Any

from exporters.duckdb.layout import Layout
from exporters.duckdb.sql.asking import warm
from exporters.store import SqlResult
from exporters.wording import plural
from viewer.cli.columns import Column, lines
from viewer.cli.opening import opened, store_path
from viewer.cli.terminal import json_visible, one_line, say, terminal, visible
from viewer.cli.usage import whole_number
from viewer.encoding import cell, to_json

EXAMPLE = 'flightlog sql "SELECT name, status, span_count FROM traces ORDER BY started_at"'
_FORMATS = ("table", "json", "ndjson", "csv")
_PLAN = ("explain_key", "explain_value")  # the columns of EXPLAIN: a plan is a drawing of lines


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `sql` takes."""
    parser.add_argument("query", metavar="QUERY", help="one reading statement, or - for stdin")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="(default: table)")
    parser.add_argument(
        "-n",
        "--limit",
        type=whole_number(1),
        default=1000,
        metavar="N",
        help="most rows (default: 1000)",
    )
    parser.add_argument(
        "--timeout",
        type=whole_number(1),
        default=10,
        metavar="SECONDS",
        help="longest it may take (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Print what the query gives."""
    warm(Layout.of(store_path(args)))  # it gets ready while the store is opened here
    query = sys.stdin.read() if args.query == "-" else args.query
    with opened(args) as store:
        result = store.sql(query, limit=args.limit, timeout=float(args.timeout))
    show(result, args.format)
    if result.truncated:
        say(f"Only the first {plural(len(result.rows), 'row')} are here. For more: --limit N")
    return 0


def show(result: SqlResult, form: str) -> None:
    """Print a result in one of the formats."""
    names = _distinct([column.name for column in result.columns])
    match form:
        case "table" if tuple(names) == _PLAN:
            for _, plan in result.rows:
                print(visible(str(plan).rstrip("\n")))
        case "table":
            _write_table(result)
        case "csv":
            _write_csv(result)
        case "json":
            rows = [_object(names, row) for row in result.rows]
            print("[\n" + ",\n".join(rows) + "\n]" if rows else "[]")
        case _:
            for row in result.rows:
                print(_object(names, row))


def _distinct(names: Sequence[str]) -> list[str]:
    """Names for the keys of an object: a second `n` is `n_1`, as a key counts once."""
    taken: dict[str, None] = {}
    for name in names:
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken[free] = None
    return list(taken)


def _object(names: Sequence[str], row: Sequence[Any]) -> str:
    values = [cell(value, doubles=False) for value in row]
    return json_visible(to_json(dict(zip(names, values, strict=True))).decode())


def _write_table(result: SqlResult) -> None:
    numeric = [
        any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        for values in zip(*result.rows, strict=True)
    ] or [False] * len(result.columns)
    columns = [
        Column(one_line(column.name), right=right, least=8)
        for column, right in zip(result.columns, numeric, strict=True)
    ]
    rows = [[one_line(text(value, none="NULL")) for value in row] for row in result.rows]
    print("\n".join(lines(columns, rows, terminal())))


def _write_csv(result: SqlResult) -> None:
    # A file gets the text as it was recorded; a terminal must not obey it.
    shown = visible if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([shown(column.name) for column in result.columns])
    writer.writerows([shown(text(value)) for value in row] for row in result.rows)


def text(value: Any, *, none: str = "") -> str:
    """A value of a result as text; structures are JSON."""
    plain = cell(value, doubles=False)
    match plain:
        case None:
            return none
        case bool():
            return "true" if plain else "false"
        case list() | dict():
            return to_json(plain).decode()
        case _:
            return str(plain)
