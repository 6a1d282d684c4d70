"""`flightlog pin`."""

from __future__ import annotations

import argparse
import time

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pins import pin, pinned, unpin
from exporters.store import NotFoundError, StoreError, TraceStore
from viewer.cli.columns import Column, lines
from viewer.cli.opening import opened, store_path
from viewer.cli.show import find
from viewer.cli.terminal import one_line, say, terminal
from viewer.cli.usage import CommandError, UsageError
from viewer.cli.wording import ago

EXAMPLE = "flightlog pin last"
_COLUMNS = (Column("TRACE"), Column("NAME", least=12), Column("STARTED", drop=1))


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `pin` takes."""
    parser.add_argument(
        "trace",
        nargs="?",
        metavar="TRACE|last",
        help="a trace's id, or its beginning or end; without it, list what is pinned",
    )
    parser.add_argument("--remove", action="store_true", help="take the pin out")


def run(args: argparse.Namespace) -> int:
    """Pin a trace, take its pin out, or list the pins."""
    layout = Layout.of(store_path(args))
    if args.trace is None:
        if args.remove:
            raise UsageError(
                "--remove was given without a trace. It takes the pin out of one. Name the trace; "
                "flightlog pin lists what is pinned."
            )
        return _list(args, layout)
    try:
        return _remove(args, layout) if args.remove else _add(args, layout)
    except OSError as error:
        raise StoreError(
            f"The pins of the store {str(layout.catalog)!r} could not be changed "
            f"({error.strerror}). They are files in {str(layout.pins)!r}. Give yourself "
            f"permission and space there."
        ) from error


def _add(args: argparse.Namespace, layout: Layout) -> int:
    with opened(args) as store:
        trace_id = find(store, args.trace).trace_id
    fresh = pin(layout, trace_id)
    print(f"{'Pinned' if fresh else 'Already pinned'}: {one_line(trace_id)}")
    return 0


def _remove(args: argparse.Namespace, layout: Layout) -> int:
    trace_id = args.trace
    if trace_id not in pinned(layout):  # a pin may outlive its trace, and is then named in full
        with opened(args) as store:
            trace_id = find(store, args.trace).trace_id
    if not unpin(layout, trace_id):
        raise CommandError(
            f"The trace {trace_id!r} is not pinned. Only a pin that is there can be taken out. "
            f"List them: flightlog pin"
        )
    print(f"No longer pinned: {one_line(trace_id)}")
    return 0


def _list(args: argparse.Namespace, layout: Layout) -> int:
    with opened(args) as store:
        rows = [_row(store, trace_id) for trace_id in sorted(pinned(layout))]
    if not rows:
        say("No trace is pinned. Pin one: flightlog pin last")
        return 0
    print("\n".join(lines(_COLUMNS, rows, terminal())))
    return 0


def _row(store: TraceStore, trace_id: str) -> list[str]:
    try:
        trace = store.get(trace_id)
    except NotFoundError:
        return [one_line(trace_id), "(not in the store)", "-"]
    return [one_line(trace_id), one_line(trace.name), ago(trace.start_ns, time.time_ns())]
