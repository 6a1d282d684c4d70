"""Exporters by name, through the entry-point group `flightlog.exporters`.

An entry point names a callable without arguments that gives a `TracingProcessor`, or a
`TracingExporter`, which is then put behind a `BatchTraceProcessor`. Ours and those of third
parties come in by this one door, and none is imported before it is named.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, MetadataPathFinder, entry_points

from tracer.errors import ConfigError, MissingExtra
from tracer.processor_interface import TracingExporter, TracingProcessor
from tracer.processors import BatchTraceProcessor

GROUP = "flightlog.exporters"


class NoneFoundError(ConfigError):
    """No exporter at all can be found: no fault of the setting, and it may pass."""


def load(name: str) -> TracingProcessor:
    """The processor that an exporter's name stands for.

    Raises:
        ConfigError: If no installed package offers the name, or what it offers is no exporter.
        MissingExtra: If it needs a package that is not installed.
        NoneFoundError: If no exporter at all can be found, not even ours.
    """
    made = _loaded(find(name))()
    if isinstance(made, TracingExporter):
        processor = BatchTraceProcessor(made)
        processor.name = name
        return processor
    if isinstance(made, TracingProcessor):
        return made
    raise ConfigError(
        f"The exporter {name!r} gave a {type(made).__name__}. An entry point of {GROUP} gives a "
        f"TracingProcessor or a TracingExporter. Mend the package that registers it."
    )


def find(name: str) -> EntryPoint:
    """The entry point of an exporter's name; nothing is imported.

    Raises:
        ConfigError: If no installed package offers the name.
        NoneFoundError: If no exporter at all can be found, not even ours.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    point = known.get(name)
    if not known:
        MetadataPathFinder().invalidate_caches()  # what could not be listed is remembered as empty
        raise NoneFoundError(
            f"No exporter can be found, so not {name!r} either. They are looked up in the data of "
            f"installed packages, which cannot be read, or not now (no descriptor left?). "
            f"Install flightlog with pip, and see that its files can be opened."
        )
    if point is None:
        raise ConfigError(
            f"No exporter is called {name!r}. Known: {', '.join(sorted(known))}. "
            f"Correct FLIGHTLOG_EXPORTERS, or install the package that brings it."
        )
    return point


def _loaded(point: EntryPoint) -> Callable[[], object]:
    try:
        factory: Callable[[], object] = point.load()
        return factory
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == point.module.split(".")[0]:
            raise
        raise MissingExtra(
            f"The {point.name!r} exporter needs the package {error.name!r}, which is not "
            f"installed. Exporters bring their packages as extras. Install it with: "
            f"pip install 'flightlog[{point.name}]'"
        ) from error
