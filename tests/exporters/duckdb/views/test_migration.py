"""Migration: an older store becomes one of this version, at whatever point it is cut short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import SCHEMA_PART, Layout, list_parts, publish, read_format
from exporters.duckdb.schema import SCHEMA
from exporters.duckdb.views import catalog
from exporters.duckdb.views.catalog import ensure_catalog, is_current
from exporters.duckdb.views.migration import migrate
from exporters.duckdb.views.stamp import read_stamp
from exporters.store import StoreError

STEPS = ("copied", "sentinel", "viewed", "stamped", "formatted")
OLD_VIEW = "create view traces as select 'old' as trace_id"
KILLED = """
import os, signal, sys
from exporters.duckdb.layout import Layout
from exporters.duckdb.views.migration import migrate

def stop(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(Layout.of(sys.argv[1]), steps=stop)
"""


def ask(layout: Layout, query: str) -> list[tuple[Any, ...]]:
    """What the catalog file answers."""
    with duckdb.connect(str(layout.catalog)) as con:
        return con.execute(query).fetchall()


@pytest.fixture
def old(spool: Any, rows: Any) -> Layout:
    """A store as the first schema left it: its catalog, with a user's own table, and its FORMAT."""
    layout: Layout = spool.layout
    spool.compact([spool.segment([rows.trace("t"), rows.span("t", "s")], alive=False)])
    with duckdb.connect() as con:
        con.execute(f"attach '{layout.catalog}' as c (storage_version 'v1.0.0')")
        for text in (OLD_VIEW, "create table mine as select 7 as kept",
                     "create table deliveries as select 8 as kept"):  # fmt: skip
            con.execute(f"use c; {text}")
        con.execute("use memory; detach c")
    said = json.loads(layout.format_file.read_text())
    layout.format_file.write_text(json.dumps({**said, "schema": 1, "more": "x"}))
    return layout


def check(layout: Layout) -> None:
    """The store is of this version, and what was its user's is there."""
    assert is_current(layout)
    said = json.loads(layout.format_file.read_text())
    assert (said["schema"], said["more"]) == (SCHEMA, "x")
    assert ask(layout, "SELECT trace_id, cost_usd, pinned FROM traces") == [("t", None, False)]
    assert ask(layout, "SELECT kept FROM mine") == [(7,)]
    assert ask(layout, "SELECT kept FROM deliveries") == [(8,)]
    backup = layout.backup / "schema-1"
    assert json.loads((backup / "FORMAT").read_text())["schema"] == 1
    with duckdb.connect(str(backup / layout.catalog.name)) as con:
        assert con.execute("SELECT trace_id FROM traces").fetchall() == [("old",)]
    assert list(layout.tmp.glob("backup-*")) == []


def test_whole(old: Layout) -> None:
    """A store of the first schema is copied, gets our views, and keeps its user's tables."""
    taken: list[str] = []

    assert migrate(old, steps=taken.append)

    assert tuple(taken) == STEPS
    check(old)
    tags = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'traces'"
    assert "v1.0.0" in str(ask(old, tags))
    assert migrate(old, steps=taken.append)
    assert tuple(taken) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_killed(old: Layout, step: str) -> None:
    """Killed after any step, the store can be read, and the next migration finishes."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(old.catalog), step], check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert ask(old, "SELECT trace_id FROM traces") in ([("old",)], [("t",)])

    assert migrate(old)

    check(old)


def test_whoever_looks(old: Layout) -> None:
    """Whoever looks into an older store has it brought up to date."""
    assert ensure_catalog(old)

    check(old)


@pytest.fixture
def holder(old: Layout) -> Iterator[Callable[[], None]]:
    """Somebody who has the catalog open; lets go when called."""
    program = (
        f"import duckdb, sys; con = duckdb.connect({str(old.catalog)!r}); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"

        def let_go() -> None:
            process.communicate()

        yield let_go


def test_held(old: Layout, holder: Callable[[], None]) -> None:
    """While somebody has the catalog open it is left alone; afterwards it is brought up to date."""
    assert ensure_catalog(old)
    assert not is_current(old)
    found = read_format(old)
    assert found is not None
    assert found.schema == 1

    holder()

    assert ensure_catalog(old)
    check(old)


def test_held_here(old: Layout) -> None:
    """A connection of the same process keeps its catalog, and its lock, through it all."""
    with duckdb.connect(str(old.catalog)) as con:
        assert ensure_catalog(old)
        assert con.execute("FROM mine").fetchall() == [(7,)]
        other = f"import duckdb; duckdb.connect({str(old.catalog)!r})"
        done = subprocess.run(
            [sys.executable, "-c", other], check=False, capture_output=True, text=True, timeout=120
        )
        assert "lock" in done.stderr

    assert ensure_catalog(old)
    check(old)


def test_blank(spool: Any, rows: Any) -> None:
    """An empty database that somebody made in the catalog's place too early gets its views."""
    layout: Layout = spool.layout
    spool.segment([rows.trace("t")])
    duckdb.connect(str(layout.catalog)).close()

    assert ensure_catalog(layout)

    assert ask(layout, "SELECT trace_id FROM traces") == [("t",)]


def test_replaced(spool: Any, rows: Any) -> None:
    """A catalog that was deleted and made blank again by a tool is seen, and gets its views."""
    layout: Layout = spool.layout
    spool.segment([rows.trace("t")])
    assert ensure_catalog(layout)
    layout.catalog.unlink()
    duckdb.connect(str(layout.catalog)).close()

    assert ensure_catalog(layout)

    assert ask(layout, "SELECT trace_id FROM traces") == [("t",)]


@pytest.mark.parametrize("data", [b"", b"what is this\n" * 1000])
def test_garbage(spool: Any, rows: Any, caplog: Any, data: bytes) -> None:
    """A catalog that is no database is set aside with one message and made anew."""
    layout: Layout = spool.layout
    spool.segment([rows.trace("t")])
    layout.catalog.write_bytes(data)
    layout.catalog.with_name(layout.catalog.name + ".wal").write_bytes(b"old")

    assert ensure_catalog(layout)

    assert ask(layout, "SELECT trace_id FROM traces") == [("t",)]
    kept = sorted(path.read_bytes() for path in layout.quarantine.iterdir())
    assert kept == sorted([data, b"old"])
    assert caplog.text.count("was no DuckDB file") == 1
    assert ensure_catalog(layout)
    assert caplog.text.count("was no DuckDB file") == 1


def test_garbage_before_stamp(spool: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the catalog's place just after it was made does not pass for it."""
    layout = spool.layout
    spool.segment([rows.trace("t")], alive=False)

    def overwritten(draft: Path, target: Path) -> None:
        publish(draft, target)
        target.write_bytes(b"garbage " * 1000)

    monkeypatch.setattr(catalog, "publish", overwritten)
    assert ensure_catalog(layout)
    assert not is_current(layout)
    monkeypatch.undo()

    assert ensure_catalog(layout)
    assert ask(layout, "SELECT trace_id FROM traces") == [("t",)]


def test_newer_schema(spool: Any, rows: Any) -> None:
    """A store of a newer schema but this format keeps its FORMAT and its views."""
    layout: Layout = spool.layout
    spool.segment([rows.trace("t")])
    assert ensure_catalog(layout)
    said = json.loads(layout.format_file.read_text())
    layout.format_file.write_text(json.dumps({**said, "schema": 99}))
    stamp = json.loads((layout.root / "catalog.json").read_text())
    changed = {**stamp, "schema": 99, "views": "other"}
    (layout.root / "catalog.json").write_text(json.dumps(changed))
    before = layout.catalog.stat().st_mtime_ns

    assert ensure_catalog(layout)

    assert layout.catalog.stat().st_mtime_ns == before
    assert json.loads(layout.format_file.read_text())["schema"] == 99


def test_newer_format(spool: Any) -> None:
    """A store of a newer format is not touched."""
    layout: Layout = spool.layout
    said = json.loads(layout.format_file.read_text())
    layout.format_file.write_text(json.dumps({**said, "format": 99}))

    with pytest.raises(StoreError, match="format 99"):
        migrate(layout)
    assert not ensure_catalog(layout)


@pytest.mark.parametrize(
    "change", [{"flightlog": "0.0.1"}, {"views": "older"}, {"root": "/gone"}, {"size": 10**9}]
)
def test_stale(spool: Any, change: dict[str, Any]) -> None:
    """Views of an older version, other text or a place that is gone are made anew."""
    layout: Layout = spool.layout
    assert ensure_catalog(layout)
    path = layout.root / "catalog.json"
    good = read_stamp(layout)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert not is_current(layout)

    assert ensure_catalog(layout)

    made = read_stamp(layout)
    assert made is not None
    assert good is not None
    assert replace(made, size=good.size) == good  # DuckDB adds a block where it needs one
    assert is_current(layout)
    assert not layout.backup.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema":"x"}', "null"])
def test_bad_stamp(spool: Any, text: str) -> None:
    """A stamp that says nothing is as none."""
    layout: Layout = spool.layout
    assert ensure_catalog(layout)
    (layout.root / "catalog.json").write_text(text)

    assert ensure_catalog(layout)

    assert is_current(layout)


def test_sentinel(old: Layout) -> None:
    """The sentinel part has every column afterwards."""
    assert migrate(old)

    with duckdb.connect() as con:
        path = old.parts / SCHEMA_PART / "data.parquet"
        columns = {row[0] for row in con.execute(f"describe from '{path}'").fetchall()}
    assert "first_token_ns" in columns


def test_moved(spool: Any, rows: Any) -> None:
    """The catalog of a store that was moved is made for its new place."""
    layout: Layout = spool.layout
    spool.segment([rows.trace("t")], alive=False)
    assert ensure_catalog(layout)
    folder = layout.catalog.parent
    moved = Layout.of(folder.with_name("moved") / layout.catalog.name)
    folder.rename(moved.catalog.parent)

    assert ensure_catalog(moved)

    assert ask(moved, "SELECT trace_id FROM traces") == [("t",)]


def test_meta(spool: Any) -> None:
    """The catalog says which schema and version its views are of."""
    assert ensure_catalog(spool.layout)

    ((schema, version),) = ask(spool.layout, "FROM _meta")
    assert schema == SCHEMA
    assert any(version in note for (note,) in ask(spool.layout, "FROM README"))


def test_commands(old: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """Both modules can be started as programs, and say whether they got there."""
    command = [
        sys.executable,
        "-m",
        "exporters.duckdb.views.migration",
        "--store",
        str(old.catalog),
    ]
    env = {**os.environ}
    assert subprocess.run(command, env=env, check=False, timeout=120).returncode == 0
    check(old)
    assert catalog.main(["--store", str(old.catalog)]) == 0
    assert catalog.main(["--store", str(old.catalog.with_name("none.duckdb"))]) == 1


def test_read_only_place(tmp_path: Path) -> None:
    """Where there is no store there is nothing to make."""
    assert not ensure_catalog(Layout.of(tmp_path / "none" / "traces.duckdb"))
    assert not (tmp_path / "none").exists()


def test_damaged_format(old: Layout) -> None:
    """A damaged FORMAT of an old store is written anew with its schema, and then migrated."""
    old.format_file.write_bytes(b"\0" * 70)
    (part,) = list_parts(old)
    (old.part(part) / "manifest.json").write_text('{"schema":1}')

    assert migrate(old)
    assert is_current(old)
    assert json.loads((old.backup / "schema-1" / "FORMAT").read_text())["schema"] == 1
    assert ask(old, "SELECT trace_id FROM traces") == [("t",)]
    assert (old.quarantine / "FORMAT").read_bytes() == b"\0" * 70
