"""The command `flightlog`: one module a command, loaded when it is the one that was asked for.

A command's module has `EXAMPLE` (shown by `--help`), `add_arguments(parser)` and
`run(args) -> int`; `COMMANDS` names it. Exit codes: 0 done, 1 not found or failed, 2 wrong use.
Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, Protocol, cast

from exporters.store import StoreError
from tracer.errors import ConfigError
from tracer.version import __version__
from viewer.cli.terminal import complain, plain_streams
from viewer.cli.usage import CommandError, UsageError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


class CommandModule(Protocol):
    """What a command's module has."""

    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Say what the command takes; `--store` is there already."""
        ...

    def run(self, args: argparse.Namespace, /) -> int:
        """Do it, and give the exit code.

        `StoreError`, `ConfigError`, `UsageError` and `CommandError` may leave it: the user is told
        their text, and nothing more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is, and what it does in one line."""

    module: str
    summary: str

    def load(self) -> CommandModule:
        """The command itself."""
        return cast(CommandModule, import_module(self.module))


COMMANDS: Mapping[str, Command] = {
    "demo": Command("viewer.cli.demo", "record runs of demo agents, to have something to see"),
    "view": Command("viewer.cli.view", "open the viewer in the browser"),
    "list": Command("viewer.cli.list", "list traces, newest first"),
    "show": Command("viewer.cli.show", "show one trace"),
    "sql": Command("viewer.cli.sql", "ask the traces a question in SQL"),
    "export": Command(
        "viewer.cli.export", "take traces along: JSON Lines, Parquet, OTLP JSON, DuckDB"
    ),
    "import": Command("viewer.cli.import_", "put exported traces into a store"),
    "purge": Command("viewer.cli.purge", "delete traces for good"),
    "pin": Command("viewer.cli.pin", "keep traces whatever the limits of age and size"),
    "doctor": Command("viewer.cli.doctor", "say why a trace is not there, and what to do"),
    "version": Command("viewer.cli.version", "tell versions and where the store is"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        complain(f"{message}.\nSee: {self.prog} --help", prog=self.prog)
        raise SystemExit(MISUSED)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and give its exit code."""
    plain_streams()
    # Not list(…): once its module is loaded, that name is the command here.
    words = [*(sys.argv[1:] if argv is None else argv)]
    try:
        code = _outcome(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()  # the reader, such as `head`, has had enough
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ConfigError, UsageError) as error:
        complain(str(error))
        return MISUSED
    except (StoreError, CommandError) as error:
        complain(str(error))
        return FAILED
    except OSError as error:
        complain(f"The output could not be written: {error}. Make room or choose another place.")
        _discard_stdout()
        return FAILED
    return code


def _outcome(words: Sequence[str]) -> int:
    try:
        return _run(words)
    except SystemExit as end:  # how argparse ends after help, and after wrong use
        return end.code if isinstance(end.code, int) else FAILED


def _run(words: Sequence[str]) -> int:
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in COMMANDS:
        raise UsageError(_unknown(name))
    parser = _Parser(
        prog="flightlog",
        description="The flight recorder for AI agents.",
        epilog="Begin with: flightlog demo, then flightlog view",
    )
    parser.add_argument("--version", action="version", version=f"flightlog {__version__}")
    places = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for each, command in COMMANDS.items():
        place = places.add_parser(each, help=command.summary)
        if each == name:
            _describe(place, command)
    args, unknown = parser.parse_known_args(words)
    if unknown:  # told by the parser whose help has what there is instead
        said = places.choices[name] if name in COMMANDS else parser
        said.error(f"unrecognized arguments: {' '.join(unknown)}")
    if args.command is None:
        parser.print_help(sys.stderr)
        return MISUSED
    return COMMANDS[args.command].load().run(args)


def _describe(parser: argparse.ArgumentParser, command: Command) -> None:
    module = command.load()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    summary = command.summary
    parser.description = f"{summary[0].upper()}{summary[1:]}."
    parser.epilog = f"example:\n  {module.EXAMPLE}"
    parser.add_argument("--store", metavar="PATH", help="the store (default: $FLIGHTLOG_STORE)")
    module.add_arguments(parser)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else "See: flightlog --help"
    return f"No command is called {name!r}. Known: {', '.join(COMMANDS)}. {advice}"


def _discard_stdout() -> None:
    """Lets the interpreter's last flush go nowhere instead of failing once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
