"""The catalog file: views and macros over the data, and not one row of it.

It is built beside its place and published with a link, so that it appears whole, once, and never
over a file that is there. DuckDB lets one process write a file or several read it, and this one
belongs to whoever wants to look: flightlog opens it again only to bring its views up to date
(`migration`), in a process of its own, and not while somebody has it open.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from exporters.duckdb.layout import Layout, publish, read_format, sync_file
from exporters.duckdb.parts import ensure_schema_part, quoted
from exporters.duckdb.schema import LIST_SIZE, RECORD, SCHEMA
from exporters.duckdb.views import prices
from exporters.duckdb.views.stamp import read_stamp, write_stamp
from exporters.store import StoreError
from tracer.config import child_environ
from tracer.losses import losses
from tracer.version import __version__

STORAGE_VERSION = "v1.0.0"  # what DuckDB 1.0 and all since can open
VIEWS = Path(__file__).parent
_MARK = re.compile(r"/\*([a-z ]+)\*/")
_PATIENCE_S = 60.0


def ensure_catalog(layout: Layout) -> bool:
    """Make the catalog file unless there is one, and bring one that is there up to date.

    Cheap where there is nothing to do: it reads two small files. Safe in any process: a catalog
    that is there is not opened here, for closing it would take the lock from whoever has it open
    in this process.

    Returns:
        Whether it is there now. It is not where nothing was recorded yet, or where the folder
        cannot be written: reading works without it.
    """
    try:
        if read_format(layout) is None:
            return os.path.lexists(layout.catalog)
        prices.write(layout, prices.current().tariffs)
        if not os.path.lexists(layout.catalog):
            make(layout)
        elif not is_current(layout):
            _migrate_elsewhere(layout)
    except (OSError, StoreError, duckdb.Error):
        pass
    return os.path.lexists(layout.catalog)


def is_current(layout: Layout) -> bool:
    """Whether the catalog that is there has these views or newer ones, and the store this schema.

    Raises:
        OSError: If there is none.
        StoreError: If the store is of a newer format.
    """
    found = read_format(layout)
    if found is None or found.schema < SCHEMA:
        return False
    stamp = read_stamp(layout)
    return stamp is not None and stamp.holds(layout, tuple(_digested()))


def make(layout: Layout) -> None:
    """Make the catalog file; whoever is first makes it, and the others' is thrown away.

    Raises:
        OSError: If the store cannot be written.
        duckdb.Error: If the file cannot be written.
    """
    draft = layout.tmp / f"catalog-{secrets.token_hex(8)}.duckdb"
    try:
        ensure_schema_part(layout)
        _build(draft, layout)
        sync_file(draft)
        made = os.stat(draft)
        publish(draft, layout.catalog)
        if os.stat(layout.catalog).st_ino == made.st_ino:  # else somebody was first
            write_stamp(layout, tuple(_digested()), made)
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def statements(*, raw: bool, root: Path | None = None, lists: bool = False) -> Iterator[str]:
    """The texts that make the views, in order.

    Args:
        raw: Whether to read the store's folder by patterns, as the catalog does; else the reader
            makes `_hot`, `_open`, `_data`, `_hot_items`, `_part_items` and `_gone` itself, and
            prices are a table with what settings and files say now.
        root: The folder of the data; without it no trace shows as pinned.
        lists: Whether to make only what lists of traces and spans need.
    """
    place = str(root).replace("'", "''")
    marks = {
        "record": ", ".join(field.name for field in RECORD),
        "record types": "{" + ", ".join(f"'{f.name}': '{f.type}'" for f in RECORD) + "}",
        "root": place,
        "pins": "_root() || '/pins/*'" if raw else f"'{place}/pins/*'" if root else "''",
        "list size": str(LIST_SIZE),
        "list length": str(LIST_SIZE * len('"0123456789abcdef0123456789abcdef",') + 1),
        "schema": str(SCHEMA),
        "version": __version__,
    }
    for line in (VIEWS / "ORDER").read_text(encoding="utf-8").splitlines():
        name, _, kind = line.partition(" ")
        if name == "#" or (kind == "raw" and not raw) or (lists and kind != "lists"):
            continue
        if name == "prices":
            if not raw:
                yield from prices.table(prices.current().tariffs)
            continue
        marks["of"] = "_of_heads" if kind == "heads" else ""
        yield _filled((VIEWS / name).read_text(encoding="utf-8"), marks)


def _digested() -> Iterator[str]:
    """What the stamp is of: every view, wherever the store is."""
    return statements(raw=True)


def _filled(text: str, marks: dict[str, str]) -> str:
    return _MARK.sub(lambda match: marks[match[1]], text)


def _build(draft: Path, layout: Layout) -> None:
    connection = duckdb.connect(":memory:", config={"threads": 1})
    try:
        connection.execute("set enable_progress_bar = false")  # stdout is the user's
        connection.execute(
            f"attach {quoted(draft)} as catalog (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use catalog")
        connection.execute("begin")  # one commit: each would be synced to disk
        for text in statements(raw=True, root=layout.root):
            connection.execute(text)
        connection.execute("commit")
        connection.execute("use memory")
        connection.execute("detach catalog")
    finally:
        connection.close()


def _migrate_elsewhere(layout: Layout) -> None:
    # -P: the folder that the program runs in must not bring modules of the same names.
    command = [sys.executable, "-P", "-m", "exporters.duckdb.views.migration", "--store"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [*command, str(layout.catalog)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environ(),
            timeout=_PATIENCE_S,
            check=False,
            text=True,
        )
        if done.stderr.strip():
            losses.warn(f"catalog {layout.catalog}", done.stderr.strip()[-2000:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a store's catalog file, or bring it up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.views.catalog",
        description="Make a store's catalog file, or bring it up to date.",
        epilog="example: python -m exporters.duckdb.views.catalog --store traces.duckdb",
    )
    parser.add_argument("--store", required=True, help="path of the catalog file")
    return 0 if ensure_catalog(Layout.of(parser.parse_args(arguments).store)) else 1


if __name__ == "__main__":
    sys.exit(main())
