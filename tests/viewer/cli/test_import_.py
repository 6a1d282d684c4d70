import json

import pytest


def names(done):
    """Names and statuses that a list has."""
    return [(trace["name"], trace["status"]) for trace in json.loads(done.stdout)]


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.json", "t.duckdb"])
def test_round(flightlog, tmp_path, name):
    """What is exported can be imported elsewhere; a second time changes nothing."""
    file, store = str(tmp_path / name), str(tmp_path / "other.duckdb")
    flightlog("export", "-o", file)

    first = flightlog("import", file, "--store", store)
    second = flightlog("import", file, "--store", store)

    assert (first.returncode, first.stdout) == (0, "")
    assert "3 new traces and 4 new spans; 0 traces and 0 spans were known" in first.stderr
    assert "0 new traces and 0 new spans; 3 traces and 4 spans were known" in second.stderr
    assert names(flightlog("list", "--json", "--store", store)) == names(
        flightlog("list", "--json")
    )


def test_stdin(flightlog, tmp_path):
    """A dash is stdin."""
    store = str(tmp_path / "other.duckdb")
    exported = flightlog("export", "last")

    done = flightlog("import", "-", "--store", store, given=exported.stdout)

    assert "1 new trace and" in done.stderr


def test_bad(flightlog, tmp_path):
    """Bad lines are told by number, and nothing is imported unless they are to be skipped."""
    store, file = str(tmp_path / "other.duckdb"), tmp_path / "t.jsonl"
    file.write_text(flightlog("export").stdout + "rubbish \x1b[31m\n")

    refused = flightlog("import", str(file), "--store", store)
    listed = flightlog("list", "--json", "--store", store)
    done = flightlog("import", str(file), "--skip-bad", "--store", store)

    assert refused.returncode == 1
    assert "line 8: it is no JSON" in refused.stderr
    assert "Nothing was imported" in refused.stderr
    assert "No store is at" in listed.stderr
    assert done.returncode == 0
    assert "1 record could not be read and was left out" in done.stderr
    assert len(names(flightlog("list", "--json", "--store", store))) == 3
    assert "\x1b" not in refused.stderr + done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\xff\n" * 3, "it is no JSON"),
        (b"PAR1\x00\x00", "Parquet"),
        (b'{"resourceSpans": 7}', "resourceSpans"),
        (b"[1]", "an array"),
        (b"\x00" * 8 + b"DUCK", "DuckDB file"),
    ],
)
def test_rubbish(flightlog, tmp_path, content, told):
    """A file of anything else is told of in a sentence."""
    file = tmp_path / "rubbish"
    file.write_bytes(content)

    done = flightlog("import", str(file), "--store", str(tmp_path / "other.duckdb"))

    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_missing(flightlog, tmp_path):
    """A file that is not there is told of; an empty one has nothing to import."""
    (tmp_path / "empty").touch()

    missing = flightlog("import", str(tmp_path / "none"))
    empty = flightlog("import", str(tmp_path / "empty"))

    assert (missing.returncode, empty.returncode) == (1, 0)
    assert "cannot be read" in missing.stderr
    assert "nothing to import" in empty.stderr


def test_foreign(flightlog, tmp_path):
    """Spans of another tool become a trace that list and show know."""
    store, file = str(tmp_path / "other.duckdb"), tmp_path / "otlp.json"
    ids = {"traceId": "ab" * 16, "startTimeUnixNano": "1763700000000000000",
           "endTimeUnixNano": "1763700001000000000"}  # fmt: skip
    call = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-5"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
    ]
    spans = [
        {**ids, "spanId": "1" * 16, "name": "invoke_agent Shop", "attributes": []},
        {**ids, "spanId": "2" * 16, "parentSpanId": "1" * 16, "name": "x", "attributes": call},
    ]
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, indent=2))

    flightlog("import", str(file), "--store", store)

    (trace,) = json.loads(flightlog("list", "--json", "--store", store).stdout)
    assert (trace["name"], trace["status"], trace["input_tokens"]) == ("Shop", "ok", 7)
    assert "gpt-5" in flightlog("show", "last", "--store", store).stdout


def test_single_is_no_store(flightlog, tmp_path):
    """Who takes one exported file for a store is told how to import it; that works."""
    file, store = str(tmp_path / "one file.duckdb"), str(tmp_path / "new.duckdb")
    flightlog("export", "--single", file)

    for command in (["list"], ["show", "last"], ["sql", "SELECT 1"]):
        done = flightlog(*command, "--store", file)
        assert done.returncode == 1
        assert f"flightlog import '{file}' --store" in done.stderr
    assert flightlog("import", file, "--store", store).returncode == 0
    assert "refund" in flightlog("list", "--store", store).stdout
