"""`flightlog list`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from exporters.store import TraceQuery, TraceRow
from viewer.cli.columns import Column, lines
from viewer.cli.opening import opened
from viewer.cli.terminal import Terminal, json_visible, one_line, say, terminal
from viewer.cli.usage import UsageError, whole_number
from viewer.cli.wording import MARKS, ago, count, dollars, duration, tokens
from viewer.encoding import to_json
from viewer.filter import FilterError, parse_words
from viewer.wire import trace_json

EXAMPLE = "flightlog list status:error,blocked support"
_SHORT_ID = 8
_COLUMNS = (
    Column("STATUS"),
    Column("NAME", least=12),
    Column("DURATION", right=True, drop=6),
    Column("SPANS", right=True, drop=3),
    Column("TOKENS", right=True, drop=2),
    Column("COST", right=True, drop=4),
    Column("STARTED", drop=5),
    Column("TRACE"),
    Column("CAUSE", least=12, drop=7),
)


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `list` takes."""
    parser.add_argument(
        "filter",
        nargs="*",
        metavar="FILTER",
        help="status:error,blocked · group:ID · name:NAME, exactly as it is, such as "
        'name:"Customer support" · any other words: text to look for, in either case',
    )
    parser.add_argument(
        "-n",
        "--limit",
        type=whole_number(1),
        default=50,
        metavar="N",
        help="most traces (default: 50)",
    )
    parser.add_argument("--json", action="store_true", help="an array with everything known")


def run(args: argparse.Namespace) -> int:
    """Print the traces that match."""
    query = parse(args.filter, limit=args.limit)
    with opened(args) as store:
        page = store.search(query)
        where = store.info().path if not page.traces else ""
    if args.json:
        rows = [json_visible(to_json(trace_json(row)).decode()) for row in page.traces]
        print("[\n" + ",\n".join(rows) + "\n]" if rows else "[]")
    elif page.traces:
        print("\n".join(table(page.traces, terminal(), now_ns=time.time_ns())))
    if not page.traces and args.filter:
        say("No trace matches. The filter takes status:, group:, name: and text; try less of it.")
    elif not page.traces:
        say(f"No trace is in {where}. Record one: flightlog demo. Or ask why: flightlog doctor")
    elif page.next_cursor is not None:
        say(f"These are the newest {len(page.traces)}; there are more. See them with --limit N.")
    return 0


def parse(words: Sequence[str], *, limit: int) -> TraceQuery:
    """A filter's words as a query.

    Raises:
        UsageError: If a status is none.
    """
    try:
        found = parse_words(words)
    except FilterError as error:
        raise UsageError(str(error)) from error
    return TraceQuery(
        status=found.status,
        group_id=found.group_id,
        name=found.name,
        text=found.text,
        limit=limit,
    )


def table(traces: Sequence[TraceRow], target: Terminal, *, now_ns: int) -> list[str]:
    """The traces as lines of text."""
    whole = target.width is None
    cause = any(row.first_cause for row in traces)
    priced = any(row.cost_usd is not None for row in traces)
    shown = [
        place
        for place, column in enumerate(_COLUMNS)
        if (column.title != "CAUSE" or cause) and (column.title != "COST" or priced)
    ]
    rows = []
    for row in traces:
        cells = _cells(row, now_ns=now_ns, whole=whole)
        rows.append([cells[place] for place in shown])
    colours = [MARKS[row.status].colour for row in traces]
    return lines([_COLUMNS[place] for place in shown], rows, target, colours=colours)


def _cells(row: TraceRow, *, now_ns: int, whole: bool) -> list[str]:
    cause = row.first_cause
    identity = one_line(row.trace_id)
    return [
        f"{MARKS[row.status].glyph} {row.status}",
        one_line(row.name),
        duration(row.duration_ms),
        count(row.span_count),
        tokens(row.input_tokens, row.output_tokens) or "-",
        dollars(row.cost_usd, partial=row.unpriced_calls > 0),
        ago(row.start_ns, now_ns),
        # The end of an id tells traces apart, as it begins with the time.
        identity if whole else identity[-_SHORT_ID:],
        "" if cause is None else one_line(f"{cause.name}: {cause.message}"),
    ]
