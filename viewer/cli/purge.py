"""`flightlog purge`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from exporters.duckdb import purging
from exporters.duckdb.layout import Layout
from exporters.duckdb.purging import Found, Outcome, Plan, Selection
from exporters.wording import plural, size
from tracer.config import parse_duration
from viewer.cli.opening import opened, store_path
from viewer.cli.show import find
from viewer.cli.terminal import one_line, say
from viewer.cli.usage import CommandError, UsageError
from viewer.cli.wording import ago

EXAMPLE = "flightlog purge --older-than 30d --dry-run"
_NAMED = 5
_YES = frozenset({"y", "yes"})


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `purge` takes."""
    what = parser.add_argument_group("what to delete (together they narrow)")
    what.add_argument("--older-than", metavar="AGE", help="traces that started before, e.g. 30d")
    what.add_argument(
        "--trace",
        action="append",
        default=[],
        metavar="TRACE|last",
        help="a trace's id, or its beginning or end (repeatable)",
    )
    what.add_argument("--group", metavar="ID", help="traces of a group")
    what.add_argument("--all", action="store_true", help="everything that was ever recorded")
    parser.add_argument("--pinned-too", action="store_true", help="also what is pinned")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Delete traces, or say which."""
    selection = _selection(args)
    layout = Layout.of(store_path(args))
    if not layout.exists:
        say(f"No trace is in {layout.catalog} yet, so there is nothing to delete.")
        return 0
    planned = purging.plan(layout, selection)
    _refuse_pinned(planned)
    _tell_plan(planned)
    if not planned.goes and not selection.everything:
        return 0
    if args.dry_run:
        say("Nothing was deleted: this was a dry run.")
        return 0
    if not args.yes and not _agrees():
        say("Nothing was deleted.")
        return 1
    return _tell_outcome(planned, purging.purge(layout, planned))


def _selection(args: argparse.Namespace) -> Selection:
    narrowed = bool(args.trace) or args.group is not None or args.older_than is not None
    if args.all == narrowed:
        said = "both --all and less than all" if narrowed else "nothing"
        raise UsageError(
            f"The command was told to delete {said}. It takes --older-than, --trace and --group, "
            f"or else --all. See what would go with --dry-run."
        )
    before_ns = None
    if args.older_than is not None:
        seconds = parse_duration(args.older_than)
        if seconds is None:
            raise UsageError(
                f"--older-than is {args.older_than!r}. It takes a number with its unit: m, h, d "
                f"or w, for minutes, hours, days or weeks. {_advice(args.older_than)}"
            )
        before_ns = time.time_ns() - int(seconds * 1e9)
    return Selection(
        traces=_ids(args) if args.trace else (),
        group_id=args.group,
        before_ns=before_ns,
        everything=args.all,
        pinned_too=args.pinned_too,
    )


def _advice(age: str) -> str:
    """What to write instead of an age that is none."""
    number = age.strip()
    if number.replace(".", "", 1).isdecimal() and number.isascii():
        return f"For {number} days write: --older-than {number}d"
    return "For thirty days write: --older-than 30d"


def _ids(args: argparse.Namespace) -> list[str]:
    with opened(args) as store:
        return [find(store, name).trace_id for name in args.trace]


def _refuse_pinned(planned: Plan) -> None:
    if planned.selection.traces and planned.pinned:
        raise CommandError(
            f"The trace {planned.pinned[0].trace_id!r} is pinned. A pinned trace is only deleted "
            f"on purpose. Add --pinned-too, or take the pin out: flightlog pin --remove "
            f"{planned.pinned[0].trace_id}"
        )


def _tell_plan(planned: Plan) -> None:
    for traces, why in ((planned.pinned, "pinned"), (planned.running, "still running")):
        if traces:
            say(f"Kept, {why}: {plural(len(traces), 'trace')} ({_named(traces)}).")
    if not planned.goes:
        say("No other trace matches." if planned.pinned or planned.running else "No trace matches.")
        return
    oldest = ago(planned.goes[0].start_ns, time.time_ns())
    say(
        f"To be deleted for good: {plural(len(planned.goes), 'trace')} with "
        f"{plural(planned.spans, 'span')}, about {size(planned.bytes)} ({_named(planned.goes)}); "
        f"the oldest started {oldest}."
    )
    if planned.spare:
        say(
            f"Another {size(planned.spare)} comes free with it: what compaction has replaced, "
            f"which no trace needs."
        )


def _named(traces: Sequence[Found]) -> str:
    named = [f"{one_line(trace.name)} {one_line(trace.trace_id)}" for trace in traces[:_NAMED]]
    more = len(traces) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "Nothing was deleted. The command asks before it deletes, and there is no terminal "
            "to ask on. Add --yes."
        )
    sys.stderr.write("Delete? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in _YES


def _tell_outcome(planned: Plan, done: Outcome) -> int:
    for problem in done.problems:
        say(problem)
    if done.busy:
        say(
            "Another process has been compacting the store for a minute. What is to be deleted is "
            "noted, and it or the next one who compacts deletes it; until then it is still shown."
        )
        return 1
    gone = len(planned.goes) - len(done.waiting)
    if done.problems:
        say("Not all of it could be deleted. It is noted, and tried again by itself.")
        return 1
    print(
        f"Deleted {plural(gone, 'trace')}. The store took {size(done.bytes_before)} and takes "
        f"{size(done.bytes_after)}{_rest(planned, done)}."
    )
    if done.waiting:
        say(
            f"{plural(len(done.waiting), 'trace')} ended, but the program that recorded it still "
            f"writes to the same file. That is noted: it is deleted once the program has gone over "
            f"to its next file, within half a minute or so, or has ended."
        )
    return 0


def _rest(planned: Plan, done: Outcome) -> str:
    """Says that not all that came free was traces, where most of it was not."""
    freed = done.bytes_before - done.bytes_after
    if planned.selection.everything or freed <= 2 * planned.bytes:
        return ""
    return (
        f": about {size(planned.bytes)} of that was deleted, and compaction, which came with it, "
        f"freed the rest. No other trace is gone"
    )
