"""Bringing a store that is there to this version's schema and views.

    python -m exporters.duckdb.views.migration --store PATH

Run in a process of its own: it opens the catalog file, and closing that takes its lock from any
other connection of the same process. Steps, each of which may be the last one:

1. "copied"    FORMAT and the catalog are in `backup/schema-<old>/`
2. "sentinel"  the sentinel part has every column
3. "viewed"    the catalog has this version's views beside whatever its user keeps in it
4. "stamped"   `catalog.json` says so
5. "formatted" FORMAT says the new schema, by a rename

Where it was cut short it begins again the next time, and a step that was taken is taken again
without harm. Old views go on working over new parts, because columns are only ever added; so
where somebody has the catalog open nothing is changed, and it is tried again later.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from exporters.duckdb.layout import Layout, create, read_format, sync_file, sync_folder
from exporters.duckdb.parts import Steps, ensure_schema_part, nothing, quoted
from exporters.duckdb.schema import SCHEMA
from exporters.duckdb.views import catalog, prices
from exporters.duckdb.views.stamp import write_stamp
from exporters.store import StoreError
from tracer.losses import losses

_CREATE = re.compile(r"(?i)\s*create\s+(view|macro)\s+(\w+)")
_OF = re.compile(r"(?i)\s*comment\s+on\s+(?:view|column)\s+(\w+)")


def migrate(layout: Layout, *, steps: Steps = nothing) -> bool:
    """Bring the store up to date; says whether it is.

    Args:
        layout: The store.
        steps: Told of each step that has been taken.

    Raises:
        StoreError: If the store is of a newer format.
        OSError: If the store cannot be written.
        duckdb.Error: If the sentinel part cannot be written.
    """
    with _alone(layout) as alone:
        found = read_format(layout)
        if alone and found is not None and found.damaged:
            found = create(layout)
        if not alone or found is None or found.damaged:
            return False
        prices.write(layout, prices.current().tariffs)
        if os.path.lexists(layout.catalog) and catalog.is_current(layout):
            return True
        if found.schema < SCHEMA:
            _copy(layout, layout.backup / f"schema-{found.schema}")
            steps("copied")
        ensure_schema_part(layout)
        steps("sentinel")
        viewed = _view(layout)
        if viewed is None:
            return False
        steps("viewed")
        write_stamp(layout, tuple(catalog.statements(raw=True)), viewed)
        steps("stamped")
        if found.schema < SCHEMA:
            _format(layout)
            steps("formatted")
    return True


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[bool]:
    """Whether no other process migrates now. Not the store's lock: a compactor may have that."""
    fd = os.open(layout.parts, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        alone = True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:
            pass  # no locks here: two at once take the same steps
        yield alone
    finally:
        os.close(fd)


def _copy(layout: Layout, target: Path) -> None:
    """Copy what will be changed, all of it or nothing; a copy that is there is of before."""
    if target.exists():
        return
    draft = layout.tmp / f"backup-{secrets.token_hex(8)}"
    draft.mkdir()
    try:
        wal = layout.catalog.with_name(layout.catalog.name + ".wal")
        for path in (layout.format_file, layout.catalog, wal):
            if path.is_file():
                shutil.copy2(path, draft / path.name)
                sync_file(draft / path.name)
        sync_folder(draft)
        layout.backup.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            draft.rename(target)
        sync_folder(layout.backup)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _view(layout: Layout) -> os.stat_result | None:
    """Give the catalog our views; None where somebody has it open or it cannot be told."""
    if os.path.lexists(layout.catalog):
        try:
            _renew(layout)
        except duckdb.Error as error:
            if not isinstance(error, duckdb.IOException) or "not a valid DuckDB" not in str(error):
                return None
            if not _set_aside(layout):
                return None
            catalog.make(layout)
    else:
        catalog.make(layout)
    return os.stat(layout.catalog)


def _renew(layout: Layout) -> None:
    """Make our views anew inside the file. What its user made stays, tables of these names too."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    try:
        connection.execute("set enable_progress_bar = false")  # stdout is the user's
        connection.execute(f"attach {quoted(layout.catalog)} as catalog")
        connection.execute("use catalog")
        taken = {
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'catalog'"
            ).fetchall()
        }
        connection.execute("begin")
        for text in catalog.statements(raw=True, root=layout.root):
            for statement in connection.extract_statements(text):
                made = _CREATE.match(statement.query)
                about = made[2] if made else (_OF.match(statement.query) or ("", ""))[1]
                if about not in taken:
                    connection.execute(_CREATE.sub(r"create or replace \1 \2", statement.query, 1))
        connection.execute("commit")
        connection.execute("use memory")
        connection.execute("detach catalog")
    finally:
        connection.close()


def _set_aside(layout: Layout) -> bool:
    """Move a file that is no database out of the way, and what belonged to it."""
    name = f"{time.time_ns() // 1_000_000}-{layout.catalog.name}"
    layout.quarantine.mkdir(exist_ok=True)
    try:
        layout.catalog.rename(layout.quarantine / name)
        with contextlib.suppress(FileNotFoundError):
            wal = layout.catalog.with_name(f"{layout.catalog.name}.wal")
            wal.rename(layout.quarantine / f"{name}.wal")
    except OSError:
        return False
    losses.warn(
        f"catalog {layout.catalog}",
        f"{str(layout.catalog)!r} was no DuckDB file. The catalog of a store is one, with views "
        f"over the data beside it. It was moved to {str(layout.quarantine / name)!r} and made "
        f"anew; no recorded data was in it.",
    )
    return True


def _format(layout: Layout) -> None:
    """Write the new schema into FORMAT and leave all else that it says."""
    said = json.loads(layout.format_file.read_bytes())
    draft = layout.root / f"FORMAT.{secrets.token_hex(8)}.tmp"
    try:
        draft.write_text(json.dumps({**said, "schema": SCHEMA}, separators=(",", ":")) + "\n")
        sync_file(draft)
        os.replace(draft, layout.format_file)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(layout.root)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring a store up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.views.migration",
        description="Bring a store to the schema and the views of this version.",
        epilog="example: python -m exporters.duckdb.views.migration --store traces.duckdb",
    )
    parser.add_argument("--store", required=True, help="path of the catalog file")
    try:
        return 0 if migrate(Layout.of(parser.parse_args(arguments).store)) else 1
    except (StoreError, OSError, duckdb.Error) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
