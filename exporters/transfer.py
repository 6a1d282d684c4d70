"""Taking traces along from Python: `export_traces` and `import_traces`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.transfer.exporting import Exported, Format, export_file, format_of
from exporters.duckdb.transfer.importing import Imported, import_files
from exporters.store import StoreError, TraceQuery, TraceStore
from tracer.config import settings

__all__ = ["Exported", "Imported", "export_traces", "ids_of", "import_traces"]

_PAGE = 1000

Place = str | os.PathLike[str]


def export_traces(
    path: Place,
    *,
    traces: Iterable[str] | TraceQuery | None = None,
    format: Format | None = None,
    store: Place | None = None,
    force: bool = False,
) -> Exported:
    """Write traces to a file that stands alone; it takes its name when it is whole.

    Args:
        path: The file; it must not be there.
        traces: Ids of traces, or a query that finds them, whose limit does not count; by default
            everything.
        format: `jsonl`, `parquet`, `otlp` or `duckdb`; by default what the file's name says.
        store: The path of the store; by default the one that is recorded to.
        force: Replace the file if it is there.

    Raises:
        StoreError: If the store cannot be read, no trace is meant, the format is not known, or the
            file is there or cannot be written.
    """
    target, source = Path(path).expanduser(), _store(store)
    chosen = format or format_of(target)
    if chosen is None:
        raise StoreError(
            f"{str(path)!r} does not say its format. It is told by .jsonl, .parquet, .json (OTLP) "
            f"or .duckdb at the end. Name the file so, or pass format=."
        )
    if isinstance(traces, str):
        traces = [traces]
    if isinstance(traces, TraceQuery):
        opened = DuckDBStore(source)
        try:
            traces = list(ids_of(opened, traces))
        finally:
            opened.close()
    ids = None if traces is None else list(traces)
    if ids is not None and not ids:
        raise StoreError(
            f"No trace of {str(source)!r} matches, so nothing was exported. An export takes ids or "
            f"a query of some trace. See what there is: flightlog list"
        )
    return export_file(source, target, chosen, trace_ids=ids, force=force)


def import_traces(
    files: Place | Sequence[Place], *, store: Place | None = None, skip_bad: bool = False
) -> Imported:
    """Put the traces of files into a store, which is made if need be; what it has stays as it is.

    Args:
        files: Files that `export_traces` wrote, or OTLP in JSON of any tool.
        store: The path of the store; by default the one that is recorded to.
        skip_bad: Import the rest where something cannot be read; by default nothing is imported.

    Raises:
        StoreError: If a file or a record in it cannot be read, or the store cannot be written.
    """
    some = [files] if isinstance(files, str | os.PathLike) else files
    done = import_files(
        _store(store), [Path(file).expanduser() for file in some], skip_bad=skip_bad
    )
    if done.bad_count and not skip_bad:
        raise StoreError(
            f"Nothing was imported: {done.bad_count} cannot be read, the first is {done.bad[0]}. "
            f"Files are imported whole or not at all. Mend them, or pass skip_bad=True."
        )
    return done


def ids_of(store: TraceStore, query: TraceQuery) -> Iterator[str]:
    """Ids of all traces that match, newest first; the query's limit is how many are read at once.

    Raises:
        StoreError: If the store cannot be read.
    """
    query = replace(query, limit=_PAGE)
    while True:
        page = store.search(query)
        yield from (row.trace_id for row in page.traces)
        if page.next_cursor is None:
            return
        query = replace(query, cursor=page.next_cursor)


def _store(store: Place | None) -> Path:
    return settings().store if store is None else Path(store).expanduser()
