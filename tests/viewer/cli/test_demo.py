"""`flightlog demo`: real runs on a scripted model, and the README's queries on what it recorded."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.config import child_environ
from viewer.cli.list import EXAMPLE

Demo = Callable[..., subprocess.CompletedProcess[str]]


def call(home: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a home."""
    return subprocess.run(
        [sys.executable, "-m", "viewer", *words],
        env=child_environ(HOME=str(home), FLIGHTLOG_HOME=str(home), **changes),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home in which the demo ran, and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    done = call(home, "demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return home, done.stdout


def ask(home: Path, query: str) -> list[list[object]]:
    """Rows of a query, by the command."""
    done = call(home, "sql", query, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [list(row.values()) for row in json.loads(done.stdout)]


def test_every_run_has_its_status(flown: tuple[Path, str]) -> None:
    """The runs are in the store in their order, each with the status it was meant to have."""
    rows = ask(flown[0], "SELECT name, status, span_count FROM traces ORDER BY started_at")

    assert [row[:2] for row in rows] == [
        ["Customer support", "ok"],
        ["Customer support", "blocked"],
        ["Settle invoice", "error"],
        ["Deep research", "ok"],
        ["Plan a trip", "ok"],
        ["Story, streamed", "ok"],
        ["Chat", "ok"],
        ["Chat", "ok"],
    ]
    assert all(isinstance(row[2], int) and row[2] >= 4 for row in rows)


def test_every_type_of_span(flown: tuple[Path, str]) -> None:
    """The record has agents, model calls, tools, a handoff, guardrails, tasks and turns."""
    types = {row[0] for row in ask(flown[0], "SELECT type, count(*) FROM spans GROUP BY 1")}

    assert types == {"agent", "response", "function", "handoff", "guardrail", "task", "turn"}


def test_research_has_parallel_tools(flown: tuple[Path, str]) -> None:
    """The long run has ten turns, tools that overlap in time, and an error it recovered from."""
    turns = ask(
        flown[0],
        "SELECT count(*) FROM spans WHERE trace_name = 'Deep research' AND type = 'turn'",
    )
    overlapping = ask(
        flown[0],
        "SELECT count(*) FROM tool_calls a JOIN tool_calls b ON a.parent_id = b.parent_id "
        "AND a.span_id < b.span_id AND a.started_at < b.ended_at AND b.started_at < a.ended_at",
    )
    handled = ask(flown[0], "SELECT handled_errors FROM traces WHERE name = 'Deep research'")

    assert turns == [[10]]
    assert overlapping[0][0] >= 5  # type: ignore[operator]
    assert handled == [[1]]


def test_chat_is_one_conversation(flown: tuple[Path, str]) -> None:
    """Both turns of the chat share a group, and the second was sent what the first said."""
    groups = ask(flown[0], "SELECT DISTINCT group_id FROM traces WHERE name = 'Chat'")
    last = ask(
        flown[0],
        "SELECT input FROM generations WHERE trace_name = 'Chat' ORDER BY started_at DESC LIMIT 1",
    )

    assert len(groups) == 1
    assert "Hello, I am Grace." in str(last)


def test_says_each_run_and_where(flown: tuple[Path, str]) -> None:
    """It prints a line a run, the summary in SQL, where the store is, and how to look."""
    home, said = flown

    assert "issuer unavailable" in said
    assert 'flightlog sql "SELECT name, status' in said
    assert str(home / "traces.duckdb") in said
    assert "view" in said.splitlines()[-3]


def test_example_of_list_finds_something(flown: tuple[Path, str]) -> None:
    """What `list --help` gives as an example shows a trace of the demo's."""
    found = json.loads(call(flown[0], *shlex.split(EXAMPLE)[1:], "--json").stdout)

    assert [trace["status"] for trace in found] == ["blocked"]


def test_block_is_no_error(flown: tuple[Path, str]) -> None:
    """The blocked run shows which guardrail tripped, and calls nothing in it an error."""
    found = json.loads(call(flown[0], "list", "status:blocked", "--json").stdout)
    shown = call(flown[0], "show", found[0]["trace_id"]).stdout

    assert "⊘ tripped" in next(line for line in shown.splitlines() if "guardrail stays" in line)
    assert "✖" not in shown


def test_error_is_told_once(flown: tuple[Path, str]) -> None:
    """The failed run's message and stack stand at the tool, in the tree and in the report."""
    found = json.loads(call(flown[0], "list", "name:Settle invoice", "--json").stdout)
    tree = call(flown[0], "show", found[0]["trace_id"]).stdout.partition("\n\n")[2]
    report = call(flown[0], "show", found[0]["trace_id"], "--format", "markdown").stdout

    assert tree.count("issuer unavailable") == 1
    assert tree.count("✖ error (from charge_card)") == 3
    assert report.count("Traceback (most recent") == 2  # the cause and what it led to
    assert [line for line in report.splitlines() if line.startswith("## ")] == [
        "## Input",
        "## function charge\\_card",
    ]


def test_live_without_key(tmp_path: Path) -> None:
    """`--live` without a key is refused before anything is recorded."""
    done = call(tmp_path, "demo", "--live")

    assert done.returncode == 2
    assert "OPENAI_API_KEY is not set" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "code", "part"),
    [
        ({"FLIGHTLOG_DISABLED": "1"}, 2, "Unset the variable"),
        ({"FLIGHTLOG_EXPORTERS": "ducdb"}, 2, "Known: duckdb"),
        ({"FLIGHTLOG_STORE": "/dev/null/traces.duckdb"}, 1, "cannot be written"),
        ({"FLIGHTLOG_STORE": "/tmp"}, 1, "is a folder"),
    ],
)
def test_bad_settings(tmp_path: Path, changes: dict[str, str], code: int, part: str) -> None:
    """What cannot be followed is said at once, with the way out and no traceback."""
    done = call(tmp_path, "demo", **changes)

    assert done.returncode == code
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
