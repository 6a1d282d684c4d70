"""Compaction: everything exactly once, whatever is damaged and whoever is killed when."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.layout import (
    Layout,
    SegmentName,
    create,
    list_parts,
    list_segments,
    scan,
)
from exporters.duckdb.parts import damaged_files, ensure_schema_part, read_manifest
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.schema import ITEM, RECORD
from exporters.duckdb.upkeep import compaction, merging
from exporters.duckdb.upkeep.compaction import Sealed, batches, compact, due, is_due
from exporters.store import StoreError

Make = Callable[..., Journal]
Read = Callable[[Path], Any]

BASE_NS = 1_700_000_000_000_000_000


def line(number: int, *, ended: bool = True, **items: bytes) -> Line:
    """A line of a span."""
    fields = {
        "k": "span",
        "v": 1,
        "rev": int(ended),
        "trace_id": "trace_1",
        "span_id": f"span_{number}",
        "name": f"s{number}",
        "start_ns": BASE_NS + number,
        "end_ns": BASE_NS + number + 1_500_000 if ended else None,
        "input": {"refs": list(items)} if items else None,
        "attributes": {"number": str(number)},
    }
    return Line(fields, dict(items))


def hashed(text: str) -> dict[str, bytes]:
    """An item under a hash."""
    return {f"{abs(hash(text)):032x}"[:32]: json.dumps(text).encode()}


def spans(found: Any) -> set[int]:
    """Numbers of the spans that ended, each of them found in one place."""
    assert not found.stale
    assert not found.missing
    assert set(found.ended.values()) <= {1}
    return {int(key[2].split("_")[1]) for key in found.ended}


def still_open(found: Any) -> set[int]:
    """Numbers of the spans that have not ended."""
    return {int(key[2].split("_")[1]) for key in found.open}


def test_sealed_segments(store: Path, journal: Make, read: Read) -> None:
    """Sealed segments become one part that holds what they held; the live one stays."""
    one = journal()
    for number in range(10):
        one.append(line(number, **hashed(f"item {number % 3}")))
        if number % 3 == 2:
            one.seal()
    before = read(store)

    report = compact(store)

    after = read(store)
    assert (report.segments, report.rows, report.items) == (3, 9, 3)
    assert report.problems == []
    assert spans(after) == spans(before) == set(range(10))
    for number in range(9):
        row = after.span(f"s{number}")
        assert after.content(row["input"]) == [f"item {number % 3}"]
        assert row["attributes"] == {"number": str(number)}
        assert row["duration_ms"] == 1.5
    (part,) = list_parts(Layout.of(store))
    assert damaged_files(Layout.of(store), part) == []
    assert (part.from_s, part.to_s) == (BASE_NS // 10**9, BASE_NS // 10**9)
    assert compact(store).parts == []


def test_order_and_columns(store: Path, journal: Make) -> None:
    """A part has every column of the schema with its type, rows in the order of their start."""
    one = journal()
    for number in (3, 1, 2):
        one.append(line(number))
    one.close()
    (name,) = compact(store).parts

    path = Layout.of(store).parts / name / "data.parquet"
    described = duckdb.sql(f"describe from '{path}'").fetchall()
    assert [row[:2] for row in described][: len(RECORD)] == [field[:2] for field in RECORD]
    assert [row[0] for row in described][len(RECORD) :] == ["start_time", "end_time", "duration_ms"]
    ids = duckdb.sql(f"select span_id from '{path}'").fetchall()
    assert ids == [("span_1",), ("span_2",), ("span_3",)]


def test_schema_part(store: Path) -> None:
    """The sentinel has every column and no rows, and is made anew when it lacks a column."""
    layout = Layout.of(store)
    create(layout)
    folder = ensure_schema_part(layout)

    columns = [row[0] for row in duckdb.sql(f"describe from '{folder}/items.parquet'").fetchall()]
    assert columns == [field.name for field in ITEM]
    assert duckdb.sql(f"select count(*) from '{folder}/open.parquet'").fetchall() == [(0,)]
    (folder / "manifest.json").write_text('{"columns":"older"}')
    (folder / "data.parquet").write_bytes(b"older")
    ensure_schema_part(layout)
    assert duckdb.sql(f"select count(*) from '{folder}/data.parquet'").fetchall() == [(0,)]


def test_open_rows(store: Path, journal: Make, read: Read) -> None:
    """A row that has not ended is carried, with its content, until its end turns up."""
    one = journal()
    for number in range(3):
        one.append(line(number, ended=False, **hashed(f"question {number}")))
    one.seal()
    compact(store)
    assert still_open(read(store)) == {0, 1, 2}
    one.append(line(1))
    one.seal()

    assert still_open(read(store)) == {0, 2}
    report = compact(store)

    found = read(store)
    assert (report.rows, report.open) == (1, 2)
    assert spans(found) == {1}
    assert still_open(found) == {0, 2}
    first, second = list_parts(Layout.of(store))
    covers = (Layout.of(store).part(second) / "covers.csv").read_text()
    assert f"{first.dirname}/open" in covers
    items = Layout.of(store).part(second) / "items.parquet"
    assert duckdb.sql(f"select count(*) from '{items}'").fetchall() == [(2,)]
    assert found.content(found.span("s2")["input"]) == ["question 2"]


def test_open_rows_stay(store: Path, journal: Make) -> None:
    """Open rows that nothing ended are not written again by every compaction."""
    one = journal()
    one.append(line(0, ended=False))
    one.close()
    compact(store)
    one.append(line(1))
    one.close()

    assert compact(store).open == 0


def test_written_twice(store: Path, journal: Make, read: Read) -> None:
    """A line that came into two segments is one row, compacted together or apart."""
    one = journal()
    one.append(line(1, ended=False))
    one.append(line(1))
    one.seal()
    one.append(line(1))
    one.seal()
    compact(store)
    assert spans(read(store)) == {1}
    one.append(line(1))
    one.append(line(1, ended=False))
    one.close()

    compact(store)

    found = read(store)
    assert spans(found) == {1}
    assert still_open(found) == set()


def test_damage(store: Path, journal: Make, read: Read) -> None:
    """Bad lines are counted and kept aside; the good ones around them are rows."""
    one = journal()
    for number in range(10):
        one.append(line(number))
    path = one.path
    one.close()
    assert path is not None
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"s2", b"sX")
    lines[5] = b"\x00" * 100
    lines[-1] = lines[4][: len(lines[4]) // 2]
    path.write_bytes(b"\n".join(lines))

    report = compact(store)

    found = read(store)
    assert report.bad_lines == 3
    assert spans(found) == set(range(10)) - {2, 5}
    assert found.losses == {compaction.CORRUPT: 3}
    (kept,) = Layout.of(store).quarantine.iterdir()
    assert kept.read_bytes() == b"\n".join([lines[2], lines[5], lines[-1]]) + b"\n"


def test_rubbish(store: Path, journal: Make, read: Read) -> None:
    """A segment of rubbish does not stand in the way of the others."""
    one = journal()
    one.append(line(1))
    one.close()
    name = SegmentName(1_700_000_000_000, "vm", 7, "beef")
    Layout.of(store).segment(name).write_bytes(os.urandom(5000))

    report = compact(store)

    assert report.segments == 2
    assert report.problems == []
    assert spans(read(store)) == {1}


def test_sound_but_strange(store: Path, journal: Make, read: Read) -> None:
    """A line with a right checksum that is no record of ours costs itself and no other."""
    one = journal()
    one.append(line(1))
    path = one.path
    one.close()
    assert path is not None
    with path.open("ab") as file:
        for rest in (b'"k":"span","start_ns":"never"}', b'"k":"span","v":[[[', b'"new":1}'):
            file.write(b'{"crc":"%08x",%b\n' % (zlib.crc32(rest), rest))

    report = compact(store)

    assert report.problems == []
    assert list_parts(Layout.of(store))
    found = read(store)
    assert 1 in spans(found) or found.losses


def test_killed_owner(store: Path, read: Read, python: Callable[..., Any]) -> None:
    """The segment of a killed process is compacted; what it left open stays open."""
    program = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from exporters.duckdb.recording.journal import Journal\n"
        "from exporters.duckdb.recording.lines import Line\n"
        "journal = Journal(Path(sys.argv[1]), fallback=None)\n"
        "base = {'k': 'span', 'v': 1, 'trace_id': 't', 'name': 's', 'start_ns': 1}\n"
        "journal.append(Line({**base, 'rev': 0, 'span_id': 'span_1'}, {}))\n"
        "journal.append(Line({**base, 'rev': 1, 'span_id': 'span_2', 'end_ns': 2}, {}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert python(program, store).wait() == -signal.SIGKILL

    report = compact(store)

    assert report.segments == 1
    assert spans(read(store)) == {2}
    assert still_open(read(store)) == {1}


def test_busy(store: Path, journal: Make) -> None:
    """While another process compacts nothing is done and nobody waits."""
    one = journal()
    one.append(line(1))
    one.close()
    with Layout.of(store).lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        assert compact(store).busy
    assert compact(store).segments == 1


def test_no_store(store: Path) -> None:
    """Compacting what is not there does nothing and makes nothing."""
    assert compact(store).segments == 0
    assert not due(store)
    assert not Layout.of(store).root.exists()


def test_newer_store(store: Path) -> None:
    """A store of a newer format is left alone."""
    create(Layout.of(store))
    Layout.of(store).format_file.write_text('{"format":2,"schema":1,"store_id":"x"}')

    with pytest.raises(StoreError, match="has format 2"):
        compact(store)
    assert compaction.main(["--store", str(store)]) == 1


def test_old_part(store: Path, journal: Make, read: Read, monkeypatch: Any) -> None:
    """Parts that lack a newer column are merged with those that have it."""
    one = journal()
    for number in range(8):
        one.append(line(number))
        one.close()
        if number == 7:
            report = compact(store)
            break
        compact(store)
        (*_, part) = list_parts(Layout.of(store))
        if number == 3:
            path = Layout.of(store).part(part) / "data.parquet"
            duckdb.sql(
                f"copy (select * exclude (reason) from '{path}') to '{path}.new' (format parquet)"
            )
            os.replace(f"{path}.new", path)

    assert len(report.merged) == 1
    assert spans(read(store)) == set(range(8))


def test_damaged_part(store: Path, journal: Make, read: Read) -> None:
    """A part that cannot be read does not keep new segments from becoming parts."""
    layout = Layout.of(store)
    one = journal()
    for number in range(2):
        one.append(line(number, ended=False))
        one.append(line(10 + number))
        one.seal()
        compact(store)
    broken = layout.part(list_parts(layout)[0])
    for name in ("data.parquet", "open.parquet"):
        (broken / name).write_bytes(b"not parquet")
    for number in (1, 2):
        one.append(line(number))
    one.close()

    report = compact(store)

    assert (report.problems, report.rows) == ([], 3)
    assert report.mended.quarantined == [broken.name]
    assert not broken.exists()
    # The segment that it was made of was there, so nothing is lost.
    found = read(store)
    assert spans(found) == {1, 2, 10, 11}
    assert still_open(found) == {0}
    assert found.losses == {}


def test_merge(store: Path, journal: Make, read: Read) -> None:
    """Eight small parts become one, with open rows, items and covers of all."""
    one = journal()
    for number in range(8):
        one.append(line(number, **hashed("shared")))
        one.append(line(100 + number, ended=False, **hashed(f"open {number}")))
        one.seal()
        report = compact(store)

    layout = Layout.of(store)
    found = read(store)
    assert len(report.merged) == 1
    assert len(scan(layout).live_parts) == 1
    assert spans(found) == set(range(8))
    assert still_open(found) == {100 + number for number in range(8)}
    assert len(found.items) == 9
    (live,) = scan(layout).live_parts
    assert read_manifest(layout, live)["open"] == 8
    assert scan(layout).live_segments == list_segments(layout)[-1:]


def test_merge_covers(store: Path, journal: Make, read: Read, monkeypatch: Any) -> None:
    """What a merged part hid of a part that was not merged stays hidden."""
    monkeypatch.setattr(merging, "TIERS", (20_000, 1 << 30))
    one = journal()
    one.append(line(0, **{"a" * 32: json.dumps(os.urandom(30_000).hex()).encode()}))
    one.append(line(1, ended=False))
    one.append(line(2, ended=False))
    one.seal()
    compact(store)
    for number in range(2, 10):
        one.append(line(number))
        one.seal()
        report = compact(store)

    assert len(report.merged) == 1
    compact(store, grace_s=-10)
    compact(store, grace_s=-10)
    assert len(list_parts(Layout.of(store))) == 2
    assert spans(read(store)) == {0, *range(2, 10)}
    assert still_open(read(store)) == {1}


def test_is_due() -> None:
    """Compaction is due by bytes, by files, or by age."""
    now = 1_700_000_100_000

    def sealed(size: int, age_ms: int, count: int = 1) -> list[Sealed]:
        return [
            Sealed(SegmentName(now - age_ms, "vm", number, "beef"), size) for number in range(count)
        ]

    assert not is_due([], now)
    assert not is_due(sealed(1000, 29_999, 39), now)
    assert is_due(sealed(1000, 0, 40), now)
    assert is_due(sealed(1000, 30_000), now)
    assert is_due(sealed(4 << 20, 0, 4), now)


def test_batches() -> None:
    """Segments are taken in order, 128 MiB at a time, one that is larger by itself."""
    sizes = [80 << 20, 40 << 20, 20 << 20, 200 << 20, 1]
    sealed = [Sealed(SegmentName(n, "vm", 1, "beef"), size) for n, size in enumerate(sizes)]

    assert [[s.size >> 20 for s in batch] for batch in batches(sealed)] == [
        [80, 40],
        [20],
        [200],
        [0],
    ]


_KILL_AT = """
import os, signal, sys
from exporters.duckdb.upkeep.compaction import compact
def steps(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
compact(sys.argv[1], steps=steps, grace_s=0)
"""


@pytest.mark.parametrize(
    "step", ["locked", "read", "written", "verified", "synced", "renamed", "committed", "strays"]
)
def test_killed_compactor(
    store: Path, journal: Make, read: Read, python: Callable[..., Any], step: str
) -> None:
    """A compactor that is killed at any step loses nothing and doubles nothing."""
    one = journal()
    one.append(line(0, ended=False))
    one.append(line(1, **hashed("item")))
    one.seal()
    compact(store)
    one.append(line(0))
    one.append(line(2, **hashed("item")))
    one.seal()

    process = python(_KILL_AT, store, step)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors

    for _ in range(2):
        found = read(store)
        assert spans(found) == {0, 1, 2}
        assert found.content(found.span("s1")["input"]) == ["item"]
        compact(store, grace_s=0)
    assert len(scan(Layout.of(store)).live_segments) == 1


def test_disk_full(store: Path, journal: Make, read: Read, python: Callable[..., Any]) -> None:
    """A compaction that finds no room leaves everything as it was, and no draft."""
    one = journal()
    one.append(line(1, **{"a" * 32: json.dumps(os.urandom(200_000).hex()).encode()}))
    one.close()
    ensure_schema_part(Layout.of(store))
    program = (
        "import resource, signal, sys\n"
        "from exporters.duckdb.upkeep.compaction import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "sys.exit(main(['--store', sys.argv[1]]))\n"
    )
    process = python(program, store)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "could not be" in errors
    assert "Traceback" not in errors
    assert list_parts(Layout.of(store)) == ()
    assert list(Layout.of(store).tmp.iterdir()) == []
    assert spans(read(store)) == {1}


def test_command(store: Path, journal: Make) -> None:
    """The detached helper's command compacts once."""
    one = journal()
    one.append(line(1))
    one.close()

    assert compaction.main(["--store", str(store)]) == 0
    assert len(list_parts(Layout.of(store))) == 1
