"""Exporters that cannot be loaded at first: counted, and tried again."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tracer import TracingProcessor, absent, custom_span, plugins, trace
from tracer.absent import NOT_LOADED, Absent
from tracer.errors import ConfigError
from tracer.losses import Loss, losses


class Failing:
    """In the place of `plugins.load`: raises, until it is told what to give."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tries = 0
        self.processor: TracingProcessor | None = None

    def __call__(self, name: str) -> TracingProcessor:
        self.tries += 1
        if self.processor is None:
            raise self.error
        return self.processor


def test_again(heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """A later trace loads what could not be loaded, and what was missed until then is counted."""
    load = Failing(OSError(24, "Too many open files"))
    monkeypatch.setattr(plugins, "load", load)
    monkeypatch.setattr(absent, "_FIRST_SECONDS", 0.0)
    with trace("missed") as missed, custom_span("missed"):
        load.processor = heard
    with caplog.at_level(logging.WARNING, "flightlog.tracer"), trace("heard"):
        pass

    assert heard.words == ["trace start heard", "trace end heard"]
    assert losses.totals() == {Loss("duckdb", NOT_LOADED, missed.trace_id): 2}
    assert caplog.messages[1:] == ["The exporter 'duckdb' is loaded now; traces reach it again."]


def test_seldom(monkeypatch: pytest.MonkeyPatch):
    """What stays broken is not tried with every trace."""
    load = Failing(RuntimeError("a bug in the plug-in"))
    monkeypatch.setattr(plugins, "load", load)
    monkeypatch.setattr(absent, "_FIRST_SECONDS", 3600.0)
    for _ in range(10):
        with trace("t"):
            pass

    assert load.tries == 1


def test_rarer():
    """Each try is put off twice as long as the one before, up to five minutes."""
    now = 0.0
    one = Absent("x", lambda: now)
    tries = []
    for second in range(2000):
        now = float(second)
        if one.is_due():
            tries.append(second)

    assert tries[:4] == [2, 6, 14, 30]
    assert tries[-1] - tries[-2] == 300


def test_wrong_setting(monkeypatch: pytest.MonkeyPatch):
    """A name that is wrong is neither tried again nor counted: the setting has to change."""
    load = Failing(ConfigError("No exporter is called so."))
    monkeypatch.setattr(plugins, "load", load)
    monkeypatch.setattr(absent, "_FIRST_SECONDS", 0.0)
    for _ in range(3):
        with trace("t"):
            pass

    assert load.tries == 1
    assert losses.totals() == {}


PROGRAM = """
import contextlib, os, resource, sys
from tracer import absent, trace
from tracer.losses import losses
absent._FIRST_SECONDS = 0.0
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
taken = []
with contextlib.suppress(OSError):
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
with trace("missed"):
    pass
for descriptor in taken:
    os.close(descriptor)
with trace("recorded"):
    pass
"""


def test_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program without a descriptor left at its first trace records as soon as it has one."""
    monkeypatch.setenv("FLIGHTLOG_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )

    assert "'duckdb' is loaded now" in done.stderr
    written = "".join(
        path.read_text() for path in (tmp_path / "traces.duckdb.d" / "hot").glob("*.ndjson")
    )
    assert '"name":"recorded"' in written
    assert f'"reason":"{NOT_LOADED}"' in written
