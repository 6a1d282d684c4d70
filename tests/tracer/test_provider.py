import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracer import (
    DefaultTraceProvider,
    Span,
    TraceProvider,
    TracingProcessor,
    add_trace_processor,
    custom_span,
    flush_traces,
    get_trace_provider,
    plugins,
    set_trace_processors,
    set_trace_provider,
    set_tracing_disabled,
    trace,
)
from tracer.errors import ConfigError
from tracer.testing import CountingIds, StepClock
from tracer.util import time_iso


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, heard) -> list[str]:
    """Names that the provider loaded; `duckdb` and `console` are known, the rest is not."""
    names: list[str] = []

    def load(name: str) -> TracingProcessor:
        names.append(name)
        if name == "broken":
            raise RuntimeError("a bug in the plug-in")
        if name not in ("duckdb", "console"):
            raise ConfigError(f"No exporter is called {name!r}.")
        return heard

    monkeypatch.setattr(plugins, "load", load)
    return names


def test_lazy(loaded: list[str], heard):
    """Exporters are loaded with the first trace, once, and not before."""
    get_trace_provider()
    assert loaded == []
    with trace("t"), custom_span("s"):
        pass
    with trace("u"):
        pass

    assert loaded == ["duckdb"]
    assert heard.words[0] == "trace start t"


def test_named(loaded: list[str], monkeypatch: pytest.MonkeyPatch):
    """Those are loaded that the environment names."""
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "console, duckdb,console")
    with trace("t"):
        pass

    assert loaded == ["console", "duckdb"]


def test_nothing_named(
    loaded: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """An empty list of exporters records nowhere, and says so once."""
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "")
    for name in ("t", "u"):
        with trace(name):
            pass

    assert loaded == []
    (line,) = caplog.messages
    assert line.startswith("FLIGHTLOG_EXPORTERS names no exporter.")


def test_unknown(loaded, heard, monkeypatch, caplog: pytest.LogCaptureFixture):
    """An unknown name is one line in the log, and the local store records instead."""
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "ducdb")
    with caplog.at_level(logging.ERROR, "flightlog.tracer"), trace("t"):
        pass

    assert loaded == ["ducdb", "duckdb"]
    assert heard.words == ["trace start t", "trace end t"]
    assert [record.getMessage() for record in caplog.records] == [
        "No exporter is called 'ducdb'.",
        "None of the exporters named can be loaded; recording to the local store.",
    ]


def test_partly_unknown(loaded, heard, monkeypatch, caplog: pytest.LogCaptureFixture):
    """An unknown name does not keep the others from recording."""
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "ducdb,console")
    with trace("t"):
        pass

    assert loaded == ["ducdb", "console"]
    assert heard.words == ["trace start t", "trace end t"]
    assert len(caplog.records) == 1


def test_broken(loaded, monkeypatch, caplog: pytest.LogCaptureFixture):
    """An exporter that cannot be loaded is logged with its traceback, and the run goes on."""
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "duckdb,broken")
    with trace("t"):
        pass

    assert "The exporter 'broken' cannot be loaded" in caplog.text
    assert "a bug in the plug-in" in caplog.text


@pytest.mark.parametrize("name", ["FLIGHTLOG_DISABLED", "OPENAI_AGENTS_DISABLE_TRACING"])
@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_disabled(loaded, heard, monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    """Disabled by the environment, nothing is loaded and nothing is recorded."""
    monkeypatch.setenv(name, value)
    with trace("t") as t, custom_span("s") as span:
        assert t.export() is None
        assert span.export() is None

    assert loaded == []
    assert heard.words == []


def test_enabled_by_code(loaded, heard, monkeypatch: pytest.MonkeyPatch):
    """What the code says wins over the environment."""
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "1")
    set_tracing_disabled(False)
    with trace("t"):
        pass

    assert heard.words == ["trace start t", "trace end t"]


def test_mistaken_environment(loaded, monkeypatch, caplog: pytest.LogCaptureFixture):
    """A mistake in one variable is one line in the log, and voids no other variable."""
    monkeypatch.setenv("FLIGHTLOG_SYNC", "sometimes")
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "console")
    with trace("t"):
        pass

    assert loaded == ["console"]
    assert len(caplog.records) == 1
    assert "FLIGHTLOG_SYNC is 'sometimes'" in caplog.text


def test_mistaken_and_disabled(loaded, heard, monkeypatch: pytest.MonkeyPatch):
    """Disabled stays disabled whatever else is wrong."""
    monkeypatch.setenv("FLIGHTLOG_SYNC", "sometimes")
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "1")
    with trace("t"):
        pass

    assert heard.words == []


def test_add(loaded, heard):
    """A processor that is added hears besides those of the settings."""
    other = type(heard)()
    add_trace_processor(other)
    with trace("t"):
        pass

    assert loaded == ["duckdb"]
    assert heard.words == other.words == ["trace start t", "trace end t"]


def test_set(loaded, heard):
    """Processors that are set replace those of the settings, which are not even loaded."""
    other = type(heard)()
    set_trace_processors([other])
    with trace("t"):
        set_trace_processors([])

    assert loaded == []
    assert other.words == ["trace start t"]
    assert heard.words == []


def test_flush(heard):
    """A flush and a shutdown reach every processor, and a span after that is recorded."""
    set_trace_processors([heard])
    flush_traces()
    get_trace_provider().shutdown()
    get_trace_provider().shutdown()
    with trace("t"):
        pass

    assert heard.words == ["force_flush", "shutdown", "shutdown", "trace start t", "trace end t"]


def test_clock_and_ids(heard):
    """Times and ids come from where the provider is told to take them."""
    set_trace_provider(DefaultTraceProvider([heard], clock=StepClock(), ids=CountingIds()))
    with trace("t") as t, custom_span("s") as span:
        pass

    assert t.trace_id == "trace_" + "1".zfill(32)
    assert span.span_id == "span_" + "2".zfill(24)
    assert span.started_at == "2023-11-14T22:13:20.002000+00:00"
    assert span.ended_at == "2023-11-14T22:13:20.003000+00:00"
    assert time_iso() == "2023-11-14T22:13:20.005000+00:00"


def test_own_provider():
    """A provider of the program's own takes the place of ours."""

    class Own(DefaultTraceProvider):
        def create_trace(self, name: str, *args: Any, **kwargs: Any) -> Any:
            return super().create_trace(name.upper(), *args, **kwargs)

    own = Own([])
    set_trace_provider(own)

    assert get_trace_provider() is own
    assert trace("t").name == "T"
    assert issubclass(Own, TraceProvider)


def test_foreign_parent(heard):
    """A parent that another tracer made gives its ids."""

    class Foreign(Span[Any]):
        trace_id = "trace_theirs"
        span_id = "span_theirs"
        span_data = parent_id = error = started_at = ended_at = None  # type: ignore[assignment]

        def start(self, mark_as_current: bool = False) -> None: ...
        def finish(self, reset_current: bool = False) -> None: ...
        def set_error(self, error: Any) -> None: ...
        def export(self) -> None: ...

    set_trace_processors([heard])
    with custom_span("s", parent=Foreign()) as span:
        assert get_trace_provider().get_current_trace() is None

    assert (span.trace_id, span.parent_id) == ("trace_theirs", "span_theirs")
    assert heard.words == ["span start s", "span end s"]


def test_import(python: Callable[..., Any], tmp_path: Path):
    """Importing starts no thread, opens no file of ours and no socket, and loads no exporter."""
    done = python("""
        import sys, threading
        opened, ready = [], False
        def hook(event, args):
            if not ready:
                return
            if event == "open" and isinstance(args[0], str) and not args[0].startswith(sys.prefix):
                if not args[0].endswith((".py", ".pyc", ".so", ".pth")):
                    opened.append(args)
            if event.startswith("socket.") and event != "socket.gethostname":
                opened.append((event, args))
        sys.addaudithook(hook)
        import asyncio
        ready = True
        import tracer
        import tracer.testing
        tracer.trace("t", disabled=True)
        tracer.get_current_span()
        tracer.flush_traces()
        print(opened, threading.active_count(), [m for m in sys.modules if m in
              ("duckdb", "exporters", "openai", "pydantic", "pyarrow", "fastapi", "opentelemetry")])
    """)

    assert done.stdout == "[] 1 []\n"
    assert list(tmp_path.iterdir()) == []


def test_fork(python: Callable[..., Any]):
    """A child forked while another thread is loading exporters can record."""
    python("""
        import os, threading, tracer
        from tracer.provider import DefaultTraceProvider
        provider = DefaultTraceProvider([])
        held, done = threading.Event(), threading.Event()
        def hold():
            with provider._lock, provider._fanout._lock:
                held.set()
                done.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            provider.set_processors([])
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        done.set()
        thread.join()
    """)
