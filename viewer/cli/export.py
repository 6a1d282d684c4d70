"""`flightlog export`."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from exporters.duckdb.transfer.exporting import (
    FORMATS,
    STREAMED,
    Exported,
    Format,
    export_file,
    export_stream,
    format_of,
)
from exporters.store import NotFoundError, TraceQuery, TraceStore
from exporters.transfer import ids_of
from exporters.wording import plural
from tracer.config import parse_duration
from viewer.cli.list import parse
from viewer.cli.opening import opened, store_path
from viewer.cli.show import find
from viewer.cli.terminal import json_visible, say
from viewer.cli.usage import CommandError, UsageError

EXAMPLE = "flightlog export status:error --since 7d --output errors.jsonl"
_PREFIX = "trace_"
_PAGE = 1000
_NS = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `export` takes."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="TRACE|last|FILTER",
        help="ids of traces (or one's beginning or end), last, or a filter as list takes it: "
        "status:error,blocked · group:ID · name:NAME · text in a trace's name, id, question, "
        "answer or cause (default: everything)",
    )
    parser.add_argument("--since", metavar="TIME", help="started at or after: 2h, 7d, 2026-11-20")
    parser.add_argument("--until", metavar="TIME", help="started at or before")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="jsonl: one record a line · parquet · otlp: OpenTelemetry's JSON · duckdb: one file "
        "with tables (default: as the output's name says, else jsonl)",
    )
    parser.add_argument(
        "-o", "--output", metavar="PATH", default="-", help="a file, or - for stdout (default)"
    )
    parser.add_argument("--single", metavar="PATH", help="same as --format duckdb --output PATH")
    parser.add_argument("--force", action="store_true", help="replace the file if it is there")


def run(args: argparse.Namespace, /) -> int:
    """Write traces to a file or to stdout."""
    format, path = _target(args)
    with opened(args) as store:
        ids = chosen(store, args.what, since=args.since, until=args.until)
        if not store.search(TraceQuery(limit=1)).traces:
            raise CommandError(
                f"No trace is in {store.info().path} yet, so nothing was exported. An export "
                f"takes what was recorded. Record something: flightlog demo"
            )
    if ids is not None and not ids:
        raise CommandError(
            "No trace matches, so nothing was exported. It takes ids, last, or a filter as list "
            "takes it. See what there is: flightlog list"
        )
    where = store_path(args)
    if path is None:
        export_stream(where, _printer(), format, trace_ids=ids)
        return 0
    done = export_file(where, path, format, trace_ids=ids, force=args.force)
    say(f"Exported {_counted(done)} to {path}.")
    return 0


def chosen(
    store: TraceStore, words: Sequence[str], *, since: str | None, until: str | None
) -> list[str] | None:
    """Ids of the traces that words and times choose; None for everything.

    Raises:
        NotFoundError: If a word is an id, and no trace or several have it.
        UsageError: If the words or times cannot be followed.
    """
    if not words and since is None and until is None:
        return None
    if words and all(_is_id(word) for word in words):
        if since is not None or until is not None:
            raise UsageError(
                "Ids of traces and --since or --until stand together. An id names one trace, "
                "whenever it started. Leave out one of them."
            )
        return list(dict.fromkeys(find(store, word).trace_id for word in words))
    if "last" in words or any(word.startswith(_PREFIX) for word in words):
        raise UsageError(
            f"{' '.join(words)!r} has ids of traces and words of a filter. An id, or last, names "
            f"one trace whatever it is, and a filter finds traces. Give ids alone, or a filter "
            f"alone; name:last and the like look for such a name."
        )
    if len(words) == 1 and ":" not in words[0] and (named := _named(store, words[0])):
        return [named]
    query = replace(parse(words, limit=_PAGE), since_ns=moment_of(since), until_ns=moment_of(until))
    return list(ids_of(store, query))


def moment_of(text: str | None) -> int | None:
    """A time as nanoseconds since the epoch, of a text such as `2h` (ago) or `2026-11-20 14:00`.

    Raises:
        UsageError: If it is none.
    """
    if text is None:
        return None
    seconds = parse_duration(text)
    if seconds is not None:
        return time.time_ns() - int(seconds * _NS)
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
        return int(moment.astimezone().timestamp()) * _NS + moment.microsecond * 1000
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{text!r} is no time. It takes how long ago, such as 90m, 2h or 7d, or a date and "
            f"time such as 2026-11-20 or 2026-11-20T14:30. Give one of these."
        ) from None


def _target(args: argparse.Namespace) -> tuple[Format, Path | None]:
    """The format, and the file; None for stdout."""
    if args.single is not None:
        if args.output != "-" or args.format not in (None, "duckdb"):
            raise UsageError(
                "--single stands beside --output or another --format. It says both by itself. "
                "Leave the others out."
            )
        return "duckdb", Path(args.single).expanduser()
    path = None if args.output == "-" else Path(args.output).expanduser()
    if path is not None:
        format = args.format or format_of(path)
        if format is None:
            raise UsageError(
                f"{args.output!r} does not say its format. It is told by .jsonl, .parquet, .json "
                f"(OTLP) or .duckdb at the end. Name the file so, or say --format."
            )
        return format, path
    if (args.format or "jsonl") not in STREAMED:
        raise UsageError(
            f"{args.format} cannot go to stdout. A file of it is not written from beginning to "
            f"end. Say where with --output PATH."
        )
    return args.format or "jsonl", None


def _printer() -> Callable[[bytes], object]:
    """Writes lines to stdout: a terminal must not obey what was recorded."""
    if sys.stdout.isatty():
        return lambda line: print(json_visible(line.decode()), end="")
    sys.stdout.flush()
    return sys.stdout.buffer.write


def _is_id(word: str) -> bool:
    return word == "last" or word.startswith(_PREFIX)


def _named(store: TraceStore, word: str) -> str | None:
    """The one trace whose id has this beginning or end; None where the word is a text."""
    if len(word) < 6 or not all(digit in "0123456789abcdef" for digit in word):
        return None
    try:
        return find(store, word).trace_id
    except NotFoundError:
        page = store.search(TraceQuery(text=word, limit=_PAGE))
        if any(row.trace_id.endswith(word) for row in page.traces):
            raise  # the end of several
        return None


def _counted(done: Exported) -> str:
    return f"{plural(done.traces, 'trace')} with {plural(done.spans, 'span')}"
