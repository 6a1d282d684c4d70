"""Every command tells of a store in trouble in plain words: what, which rule, what to do."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

EVERY = """
import contextlib, io, json
signal.alarm(110)
said = []
for words in (["list"], ["list", "--json"], ["show", "last"], ["sql", "select count(*) from spans"],
              ["view", "--no-browser", "--port", "0"], ["doctor"], ["doctor", "last", "--json"]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*words, "--store", sys.argv[1]])
    said.append([words[0], code, out.getvalue(), err.getvalue()])
json.dump(said, sys.stdout)
"""


READING = EVERY.replace('["view", "--no-browser", "--port", "0"], ', "")


def path_is_folder(store: Path) -> str:
    """The path itself is a folder."""
    store.mkdir()
    return "is a folder"


def data_is_file(store: Path) -> str:
    """What should be the folder of the data is a file."""
    store.with_name("traces.duckdb.d").write_text("mine")
    return "is a file"


def below_file(store: Path) -> str:
    """The folder that the store should be in is a file."""
    store.parent.rmdir()
    store.parent.write_text("mine")
    return str(store.parent)


def catalog_alone(store: Path) -> str:
    """The catalog is there without its data."""
    store.write_bytes(b"x" * 100)
    return "is not beside it"


def newer(store: Path) -> str:
    """A newer version made it."""
    return form(store, '{"format": 99, "schema": 99, "store_id": "x"}', "pip install --upgrade")


def no_format(store: Path) -> str:
    """FORMAT is somebody else's."""
    return form(store, "garbage", "garbage")


def older(store: Path) -> str:
    """FORMAT has a number below ours, which never was."""
    return form(store, '{"format": "zero"}', "zero")


def format_folder(store: Path) -> str:
    """FORMAT is a folder."""
    (store.with_name("traces.duckdb.d") / "FORMAT").mkdir(parents=True)
    return "FORMAT"


def other_folder(store: Path) -> str:
    """The data's folder is full of other things."""
    root = store.with_name("traces.duckdb.d")
    root.mkdir()
    (root / "notes.txt").write_text("mine")
    return "not of flightlog"


def form(store: Path, text: str, said: str) -> str:
    """A store with this text in FORMAT."""
    root = store.with_name("traces.duckdb.d")
    root.mkdir()
    (root / "FORMAT").write_text(text)
    return said


def closed_parent(store: Path) -> str:
    """The folder that the store is in is closed to this user."""
    form(store, '{"format": 1, "schema": 1, "store_id": "x"}', "")
    store.parent.chmod(0o000)
    return "ermission"


def closed_root(store: Path) -> str:
    """The folder of the data is closed to this user."""
    form(store, '{"format": 1, "schema": 1, "store_id": "x"}', "")
    store.with_name("traces.duckdb.d").chmod(0o000)
    return "ermission"


def closed_format(store: Path) -> str:
    """FORMAT is closed to this user."""
    form(store, '{"format": 1, "schema": 1, "store_id": "x"}', "")
    (store.with_name("traces.duckdb.d") / "FORMAT").chmod(0o000)
    return "ermission"


def closed_parts(store: Path) -> str:
    """The folder of the parts is closed to this user."""
    form(store, '{"format": 1, "schema": 1, "store_id": "x"}', "")
    (store.with_name("traces.duckdb.d") / "parts").mkdir(mode=0o000)
    return "ermission"


REFUSED = (
    *(path_is_folder, data_is_file, below_file, catalog_alone, newer, no_format, older),
    *(format_folder, other_folder, closed_parent, closed_root, closed_format, closed_parts),
)


@pytest.mark.parametrize("fault", REFUSED, ids=[fault.__name__ for fault in REFUSED])
def test_refused(ground: Any, run: Run, fault: Callable[[Path], str]) -> None:
    """A store that cannot be read is refused by every command in three sentences, as 1."""
    store = ground.path / "store" / "traces.duckdb"
    store.parent.mkdir()
    words = fault(store)

    done = run(EVERY, store, powerless=True)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for command, code, out, err in json.loads(done.stdout):
        assert "Traceback" not in err
        assert code == 1, (command, code, out, err)
        if command == "doctor":
            assert words in out or "traces.duckdb" in out
            assert "next" in out or '"step"' in out
            continue
        assert out == ""
        assert err.startswith("flightlog: ")
        assert words in err, (command, err)
        assert "output could not be written" not in err
        assert len(re.findall(r"[.!?](?:\s|$)|: flightlog|: pip", err)) >= 3, (command, err)


def test_unreadable_files(ground: Any, run: Run) -> None:
    """Files of another user's that may not be read are left out, and the doctor names them."""
    store = ground.path / "store" / "traces.duckdb"
    store.parent.mkdir()
    recording = """
for name in ("mine", "theirs"):
    journal = Journal(sys.argv[1], fallback=None)
    set_trace_processors([Recorder(journal)])
    with trace(name), custom_span("step"):
        pass
    path = journal.path
    journal.close()
    path.chmod(0o644 if name == "mine" else 0o000)
"""
    assert run(recording, store).returncode == 0

    done = run(READING, store, powerless=True)

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for command, code, out, err in answers:
        assert "Traceback" not in err
        if command == "doctor":
            assert code == 1
            assert ".ndjson" in out
            assert "permission" in out or "may not read" in out
        else:
            assert code == 0, (command, err)
    assert "mine" in answers[0][2]
    assert "theirs" not in answers[0][2]


def test_read_only(ground: Any, run: Run, until: Callable[[Callable[[], bool]], None]) -> None:
    """A store that may be read and not written is read by every command, and nothing is made."""
    store = ground.path / "store" / "traces.duckdb"
    store.parent.mkdir()
    recording = """
journal = Journal(sys.argv[1], fallback=None)
set_trace_processors([Recorder(journal)])
with trace("job"), custom_span("step"):
    pass
journal.close()
"""
    assert run(recording, store).returncode == 0
    root = store.with_name("traces.duckdb.d")
    until(store.exists)  # made by who looks after the store when a program has ended
    for path in root.rglob("*.ndjson"):
        path.chmod(0o444)
    for folder in (store.parent, root, *filter(Path.is_dir, root.iterdir())):
        folder.chmod(0o555)
    before = sorted(store.parent.rglob("*"))

    done = run(READING, store, powerless=True)

    assert done.returncode == 0, done.stderr
    for command, code, out, err in json.loads(done.stdout):
        assert "Traceback" not in err
        if command == "doctor":
            assert (code, "may not write in the store" in out) == (1, True), out
        else:
            assert (code, err) == (0, ""), command
            assert "job" in out or "1" in out
    assert sorted(store.parent.rglob("*")) == before
