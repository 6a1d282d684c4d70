"""The catalog file: views and macros over the data, and not one row of it.

It is built beside its place and published with a link, so that it appears whole, once, and never
over a file that is there. After that flightlog does not open it again: DuckDB lets one process
write a file or several read it, and this one belongs to whoever wants to look.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from exporters.duckdb.layout import Layout, publish, sync_file
from exporters.duckdb.parts import ensure_schema_part, quoted
from exporters.duckdb.schema import RECORD

STORAGE_VERSION = "v1.0.0"  # what DuckDB 1.0 and all since can open
VIEWS = Path(__file__).parent / "views"
_MARK = re.compile(r"/\*([a-z ]+)\*/")


def ensure_catalog(layout: Layout) -> bool:
    """Make the catalog file unless there is one.

    Returns:
        Whether it is there now. It is not where nothing was recorded yet, or where the folder
        cannot be written: reading works without it.
    """
    if os.path.lexists(layout.catalog):
        return True
    if not layout.exists:
        return False
    draft = layout.tmp / f"catalog-{secrets.token_hex(8)}.duckdb"
    try:
        ensure_schema_part(layout)
        _build(draft, layout)
        sync_file(draft)
        publish(draft, layout.catalog)
    except (OSError, duckdb.Error):
        return False
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
    return True


def statements(*, raw: bool, root: Path | None = None, lists: bool = False) -> Iterator[str]:
    """The texts that make the views, in order.

    Args:
        raw: Whether to read the store's folder by patterns, as the catalog does; else the reader
            makes `_hot`, `_open`, `_data`, `_hot_items`, `_part_items` and `_gone` itself.
        root: The folder of the data, for the raw views.
        lists: Whether to make only what lists of traces and spans need.
    """
    marks = {
        "record": ", ".join(field.name for field in RECORD),
        "record types": "{" + ", ".join(f"'{f.name}': '{f.type}'" for f in RECORD) + "}",
        "root": str(root).replace("'", "''"),
    }
    for line in (VIEWS / "ORDER").read_text(encoding="utf-8").splitlines():
        name, _, kind = line.partition(" ")
        if name == "#" or (kind == "raw" and not raw) or (lists and kind != "lists"):
            continue
        yield _filled((VIEWS / name).read_text(encoding="utf-8"), marks)


def _filled(text: str, marks: dict[str, str]) -> str:
    return _MARK.sub(lambda match: marks[match[1]], text)


def _build(draft: Path, layout: Layout) -> None:
    connection = duckdb.connect(":memory:", config={"threads": 1})
    try:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a store's catalog file."""
    parser = argparse.ArgumentParser(
        prog="python -m exporters.duckdb.catalog",
        description="Make a store's catalog file, unless there is one.",
        epilog="example: python -m exporters.duckdb.catalog --store traces.duckdb",
    )
    parser.add_argument("--store", required=True, help="path of the catalog file")
    return 0 if ensure_catalog(Layout.of(parser.parse_args(arguments).store)) else 1


if __name__ == "__main__":
    sys.exit(main())
