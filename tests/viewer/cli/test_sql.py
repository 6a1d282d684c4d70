import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QUERY = "SELECT name, status, span_count FROM traces ORDER BY started_at"


def test_table(flightlog):
    """Rows come as a table whose numbers stand to the right."""
    done = flightlog("sql", QUERY)
    header, *rows = done.stdout.splitlines()

    assert done.returncode == 0
    assert header.split() == ["name", "status", "span_count"]
    assert rows[0].split() == ["support", "ok", "2"]
    assert rows[2].startswith("refund \\x1b]0;owned\\x07")
    assert done.stderr == ""


def test_json(flightlog):
    """Rows come as objects; a second column of a name gets a key of its own."""
    query = "SELECT 1 AS n, 1.5 AS n, 9007199254740993 AS big, [1] AS l, NULL AS x"
    done = flightlog("sql", query, "--format", "json")

    assert json.loads(done.stdout) == [
        {"n": 1, "n_1": 1.5, "big": 9007199254740993, "l": [1], "x": None}
    ]


def test_ndjson(flightlog):
    """One object a line."""
    lines = flightlog("sql", QUERY, "--format", "ndjson").stdout.splitlines()

    assert [json.loads(line)["status"] for line in lines] == ["ok", "ok", "error"]


def test_csv(flightlog):
    """A file gets text exactly as it was recorded."""
    done = flightlog("sql", QUERY, "--format", "csv")
    rows = list(csv.reader(io.StringIO(done.stdout)))

    assert rows[0] == ["name", "status", "span_count"]
    assert rows[3][0] == "refund \x1b]0;owned\x07"


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
def test_no_rows(flightlog, form):
    """No row is a result too."""
    done = flightlog("sql", "SELECT name FROM traces WHERE false", "--format", form)

    assert done.returncode == 0
    assert done.stdout == {"json": "[]\n", "ndjson": ""}.get(form, "name\n")


def test_stdin(flightlog):
    """A query can come through a pipe."""
    assert flightlog("sql", "-", "--format", "csv", given="SELECT 7 AS n").stdout == "n\n7\n"


def test_limit(flightlog):
    """Where the limit cuts, one is told so, beside the result."""
    done = flightlog("sql", "SELECT * FROM range(10)", "-n", "3", "--format", "ndjson")

    assert len(done.stdout.splitlines()) == 3
    assert "--limit" in done.stderr


@pytest.mark.parametrize(
    "query", ["SELCT 1", "SELECT nothing FROM traces", "DROP VIEW traces", "", "SELECT 1; SELECT 2"]
)
def test_refused(flightlog, query):
    """A query that is broken or does more than read is told in one message."""
    done = flightlog("sql", query)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("flightlog: ")
    assert "Traceback" not in done.stderr


def test_plan(flightlog):
    """A plan is printed as the drawing that it is, and drives no terminal."""
    done = flightlog("sql", "EXPLAIN SELECT 'x\x1b[2J' AS n FROM range(3)")
    plan = json.loads(
        flightlog("sql", "EXPLAIN SELECT 'x' AS n FROM range(3)", "--format", "json").stdout
    )

    assert len(done.stdout.splitlines()) > 4
    assert "\x1b" not in done.stdout
    assert plan[0]["explain_value"].splitlines()[0][0] == done.stdout[0]


def test_timeout(flightlog):
    """A query without end is stopped."""
    done = flightlog(
        "sql", "SELECT count(*) FROM range(100000000000) a, range(1000000)", "--timeout", "1"
    )

    assert done.returncode == 1
    assert "1 s" in done.stderr


CORPUS = Path(__file__).parents[2] / "exporters" / "duckdb" / "sql" / "attacks"
ATTACKS = [
    query
    for name in ("statements", "beyond", "large", "memory", "time")
    for query in (CORPUS / f"{name}.sql").read_text(encoding="utf-8").split("\n----\n")[::20]
]


@pytest.mark.parametrize("query", ATTACKS)
def test_attacks(flightlog, tmp_path, query):
    """Attacks fail in one message and write nothing; the table of all is in `test_gate`."""
    for mark in ("evil", "inside", "secret", "folder", "root"):
        query = query.replace(f"{{{mark}}}", str(tmp_path / "evil"))
    done = flightlog("sql", query, "--timeout", "1", home=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("flightlog: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def answering(store):
    """Processes that answer questions of a store."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"exporters.duckdb.sql.answering" in words and bytes(store) in words:
            found.append(int(path.parent.name))
    return found


def until(check):
    """Wait for what has to come true."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_interrupted(recorded, tmp_path):
    """Ctrl-C ends the command at once, and who answers with it."""
    query = "SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))"
    command = [sys.executable, "-m", "viewer", "sql", query, "--timeout", "1000"]
    with subprocess.Popen(
        command, env=recorded.environ(tmp_path), stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        until(lambda: answering(tmp_path / "traces.duckdb"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode in (130, -signal.SIGINT)
    assert b"Traceback" not in said
    until(lambda: not answering(tmp_path / "traces.duckdb"))
