"""Settings: the only module of flightlog that reads the environment."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tracer.errors import ConfigError
from tracer.losses import losses

Sync = Literal["batch", "write", "off"]
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
# A mistake in what keeps data private must not let it out: these are not taken as unset.
_PRIVATE = {
    "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA": "0",
    "OPENAI_AGENTS_DONT_LOG_MODEL_DATA": "1",
    "OPENAI_AGENTS_DONT_LOG_TOOL_DATA": "1",
}

_BARE = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
     "SYSTEMROOT", "LOCALAPPDATA", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME",
     "PYTHONPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE",
     "PYTHONPYCACHEPREFIX", "FLIGHTLOG_HOME", "FLIGHTLOG_PRICES"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set from outside; the README has the table.

    Attributes:
        home: Folder of user data (`FLIGHTLOG_HOME`).
        store: The catalog file of the local store (`FLIGHTLOG_STORE`).
        exporters: Names of exporters that traces go to (`FLIGHTLOG_EXPORTERS`).
        disabled: Record nothing (`FLIGHTLOG_DISABLED`, `OPENAI_AGENTS_DISABLE_TRACING`).
        sync: When the store's files are synced to disk (`FLIGHTLOG_SYNC`).
        include_sensitive_data: Whether runs record inputs and outputs unless told otherwise
            (`OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA`).
        log_model_data: Whether debug logs may hold model data
            (unless `OPENAI_AGENTS_DONT_LOG_MODEL_DATA`).
        log_tool_data: Whether debug logs may hold tool data
            (unless `OPENAI_AGENTS_DONT_LOG_TOOL_DATA`).
        max_disk: Bytes that the store may take (`FLIGHTLOG_MAX_DISK`); None for no limit.
        max_age: Seconds that traces are kept (`FLIGHTLOG_MAX_AGE`); None for ever.
        prices: A file with prices of models that go before ours (`FLIGHTLOG_PRICES`).
        state: Folder of state data (within `XDG_STATE_HOME`), where recording goes on when the
            store cannot be written.
        default_model: The model of agents that name none (`OPENAI_DEFAULT_MODEL`).
        openai_api_key: The key of the model client, if there is one (`OPENAI_API_KEY`). It never
            makes a trace leave the machine.
    """

    home: Path
    store: Path
    exporters: tuple[str, ...] = ("duckdb",)
    disabled: bool = False
    sync: Sync = "batch"
    include_sensitive_data: bool = True
    log_model_data: bool = True
    log_tool_data: bool = True
    max_disk: int | None = None
    max_age: float | None = None
    prices: Path | None = None
    state: Path | None = None
    default_model: str | None = None
    openai_api_key: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Settings as an environment has them.

        Raises:
            ConfigError: If a variable has a value that is none of those allowed.
        """
        folder = environ.get("FLIGHTLOG_HOME")
        home = _path("FLIGHTLOG_HOME", folder) if folder else _user_data_folder(environ)
        store = environ.get("FLIGHTLOG_STORE")
        prices = environ.get("FLIGHTLOG_PRICES")
        return cls(
            home=home,
            store=_path("FLIGHTLOG_STORE", store) if store else home / "traces.duckdb",
            exporters=_names(environ.get("FLIGHTLOG_EXPORTERS", "duckdb")),
            disabled=_flag(environ, "FLIGHTLOG_DISABLED")
            or _flag(environ, "OPENAI_AGENTS_DISABLE_TRACING"),
            sync=_sync(environ.get("FLIGHTLOG_SYNC", "batch")),
            include_sensitive_data=_flag(
                environ, "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA", default=True
            ),
            log_model_data=not _flag(environ, "OPENAI_AGENTS_DONT_LOG_MODEL_DATA"),
            log_tool_data=not _flag(environ, "OPENAI_AGENTS_DONT_LOG_TOOL_DATA"),
            max_disk=_size("FLIGHTLOG_MAX_DISK", environ.get("FLIGHTLOG_MAX_DISK", "")),
            max_age=_duration("FLIGHTLOG_MAX_AGE", environ.get("FLIGHTLOG_MAX_AGE", "")),
            prices=_path("FLIGHTLOG_PRICES", prices) if prices else None,
            state=_user_state_folder(environ),
            default_model=environ.get("OPENAI_DEFAULT_MODEL") or None,
            openai_api_key=environ.get("OPENAI_API_KEY") or None,
        )


def settings() -> Settings:
    """The settings as the environment has them now.

    Raises:
        ConfigError: If a variable has a value that is none of those allowed.
    """
    return Settings.from_env(os.environ)


def usable_settings() -> Settings:
    """The settings for whoever must go on: recording and running agents never fail over them.

    A variable that cannot be followed is taken as unset, or as what keeps data private, and the
    mistake is logged. One mistake in the environment does not void the rest of it.
    """
    environ = dict(os.environ)
    while True:
        try:
            return Settings.from_env(environ)
        except ConfigError as error:
            name = error.variable or ""
            instead = _PRIVATE.get(name)
            if instead is None:
                del environ[name]
            else:
                environ[name] = instead
            taken = "unset" if instead is None else repr(instead)
            losses.warn(f"setting {name}", f"{error} Until then it is taken as {taken}.")


def child_environ(**changes: str) -> dict[str, str]:
    """A copy of the environment for a child process, with changes."""
    return {**os.environ, **changes}


def bare_environ(**changes: str) -> dict[str, str]:
    """The little of the environment that a process needs which runs what users wrote.

    Keys, passwords and whatever else programs are told through it stay here.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _BARE or name.startswith(("LC_", "XDG_"))
    }
    return {**kept, **changes}


def _flag(environ: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    text = environ.get(name)
    if text is None:
        return default
    value = text.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ConfigError(
        f"{name} is {text!r}. It takes 1, true, yes or on, and 0, false, no or off. "
        f"Set it to one of them, or unset it.",
        variable=name,
    )


def _sync(text: str) -> Sync:
    value = text.strip().lower()
    if value in ("batch", "write", "off"):
        return cast(Sync, value)
    raise ConfigError(
        f"FLIGHTLOG_SYNC is {text!r}. It takes batch (sync twice a second), write (sync every "
        f"record) or off. Set it to one of them, or unset it.",
        variable="FLIGHTLOG_SYNC",
    )


def parse_size(text: str) -> int | None:
    """Bytes, of a text such as `500MB`, `2 GiB` or `1000000`; None where it is no size."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if match is None:
        return None
    power = " kmgt".index(match[2] or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def parse_duration(text: str) -> float | None:
    """Seconds, of a text such as `30d`, `12 hours` or `90m`; None where it is no duration."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])[a-z]*", text.strip().lower())
    return None if match is None else float(match[1]) * _SECONDS[match[2]]


def _size(name: str, text: str) -> int | None:
    if not text.strip():
        return None
    size = parse_size(text)
    if not size:
        raise ConfigError(
            f"{name} is {text!r}. It takes a size above zero, such as 500MB or 2GiB. "
            f"Set it to one, or unset it for no limit.",
            variable=name,
        )
    return size


def _duration(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    seconds = parse_duration(text)
    if not seconds:
        raise ConfigError(
            f"{name} is {text!r}. It takes a time above zero, such as 12h, 30d or 8w. "
            f"Set it to one, or unset it to keep traces for ever.",
            variable=name,
        )
    return seconds


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _user_state_folder(environ: Mapping[str, str]) -> Path:
    if sys.platform in ("darwin", "win32"):
        return _user_data_folder(environ) / "state"
    return Path(environ.get("XDG_STATE_HOME") or _home_folder() / ".local/state") / "flightlog"


def _path(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{name} is {text!r}, and the home folder of that user is not known. It takes a path. "
            f"Write it out in full.",
            variable=name,
        ) from error


def _user_data_folder(environ: Mapping[str, str]) -> Path:
    home = _home_folder()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "flightlog"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData/Local") / "flightlog"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local/share") / "flightlog"


def _home_folder() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container whose user has no entry in passwd, and no HOME
        return Path(tempfile.gettempdir())
