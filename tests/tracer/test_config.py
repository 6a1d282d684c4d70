import sys
import tempfile
from pathlib import Path

import pytest

from tracer.config import Settings, bare_environ, child_environ, settings, usable_settings
from tracer.errors import ConfigError


def test_defaults(tmp_path: Path):
    """An empty environment gives the defaults."""
    made = Settings.from_env({"FLIGHTLOG_HOME": str(tmp_path)})

    assert made.home == tmp_path
    assert made.store == tmp_path / "traces.duckdb"
    assert made.state == tmp_path / ".local/state/flightlog"
    assert made.exporters == ("duckdb",)
    assert not made.disabled
    assert made.sync == "batch"
    assert made.include_sensitive_data
    assert made.log_model_data
    assert made.log_tool_data
    assert made.default_model is None
    assert made.openai_api_key is None


def test_all(tmp_path: Path):
    """Every variable is read."""
    made = Settings.from_env(
        {
            "FLIGHTLOG_HOME": str(tmp_path),
            "FLIGHTLOG_STORE": str(tmp_path / "other.duckdb"),
            "FLIGHTLOG_EXPORTERS": " duckdb, otlp,,duckdb ",
            "FLIGHTLOG_DISABLED": "on",
            "FLIGHTLOG_SYNC": " Write ",
            "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA": "false",
            "OPENAI_AGENTS_DONT_LOG_MODEL_DATA": "1",
            "OPENAI_AGENTS_DONT_LOG_TOOL_DATA": "1",
            "OPENAI_DEFAULT_MODEL": "gpt-5",
            "OPENAI_API_KEY": "sk",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
    )

    assert made == Settings(
        home=tmp_path,
        store=tmp_path / "other.duckdb",
        exporters=("duckdb", "otlp"),
        disabled=True,
        sync="write",
        include_sensitive_data=False,
        log_model_data=False,
        log_tool_data=False,
        state=tmp_path / "state/flightlog",
        default_model="gpt-5",
        openai_api_key="sk",
    )


def test_key_is_no_exporter():
    """An API key alone never makes traces leave the machine."""
    assert Settings.from_env({"OPENAI_API_KEY": "sk"}).exporters == ("duckdb",)


def test_fresh(monkeypatch: pytest.MonkeyPatch):
    """Settings follow the environment as it is now."""
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "1")
    assert settings().disabled
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "0")
    assert not settings().disabled


@pytest.mark.parametrize(
    ("name", "value"),
    [("FLIGHTLOG_DISABLED", "perhaps"), ("FLIGHTLOG_SYNC", "x"), ("FLIGHTLOG_HOME", "~nobody_x/a")],
)
def test_mistakes(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    """A value that cannot be followed is refused with its name and with what to do."""
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=f"{name} is '{value}'") as caught:
        settings()
    assert caught.value.variable == name


def test_usable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """For those who must go on, each mistake costs its own variable only, and one log line."""
    monkeypatch.setenv("FLIGHTLOG_SYNC", "x")
    monkeypatch.setenv("FLIGHTLOG_DISABLED", "y")
    monkeypatch.setenv("FLIGHTLOG_EXPORTERS", "otlp")
    made = usable_settings()

    assert usable_settings() == made
    assert (made.home, made.exporters) == (tmp_path, ("otlp",))
    assert (made.sync, made.disabled) == ("batch", False)
    said = sorted(record.getMessage().partition(" ")[0] for record in caplog.records)
    assert said == ["FLIGHTLOG_DISABLED", "FLIGHTLOG_SYNC"]


def test_private(monkeypatch: pytest.MonkeyPatch):
    """A mistake in a variable that keeps data private does not let the data out."""
    for name in (
        "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA",
        "OPENAI_AGENTS_DONT_LOG_MODEL_DATA",
        "OPENAI_AGENTS_DONT_LOG_TOOL_DATA",
    ):
        monkeypatch.setenv(name, "flase")
    made = usable_settings()

    assert not made.include_sensitive_data
    assert not made.log_model_data
    assert not made.log_tool_data


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, ".local/share/flightlog"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/flightlog"),
        ("darwin", {}, "Library/Application Support/flightlog"),
        ("win32", {}, "AppData/Local/flightlog"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/flightlog"),
    ],
)
def test_home(monkeypatch, tmp_path: Path, platform: str, environ: dict[str, str], expected: str):
    """User data is where the platform keeps it."""
    monkeypatch.setattr(sys, "platform", platform)

    assert Settings.from_env(environ).home == tmp_path / expected


def test_homeless(monkeypatch: pytest.MonkeyPatch):
    """Where there is no home folder at all, user data is where temporary files are."""

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setattr(sys, "platform", "linux")

    made = Settings.from_env({})

    assert made.home == Path(tempfile.gettempdir()) / ".local/share/flightlog"
    assert made.state == Path(tempfile.gettempdir()) / ".local/state/flightlog"


def test_bare(monkeypatch: pytest.MonkeyPatch):
    """A bare environment has what a process needs to run, and no keys."""
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("SOME_API_KEY", "sk-1")
    monkeypatch.setenv("FLIGHTLOG_PASSWORD", "sk-2")
    environ = bare_environ(ADDED="2")

    assert (environ["PATH"], environ["LC_ALL"], environ["ADDED"]) == ("/bin", "C", "2")
    assert "sk-1" not in environ.values()
    assert "sk-2" not in environ.values()


def test_child(monkeypatch: pytest.MonkeyPatch):
    """A child's environment is ours with changes."""
    monkeypatch.setenv("KEPT", "1")
    environ = child_environ(ADDED="2")

    assert (environ["KEPT"], environ["ADDED"]) == ("1", "2")
