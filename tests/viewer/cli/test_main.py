import os
import pty
import select
import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from viewer.cli import COMMANDS, main

FLIGHTLOG = [sys.executable, "-m", "viewer"]


def test_entry_point():
    """The command that pip installs is this one."""
    (point,) = entry_points(group="console_scripts", name="flightlog")

    assert point.load() is main


def test_help(flightlog):
    """Help lists every command, and each command's has an example."""
    text = flightlog("--help").stdout

    for name, command in COMMANDS.items():
        assert f"    {name} " in text
        assert command.summary in text


@pytest.mark.parametrize("name", COMMANDS)
def test_command_help(flightlog, name):
    """Each command explains itself with an example and takes --store."""
    done = flightlog(name, "--help")

    assert done.returncode == 0
    assert f"example:\n  {import_module(COMMANDS[name].module).EXAMPLE}" in done.stdout
    assert "--store" in done.stdout


def test_version(flightlog, recorded):
    """Versions and the store's place are told."""
    done = flightlog("version")

    assert done.stdout.startswith("flightlog ")
    assert str(recorded.store) in done.stdout
    assert flightlog("--version").stdout.split() == done.stdout.split()[:2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: flightlog"),
        (["lst"], "No command is called 'lst'. Known: "),
        (["lst"], "Did you mean 'list'?"),
        (["--no"], "See: flightlog --help"),
        (["list", "--limit", "many"], "'many' is no whole number. It takes"),
        (["list", "--limit", "0"], "'0' is out of bounds. It takes"),
        (["list", "--no"], "See: flightlog list --help"),
        (["list", "-n", "0"], "See: flightlog list --help"),
        (["sql"], "See: flightlog sql --help"),
        (["list", "status:eror"], "The status 'eror' is none. A trace is one of"),
        (["show", "--format", "xml"], "invalid choice: 'xml'"),
        (["sql"], "required: QUERY"),
        (["sql", "SELECT 1", "--timeout", "x"], "'x' is no whole number"),
        (["view", "--port", "70000"], "'70000' is out of bounds"),
    ],
)
def test_misuse(flightlog, words, said):
    """Wrong use is 2, with what was wrong and what to do, and nothing on stdout."""
    done = flightlog(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FLIGHTLOG_EXPORTERS", "ducdb", "'ducdb'"),
        ("FLIGHTLOG_SYNC", "often", "FLIGHTLOG_SYNC is 'often'"),
        ("FLIGHTLOG_DISABLED", "perhaps", "FLIGHTLOG_DISABLED is 'perhaps'"),
    ],
)
def test_wrong_setting(flightlog, variable, value, said):
    """A setting that cannot be followed is told as such, and is 2."""
    done = flightlog("list", **{variable: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_store_is_other_file(flightlog, tmp_path):
    """A store path that is some file of the user's is refused, and the file stays as it was."""
    place = tmp_path / "notes.txt"
    place.write_text("mine")
    (tmp_path / "notes.txt.d").write_text("mine")

    for words in (["list"], ["show", "last"], ["sql", "SELECT 1"], ["view", "--no-browser"]):
        done = flightlog(*words, "--store", str(place))
        assert (done.returncode, done.stdout) == (1, "")
        assert "notes.txt" in done.stderr
        assert "Traceback" not in done.stderr
    assert place.read_text() == "mine"


def test_newer_store(flightlog, tmp_path):
    """A store of a newer format is refused with what to do."""
    folder = tmp_path / "traces.duckdb.d"
    folder.mkdir()
    (folder / "FORMAT").write_text('{"format": 99, "schema": 99, "store_id": "x"}')
    done = flightlog("list", home=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "99" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_show(flightlog, tmp_path):
    """There is no last trace where nothing was recorded."""
    done = flightlog("show", home=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"No trace is in {tmp_path / 'traces.duckdb'}" in done.stderr
    assert "flightlog demo" in done.stderr
    assert "Traceback" not in done.stderr


def test_store_option(flightlog, recorded, tmp_path):
    """--store wins over the settings."""
    done = flightlog("list", "--store", str(recorded.store), home=tmp_path)

    assert len(done.stdout.splitlines()) == 4


def test_store_not_there(flightlog, tmp_path):
    """A store that a command names and that is not there is an error, and is not made."""
    place = tmp_path / "typo.duckdb"
    for words in (
        ["list"],
        ["list", "--json"],
        ["show", "last"],
        ["sql", "SELECT 1"],
        ["export"],
        ["pin"],
        ["pin", "last"],
    ):
        done = flightlog(*words, "--store", str(place))
        assert (done.returncode, done.stdout) == (1, ""), words
        assert f"No store is at '{place}'" in done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("typo*")) == []


def command_line(*words):
    """The words of a shell that runs the command."""
    return " ".join([*FLIGHTLOG, *words])


def test_closed_pipe(recorded_environment):
    """A reader that has had enough, such as `head`, is no fault."""
    query = "'SELECT * FROM range(200000)' --limit 200000 --format ndjson"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command_line('sql', query)} | head -n 1"],
        env=recorded_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert done.stdout == '{"range":0}\n'
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["list"], ["sql", "SELECT 1"], ["version"]])
def test_full_disk(recorded_environment, words):
    """Output that cannot be written is told, and is 1."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*FLIGHTLOG, *words],
            env=recorded_environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_narrow_encoding(flightlog):
    """A terminal that knows only ASCII gets every line all the same."""
    done = flightlog("list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4


def on_terminal(words, environ, columns):
    """What a command shows on a terminal of so many columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*FLIGHTLOG, *words],
        env=environ | {"COLUMNS": str(columns), "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([leader], [], [], 0.05)[0]:
                try:
                    shown += os.read(leader, 65536)
                except OSError:  # the other side is closed
                    break
    finally:
        os.close(leader)
        process.wait(60)
    return shown.decode().replace("\r\n", "\n")


def test_terminal(recorded_environment):
    """On a terminal a table fits, failures are red, and recorded text sets nothing off."""
    shown = on_terminal(["list"], recorded_environment, 70)

    assert "\x1b[31m✖ error" in shown
    assert "\x1b]0;" not in shown
    plain = shown.replace("\x1b[31m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain
    assert all(len(line) <= 70 for line in plain.splitlines())


def test_no_color(recorded_environment):
    """NO_COLOR is followed."""
    shown = on_terminal(["show", "last"], recorded_environment | {"NO_COLOR": "1"}, 60)

    assert "✖ error" in shown
    assert "\x1b" not in shown
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_csv_on_terminal(recorded_environment):
    """What a file gets as it was, a terminal gets made visible."""
    words = ["sql", "SELECT name FROM traces", "--format", "csv"]

    assert "\\x1b]0;owned" in on_terminal(words, recorded_environment, 80)
