import logging
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tracer import (
    BatchTraceProcessor,
    ConfigError,
    MissingExtra,
    custom_span,
    plugins,
)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The entry points there are, from names to objects; those of this module to begin with."""
    points: dict[str, str] = {}

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "flightlog.exporters"
        return [EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    return points


@pytest.fixture
def module(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a third party."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write


EXPORTERS = """
from tracer import TracingExporter, TracingProcessor
class Mine(TracingExporter):
    def export(self, items): pass
class Quick(TracingProcessor):
    def on_span_start(self, span): pass
    def on_span_end(self, span): pass
def neither():
    return 42
"""


def test_exporter(offered, module):
    """An exporter is put behind a queue; a processor is taken as it is."""
    module("third_party_a", EXPORTERS)
    offered.update(mine="third_party_a:Mine", quick="third_party_a:Quick")

    mine = plugins.load("mine")
    assert isinstance(mine, BatchTraceProcessor)
    assert mine.name == "mine"
    assert type(plugins.load("quick")).__name__ == "Quick"


def test_unknown(offered):
    """An unknown name is refused with those that are known."""
    offered.update(otlp="x:y", duckdb="x:z")

    with pytest.raises(ConfigError, match=r"'ducdb'. Known: duckdb, otlp. Correct FLIGHTLOG_EXPOR"):
        plugins.load("ducdb")


def test_none_known(offered):
    """Where there are none, not even ours, that is no fault of the name."""
    with pytest.raises(plugins.NoneFoundError, match="No exporter can be found, so not 'x' either"):
        plugins.load("x")


def test_neither(offered, module):
    """What is neither processor nor exporter is refused."""
    module("third_party_b", EXPORTERS)
    offered["neither"] = "third_party_b:neither"

    with pytest.raises(ConfigError, match="'neither' gave a int"):
        plugins.load("neither")


def test_missing_package(offered, module):
    """A package that is missing is named, with the command that installs it."""
    module("third_party_c", "import no_such_package.inner")
    offered["cloud"] = "third_party_c:x"

    with pytest.raises(MissingExtra, match=r"'no_such_package'.*pip install 'flightlog\[cloud\]'"):
        plugins.load("cloud")


def test_broken(offered, module):
    """A mistake inside the plug-in stays what it is."""
    module("third_party_d", "1 / 0")
    offered.update(broken="third_party_d:x", gone="third_party_nowhere:x")

    with pytest.raises(ZeroDivisionError):
        plugins.load("broken")
    with pytest.raises(ModuleNotFoundError, match="third_party_nowhere"):
        plugins.load("gone")


def test_third_party(offered, module, monkeypatch, caplog: pytest.LogCaptureFixture):
    """A third party's exporter is reached by its name alone."""
    module(
        "third_party_e",
        EXPORTERS.replace(
            "def export(self, items): pass", "def export(self, items): raise OSError"
        ),
    )
    offered["mine"] = "third_party_e:Mine"
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "mine")
    with caplog.at_level(logging.WARNING, "flightlog.tracer"), custom_span("s") as span:
        assert span.export() is not None


def test_registered():
    """The local store is registered under the name that is the default."""
    known: dict[str, Any] = {
        point.name: point.value for point in plugins.entry_points(group=plugins.GROUP)
    }

    assert known["duckdb"] == "exporters.duckdb:recorder"
