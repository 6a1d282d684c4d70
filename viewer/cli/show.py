"""`flightlog show`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from exporters.store import NotFoundError, QueryError, SpanRow, TraceQuery, TraceRow, TraceStore
from viewer.cli import outline, report
from viewer.cli.opening import opened
from viewer.cli.terminal import json_visible, terminal
from viewer.encoding import to_json
from viewer.tree import pre_order
from viewer.wire import span_json, trace_json

EXAMPLE = "flightlog show last"
_FORMATS = ("tree", "json", "markdown")
_PREFIX = "trace_"
_PAGE = 1000
# By ids alone: rows of all traces, to look for one among them, take seconds where there are many.
_NEAR = """
    select trace_id from traces
    where starts_with(trace_id, $1) or starts_with(trace_id, 'trace_' || $1)
        or ends_with(trace_id, $1)
    union select trace_id from spans where span_id = $1
    limit 3
"""


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `show` takes."""
    parser.add_argument(
        "trace",
        nargs="?",
        default="last",
        metavar="TRACE|last",
        help="a trace's id, or its beginning or end, or the id of one of its spans (default: last)",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="tree",
        help="tree, json with every payload, or markdown (default: tree)",
    )


def run(args: argparse.Namespace) -> int:
    """Print one trace."""
    with opened(args) as store:
        row = find(store, args.trace)
        spans = store.spans(row.trace_id)
        match args.format:
            case "json":
                _print(_json(store, row, spans))
            case "markdown":
                _print(report.markdown(store, row, pre_order(spans)))
            case _:
                _print(outline.tree(row, pre_order(spans), terminal()))
    return 0


def find(store: TraceStore, name: str) -> TraceRow:
    """The trace of an id, of the beginning or end of one, or the last.

    Raises:
        NotFoundError: If there is none, or more than one.
    """
    try:
        return store.get(name)
    except NotFoundError:
        near = _near(store, name) if name else []
    match near:
        case [] if not store.search(TraceQuery(limit=1)).traces:
            raise NotFoundError(
                f"No trace is in {store.info().path} yet, so there is none to show. Record one: "
                f"flightlog demo"
            )
        case []:
            raise NotFoundError(
                f"No trace is called {name!r}. It takes an id, its beginning or end, or last. "
                f"See what there is: flightlog list"
            )
        case [row]:
            return row
        case _:
            ids = ", ".join(repr(row.trace_id) for row in near)
            raise NotFoundError(
                f"{name!r} is part of more than one trace's id: {ids}. It has to be the beginning "
                f"or end of one only. Give more of it."
            )


def _near(store: TraceStore, name: str) -> list[TraceRow]:
    """Up to three traces that part of an id may mean, or the id of a span."""
    try:
        answer = store.sql(_NEAR, params=[name])
    except QueryError:  # a store without SQL
        return list(_nearly(store, name))
    return [store.get(str(trace_id)) for (trace_id,) in answer.rows]


def _nearly(store: TraceStore, name: str) -> Iterator[TraceRow]:
    """Up to three traces whose id begins so, `trace_` or not, or ends so."""
    cursor: str | None = None
    found = 0
    while True:
        page = store.search(TraceQuery(text=name, limit=_PAGE, cursor=cursor))
        for row in page.traces:
            if row.trace_id.startswith((name, _PREFIX + name)) or row.trace_id.endswith(name):
                yield row
                found += 1
                if found == 3:
                    return
        cursor = page.next_cursor
        if cursor is None:
            return


def _json(store: TraceStore, row: TraceRow, spans: Sequence[SpanRow]) -> Iterator[str]:
    """An object of the trace and its spans, a line each: written as it is read."""
    yield f'{{"trace": {_line(trace_json(row))},\n"spans": ['
    last = len(spans) - 1
    for index, node in enumerate(pre_order(spans)):
        detail = store.span(row.trace_id, node.span.span_id)
        yield _line(span_json(detail)) + ("" if index == last else ",")
    yield "]}"


def _line(value: object) -> str:
    return json_visible(to_json(value).decode())


def _print(parts: Iterator[str] | Sequence[str]) -> None:
    for part in parts:
        print(part)
