import json
import subprocess
import sys
import time

import duckdb
import pytest

from viewer.cli.export import moment_of
from viewer.cli.usage import UsageError


def records(text):
    """The records of JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def names(text):
    """Names of the traces among records."""
    return [record["name"] for record in records(text) if record["k"] == "trace"]


def test_everything(flightlog):
    """Without words everything goes to stdout, a record a line, with its content."""
    done = flightlog("export")
    found = records(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert names(done.stdout) == ["support", "quiet", "refund \x1b]0;owned\x07"]
    (tool,) = [record for record in found if record.get("type") == "function"]
    assert (tool["input"], tool["output"]) == ('{"order": 7}', "shipped")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["last"], ["refund \x1b]0;owned\x07"]),
        (["status:ok"], ["support", "quiet"]),
        (["group:chat"], ["support"]),
        (["QUIE"], ["quiet"]),
        (["name:quiet", "--since", "1h"], ["quiet"]),
    ],
)
def test_chosen(flightlog, words, expected):
    """The words of a list choose what is exported, as an id or last does."""
    done = flightlog("export", *words)

    assert done.returncode == 0
    assert names(done.stdout) == expected


def test_ids(flightlog):
    """Several traces are named by their ids, and one by the end of its own."""
    ids = [trace["trace_id"] for trace in json.loads(flightlog("list", "--json").stdout)]

    assert len(names(flightlog("export", *ids[:2]).stdout)) == 2
    assert len(names(flightlog("export", ids[0][-10:]).stdout)) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nothing"], 1, "No trace matches"),
        (["--until", "2020-01-01"], 1, "No trace matches"),
        (["trace_unknown"], 1, "No trace is called"),
        (["--since", "soon"], 2, "no time"),
        (["last", "--since", "1h"], 2, "--since"),
        (["--format", "parquet"], 2, "--output"),
        (["--output", "traces.txt"], 2, "--format"),
        (["--single", "a.duckdb", "--output", "b"], 2, "--single"),
        (["status:fine"], 2, "status"),
        (["last", "status:error"], 2, "An id, or last, names"),
        (["status:ok", "trace_0123"], 2, "ids alone"),
    ],
)
def test_refused(flightlog, words, code, told):
    """What cannot be exported is told of, and stdout stays empty."""
    done = flightlog("export", *words)

    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_formats(flightlog, tmp_path):
    """The name of the output tells its format, and what was exported is told of."""
    for name, query in (
        ("t.parquet", "select count(*) from read_parquet('{}') where k = 'span'"),
        ("t.jsonl", "select count(*) from read_json('{}') where k = 'span'"),
    ):
        done = flightlog("export", "--output", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (0, "")
        assert "3 traces with 4 spans" in done.stderr
        assert duckdb.connect().execute(query.format(tmp_path / name)).fetchall() == [(4,)]
    flightlog("export", "last", "-o", str(tmp_path / "t.json"))
    assert "resourceSpans" in json.loads((tmp_path / "t.json").read_text())


def test_single(flightlog, tmp_path):
    """One DuckDB file has tables of the names of the views."""
    path = tmp_path / "single.duckdb"

    done = flightlog("export", "--single", str(path))

    assert done.returncode == 0
    with duckdb.connect(str(path), read_only=True) as con:
        found = con.execute("select name, status from traces order by started_at").fetchall()
        assert [status for _, status in found] == ["ok", "ok", "error"]
        assert con.execute("select input::varchar from tool_calls").fetchall() == [
            ('"{\\"order\\": 7}"',)
        ]
        assert "flightlog exported" in con.execute("from README").fetchall()[0][0]
    assert [left.name for left in tmp_path.iterdir() if left.name.startswith(".")] == []


def test_force(flightlog, tmp_path):
    """A file that is there is replaced with --force only."""
    path = tmp_path / "t.jsonl"
    path.write_text("mine")

    refused = flightlog("export", "-o", str(path))
    assert (refused.returncode, path.read_text()) == (1, "mine")
    assert "--force" in refused.stderr
    assert flightlog("export", "-o", str(path), "--force").returncode == 0
    assert len(names(path.read_text())) == 3


def test_unwritable(flightlog, tmp_path):
    """A folder that is not there is told of."""
    done = flightlog("export", "-o", str(tmp_path / "none" / "t.jsonl"))

    assert done.returncode == 1
    assert "could not be written" in done.stderr


def test_empty(flightlog, tmp_path):
    """A store without traces has nothing to export."""
    done = flightlog("export", home=tmp_path)

    assert done.returncode == 1
    assert "No trace is in" in done.stderr


def test_broken_pipe(recorded_environment):
    """Who stops reading ends the export, and is told nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "viewer", "export"],
        env=recorded_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=60)

    assert (process.returncode, told) == (0, b"")


def test_moments():
    """A time is how long ago, or a date."""
    assert moment_of(None) is None
    assert moment_of("2026-11-20T14:30:00+00:00") == 1_795_185_000_000_000_000
    ago = moment_of("2h")
    assert ago is not None
    assert 0 <= time.time_ns() - 7_200_000_000_000 - ago < 60_000_000_000
    with pytest.raises(UsageError):
        moment_of("9999-99-99")
