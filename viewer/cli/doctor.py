"""`flightlog doctor`."""

from __future__ import annotations

import argparse
import dataclasses
import re
import textwrap
import time
from collections.abc import Iterator, Sequence

from exporters.duckdb.doctor import Facts, Finding, diagnose, examine, repair
from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.retention import Limits
from exporters.store import StoreError
from exporters.wording import plural, size
from tracer.config import child_environ
from viewer.cli.terminal import Terminal, json_visible, say, terminal, visible
from viewer.cli.wording import ago
from viewer.encoding import to_json

EXAMPLE = "flightlog doctor"
_WELL, _FOUND = 0, 1
_WIDEST = 100
_LABEL = 8
# A command is to be copied: it stays in one line, however long.
_COMMAND = re.compile(
    r"(?<=: )(?:chmod|export|flightlog|kill|mv|pip|rm|sudo|timedatectl|unset) .*?(?=\. [A-Z]|$)"
)
_GLUE = "\x00"


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `doctor` takes."""
    parser.add_argument(
        "trace",
        nargs="?",
        metavar="TRACE",
        help="a trace that is not where it should be: its id, a part of it, or a span's id",
    )
    parser.add_argument("--json", action="store_true", help="an object with findings and facts")
    parser.add_argument(
        "--thorough", action="store_true", help="read every byte of the store, however large it is"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="compact the store first: what is damaged is set aside, and a catalog file that is "
        "missing is made; nothing is deleted, whatever the limits",
    )


def run(args: argparse.Namespace) -> int:
    """Say what was found; 1 where that is trouble."""
    environ = child_environ()
    facts = examine(environ, store=args.store, wanted=args.trace, thorough=args.thorough)
    if args.repair:
        _repair(facts)
        facts = examine(environ, store=args.store, wanted=args.trace, thorough=args.thorough)
    found = diagnose(facts)
    trouble = [finding for finding in found if finding.level == "trouble"]
    if args.json:
        print(json_visible(to_json(_object(facts, found, well=not trouble)).decode()))
    else:
        print("\n".join(_text(facts, found, terminal())))
    return _FOUND if trouble else _WELL


def _repair(facts: Facts) -> None:
    try:
        mended = repair(facts)
        report = compact(facts.store, limits=Limits())
    except (StoreError, OSError) as error:
        say(f"It could not be repaired: {error}")
        return
    if report.busy:
        say("Another process is compacting the store, so nothing was done. See what is left below.")
        return
    for name in (*mended.quarantined, *report.mended.quarantined):
        say(f"Set aside {name}, which was damaged. The note beside it says what was saved of it.")
    say(
        f"Compacted {plural(report.segments, 'segment')} into {plural(len(report.parts), 'part')}; "
        f"set aside {plural(report.bad_lines, 'line')}."
    )
    for problem in (*mended.problems, *report.problems):
        say(problem)


def _object(facts: Facts, found: Sequence[Finding], *, well: bool) -> dict[str, object]:
    return {
        "store": str(facts.store),
        "chosen_by": facts.chosen_by,
        "well": well,
        "findings": [dataclasses.asdict(finding) for finding in found],
        "facts": dataclasses.asdict(facts),
    }


def _text(facts: Facts, found: Sequence[Finding], target: Terminal) -> Iterator[str]:
    yield visible(f"Store   {facts.store}")
    yield visible(f"        {_summary(facts)}")
    wanted = facts.content.wanted
    if wanted is not None and wanted.trace_id is not None:
        if wanted.span_id is not None:
            yield visible(f"Span    {wanted.span_id} is one of the trace below")
        yield visible(f"Trace   {wanted.trace_id} is here: {wanted.status}")
    trouble = [finding for finding in found if finding.level == "trouble"]
    notes = [finding for finding in found if finding.level == "note"]
    yield ""
    if not trouble:
        yield "✔ All is well."
        if facts.folder.unread:
            yield (
                f"  Not every byte was read: {size(facts.folder.unread)} of parts were looked at "
                f"from outside. To read all: flightlog doctor --thorough"
            )
    for number, finding in enumerate(trouble, 1):
        if number > 1:
            yield ""
        mark = f"{number}. " if len(trouble) > 1 else "✖ "
        yield target.paint(visible(mark + finding.title), "red")
        yield from _lines(finding, target)
    for finding in notes:
        yield ""
        yield target.paint(visible(f"· {finding.title}"), "dim")
        yield from _lines(finding, target)


def _summary(facts: Facts) -> str:
    folder, content = facts.folder, facts.content
    if not folder.exists:
        return f"named by {facts.chosen_by}; not there yet"
    newest = content.newest_ns
    parts = [
        plural(content.traces, "trace") + f", {plural(content.spans, 'span')}"
        if not content.error
        else "",
        f"newest {ago(newest, time.time_ns())}" if newest else "",
        f"{size(folder.size)} in {plural(folder.parts, 'part')} and "
        f"{plural(folder.segments, 'segment')}"
        + (
            f" ({size(folder.replaced)} of it replaced, and deleted soon)"
            if folder.replaced
            else ""
        ),
        f"{plural(folder.alive, 'program')} recording",
        f"{size(folder.disk.free)} free" if folder.disk.free is not None else "",
    ]
    return " · ".join(filter(None, parts))


def _lines(finding: Finding, target: Terminal) -> Iterator[str]:
    """What was seen, what it means and what to do, each beside its label."""
    width = min(target.width or _WIDEST, _WIDEST)
    for label, text in (("seen", finding.seen), ("means", finding.means), ("next", finding.step)):
        wrapped = textwrap.wrap(
            _COMMAND.sub(lambda match: match[0].replace(" ", _GLUE), visible(text)),
            max(width - _LABEL - 3, 20),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for index, line in enumerate(wrapped):
            yield f"   {label if not index else '':<{_LABEL}}{line.replace(_GLUE, ' ')}"
