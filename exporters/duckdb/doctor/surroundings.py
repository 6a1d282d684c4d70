"""What the environment says, and where else traces may have gone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from exporters.duckdb import fallback_store
from exporters.duckdb.doctor.content import holders_of
from exporters.duckdb.doctor.facts import Place, Settings, WrongSetting
from exporters.duckdb.layout import Layout
from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.views import prices
from exporters.store import StoreError, TraceQuery
from tracer import config, plugins
from tracer.errors import ConfigError

_SWITCHES = ("FLIGHTLOG_DISABLED", "OPENAI_AGENTS_DISABLE_TRACING")
_MOST_PLACES = 12


def usable(environ: Mapping[str, str]) -> tuple[config.Settings, tuple[WrongSetting, ...]]:
    """The settings with what cannot be followed taken as unset, and what that is."""
    left = dict(environ)
    wrong: list[WrongSetting] = []
    while True:
        try:
            return config.Settings.from_env(left), tuple(wrong)
        except ConfigError as error:
            name = error.variable or ""
            value = left.pop(name)
            rule = str(error).removeprefix(f"{name} is {value!r}").lstrip(".,").strip()
            wrong.append(WrongSetting(name=name, value=value, rule=rule))


def settings_facts(environ: Mapping[str, str]) -> Settings:
    """What the environment says about recording."""
    found, wrong = usable(environ)
    known = tuple(sorted(point.name for point in entry_points(group=plugins.GROUP)))
    broken = [(name, why) for name in found.exporters if name in known and (why := _broken(name))]
    return Settings(
        wrong=wrong,
        disabled_by=tuple((name, environ[name]) for name in _SWITCHES if _is_on(environ, name)),
        exporters=found.exporters,
        named="FLIGHTLOG_EXPORTERS" in environ,
        known=known,
        broken=tuple(broken),
        prices=_price_problem(found),
        max_age_s=found.max_age,
        max_disk=found.max_disk,
    )


def chosen(environ: Mapping[str, str], named: str | None) -> tuple[Path, str]:
    """The store that is meant, and what names it."""
    if named:
        return Path(named).expanduser(), "--store"
    found, _ = usable(environ)
    for name in ("FLIGHTLOG_STORE", "FLIGHTLOG_HOME"):
        if environ.get(name):
            return found.store, f"{name}={environ[name]}"
    return found.store, "the default"


def places(environ: Mapping[str, str], store: Path, wanted: str | None) -> tuple[Place, ...]:
    """Other stores that there are, those known by the settings first."""
    ours = Layout.of(store)
    seen = {_real(ours.root)}
    found = []
    for path, why, kind in _candidates(environ, ours):
        layout = Layout.of(path)
        try:
            if _real(layout.root) in seen or not layout.exists:
                continue
        except OSError:
            continue
        seen.add(_real(layout.root))
        place = Place(
            store=layout.catalog, why=why, fallback=kind == "fallback", beside=kind == "beside"
        )
        found.append(_looked_into(place, wanted))
        if len(found) == _MOST_PLACES:
            break
    return tuple(found)


def _candidates(
    environ: Mapping[str, str], ours: Layout
) -> Iterator[tuple[Path, str, Literal["fallback", "setting", "beside"]]]:
    found, _ = usable(environ)
    if found.state is not None:
        yield fallback_store(found.state, ours.catalog), "recording goes on there", "fallback"
    named = [name for name in ("FLIGHTLOG_STORE", "FLIGHTLOG_HOME") if environ.get(name)]
    yield found.store, f"{named[0]} names it" if named else "it is the default", "setting"
    for dropped, why in (
        (("FLIGHTLOG_STORE",), "it is in FLIGHTLOG_HOME"),
        (("FLIGHTLOG_STORE", "FLIGHTLOG_HOME"), "it is the default of programs without a setting"),
        (
            ("FLIGHTLOG_STORE", "FLIGHTLOG_HOME", "XDG_DATA_HOME"),
            "it is the default of programs without XDG_DATA_HOME",
        ),
    ):
        left = {name: value for name, value in environ.items() if name not in dropped}
        yield usable(left)[0].store, why, "setting"
    with contextlib.suppress(OSError):  # a working directory that was deleted
        here = Path.cwd()
        yield here / "traces.duckdb", "it is in the working directory", "beside"
        for path in _stores_in(here):
            yield path, "it is in the working directory", "beside"
    for path in _stores_in(ours.catalog.parent):
        yield path, "it is in the same folder", "beside"


def _stores_in(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".d"))
    except OSError:
        return []
    return [
        folder / name.removesuffix(".d") for name in names if os.path.isdir(folder / name / "hot")
    ]


def _looked_into(place: Place, wanted: str | None) -> Place:
    """A place with what is in its store."""
    has = False
    try:
        with contextlib.closing(DuckDBStore(place.store)) as opened:
            traces = opened.info().trace_count
            last = opened.search(TraceQuery(limit=1)).traces
            newest = last[0].start_ns if last else None
            if wanted not in (None, "", "last"):
                has = _holds(opened, wanted or "")
    except Exception:  # noqa: BLE001 (another store's trouble is not what was asked about)
        return replace(place, traces=None)
    return replace(place, traces=traces, newest_ns=newest, has_wanted=has)


def _holds(store: DuckDBStore, wanted: str) -> bool:
    """Whether a store has the trace of an id, or of a span's id."""
    with contextlib.suppress(StoreError):
        return bool(store.get(wanted))
    # Asking SQL takes a while, and there may be many stores: only of what can be a span's id.
    return wanted.startswith("span_") and bool(holders_of(store, wanted))


def _price_problem(found: config.Settings) -> str:
    path = prices.user_file(found)
    try:
        if path is not None:
            prices.read(path)
    except prices.PriceError as error:
        return str(error)
    return ""


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return name in environ and usable({"HOME": "/", name: environ[name]})[0].disabled


def _broken(name: str) -> str:
    """Why what is offered under a name cannot be imported; empty where it can."""
    try:
        plugins.find(name).load()
    except Exception as error:  # noqa: BLE001 (a plug-in may raise what it likes)
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return ""


def _real(path: Path) -> str:
    return os.path.realpath(path)
