"""`flightlog import`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from exporters.duckdb.transfer.importing import Imported, import_files
from exporters.wording import plural
from viewer.cli.opening import store_path
from viewer.cli.terminal import say
from viewer.cli.usage import CommandError

EXAMPLE = "flightlog import errors.jsonl"


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `import` takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a file of flightlog export in any format, or OTLP in JSON of any tool; - for stdin",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="import the rest where something cannot be read (default: nothing is imported)",
    )


def run(args: argparse.Namespace, /) -> int:
    """Put the traces of files into the store."""
    with _paths(args.files) as paths:
        done = import_files(store_path(args), paths, skip_bad=args.skip_bad, told=_progress())
    for bad in done.bad:
        say(f"flightlog: {bad}")
    if done.bad_count > len(done.bad):
        say(f"flightlog: and {done.bad_count - len(done.bad):,} more")
    if done.bad_count and not args.skip_bad:
        raise CommandError(
            f"Nothing was imported: {plural(done.bad_count, 'record')} cannot be read. Files are "
            f"imported whole or not at all. Mend them, or leave those out with --skip-bad."
        )
    say(summary(done))
    return 0


def _progress() -> Callable[[int], object]:
    """Tells of a long import on a terminal, and leaves files and pipes alone."""
    if not sys.stderr.isatty():
        return lambda count: None
    return lambda count: say(f"… {plural(count, 'record')} read")


def summary(done: Imported) -> str:
    """What an import did, in a sentence or two."""
    if not (done.new_traces or done.known_traces or done.parts):
        text = "There was nothing to import."
    else:
        text = (
            f"Imported {plural(done.new_traces, 'new trace')} and "
            f"{plural(done.new_spans, 'new span')}; {plural(done.known_traces, 'trace')} and "
            f"{plural(done.known_spans, 'span')} were known."
        )
    if done.bad_count:
        verb = "was" if done.bad_count == 1 else "were"
        text += f" {plural(done.bad_count, 'record')} could not be read and {verb} left out."
    if done.lost:
        text += f" Too large to keep, and marked in their place: {plural(done.lost, 'value')}."
    return text


@contextlib.contextmanager
def _paths(names: Sequence[str]) -> Iterator[list[Path]]:
    """Files to read; what comes on stdin is put into one, as it is read twice."""
    with contextlib.ExitStack() as stack:
        yield [_from_stdin(stack) if name == "-" else Path(name).expanduser() for name in names]


def _from_stdin(stack: contextlib.ExitStack) -> Path:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flightlog-")))
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path
