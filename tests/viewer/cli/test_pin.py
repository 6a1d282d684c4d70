"""`flightlog pin`: pins are set, listed and taken out."""

import json
import shutil

import pytest

from exporters.duckdb.layout import Layout
from exporters.duckdb.limits.pins import pin


@pytest.fixture
def on(flightlog, recorded, tmp_path):
    """Runs a command on a copy of the recorded store."""
    path = tmp_path / "own" / "traces.duckdb"
    shutil.copytree(f"{recorded.store}.d", f"{path}.d")

    def run(command, *words):
        return flightlog(command, "--store", str(path), *words)

    return run


def test_pin(on):
    """A pin is set once, is listed with its trace, and can be taken out."""
    assert "No trace is pinned" in on("pin").stderr
    done = on("pin", "last")
    assert (done.returncode, done.stdout.split()[0]) == (0, "Pinned:")
    trace_id = done.stdout.split()[1]
    assert on("pin", trace_id[-8:]).stdout == f"Already pinned: {trace_id}\n"

    listed = on("pin").stdout
    assert listed.splitlines()[0].split() == ["TRACE", "NAME", "STARTED"]
    assert trace_id in listed
    assert "refund" in listed
    assert "\x1b" not in listed

    assert on("pin", "last", "--remove").stdout == f"No longer pinned: {trace_id}\n"
    again = on("pin", "last", "--remove")
    assert again.returncode == 1
    assert "is not pinned" in again.stderr


def test_outlived(on, tmp_path):
    """A pin whose trace is gone is listed, and can still be taken out."""
    trace_id = on("pin", "last").stdout.split()[1]
    assert on("purge", "--trace", trace_id, "--pinned-too", "-y").returncode == 0
    assert "No trace is pinned" in on("pin").stderr
    pin(Layout.of(tmp_path / "own" / "traces.duckdb"), trace_id)

    assert "(not in the store)" in on("pin").stdout
    assert on("pin", trace_id, "--remove").returncode == 0


def test_unknown(on):
    """A trace that is not there is not pinned."""
    done = on("pin", "nope")

    assert (done.returncode, done.stdout) == (1, "")
    assert on("pin", "--remove").returncode == 2
    assert json.loads(on("list", "--json").stdout)
