import fcntl
import os
from pathlib import Path

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.duckdb.layout import Layout, scan
from exporters.duckdb.transfer.importing import import_files
from exporters.duckdb.transfer.parsing import Bad, parse_file
from exporters.duckdb.transfer.source import read_records
from exporters.duckdb.transfer.stage import Stage
from exporters.duckdb.upkeep.compaction import compact
from exporters.record import Kept, to_json
from exporters.store import StoreError
from tracer.encoding import encode

BASE_NS = 1_763_700_000_000_000_000


@pytest.fixture
def file(tmp_path):
    """Writes records to a file of JSON Lines."""

    def write(*records, name="records.jsonl"):
        path = tmp_path / name
        path.write_bytes(b"".join(to_json(kept) + b"\n" for kept in records))
        return path

    return write


def spans(store):
    """Names, statuses and owners of all spans of a store."""
    records = [kept for kept in read_records(Layout.of(store)) if kept.kind == "span"]
    return {kept.record.span_id: kept.record for kept in records}


def test_end_wins(new_store, make, file):
    """An end replaces what was open; what else was open beside it stays, with its content."""
    large = encode("x" * 70_000)
    store = new_store([
        make.span("t", "a", end=None),
        make.span("t", "b", end=None, input=large, type="generation", output=(large, b"1")),
    ])  # fmt: skip
    compact(store)

    done = import_files(store, [file(make.trace("t"), make.span("t", "a", end=7))])

    assert (done.new_traces, done.known_traces, done.new_spans, done.known_spans) == (0, 1, 1, 0)
    found = spans(store)
    assert found["a"].end_ns == BASE_NS + 7_000_000
    assert (found["b"].status, found["b"].input) == ("running", large)
    assert found["b"].output == (large, b"1")
    assert len(found) == 2
    assert not compact(store).problems
    assert spans(store) == found


def test_end_wins_over_segment(new_store, make, file, shown):
    """So it does where what was open is still in the segment of a process that died."""
    store = new_store([make.span("t", "a", end=None)])

    import_files(store, [file(make.span("t", "a", end=7))])

    assert [record.status for record in spans(store).values()] == ["ok"]
    assert len(shown(store)["spans"]) == 1


def test_living_writer(new_store, make, file, shown):
    """What a living process runs is its own to end: nothing is doubled."""
    store = new_store([make.span("t", "a", end=None)])
    (name,) = scan(Layout.of(store)).segments
    with Layout.of(store).segment(name).open("rb") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        done = import_files(store, [file(make.span("t", "a", end=7))])
        assert (done.new_spans, done.known_spans, done.parts) == (0, 1, [])
        assert len(shown(store)["spans"]) == 1


def test_known_stays(new_store, make, file):
    """What ended here stays as it is, whatever a file says of it."""
    store = new_store([make.span("t", "a", name="ours")])

    done = import_files(
        store,
        [file(make.span("t", "a", name="theirs"), make.span("t", "a", end=None, name="open"))],
    )

    assert (done.new_spans, done.known_spans, done.parts) == (0, 1, [])
    assert spans(store)["a"].name == "ours"


def test_newest_of_file(new_store, make, file):
    """Of a span that a file has twice, its end counts, in whatever order."""
    store = new_store()

    import_files(
        store,
        [file(make.span("t", "a", end=7)), file(make.span("t", "a", end=None), name="b.jsonl")],
    )

    assert spans(store)["a"].end_ns == BASE_NS + 7_000_000


def test_bad_lines(new_store, make, file):
    """Bad lines are named and nothing is imported, unless the rest is asked for."""
    store, path = new_store(), file(make.span("t", "a"))
    with path.open("ab") as more:
        more.write(b'{"k":"span"}\n\nrubbish\n')

    refused = import_files(store, [path])
    left = list(store.parent.iterdir())
    done = import_files(store, [path], skip_bad=True)

    assert (refused.bad_count, refused.parts, left) == (2, [], [])
    assert [bad.place for bad in refused.bad] == ["line 2", "line 4"]
    assert (done.bad_count, done.new_spans) == (2, 1)


@pytest.mark.parametrize("step", ["staged", "locked", "written", "synced"])
def test_crash_before(step, new_store, make, file, shown):
    """Who dies before a part has its name has imported nothing."""
    store, path = new_store([make.span("t", "a")]), file(make.span("u", "b"))
    before = shown(store)

    with pytest.raises(KeyboardInterrupt):
        import_files(store, [path], steps=dying_at(step))

    assert shown(store) == before
    assert import_files(store, [path]).new_spans == 1


def test_crash_after(new_store, make, file):
    """Who dies after it has imported all of that part, and may import again."""
    store, path = new_store(), file(make.span("u", "b"))

    with pytest.raises(KeyboardInterrupt):
        import_files(store, [path], steps=dying_at("renamed"))

    assert list(spans(store)) == ["b"]
    assert import_files(store, [path]).parts == []


def dying_at(step):
    """Steps of which one is the last."""

    def at(taken):
        if taken == step:
            raise KeyboardInterrupt

    return at


def test_locked(new_store, make, file, monkeypatch):
    """Who holds the lock for long is told of, and nothing is imported."""
    store, path = new_store(), file(make.span("u", "b"))
    import_files(store, [path])
    monkeypatch.setattr("exporters.duckdb.transfer.importing._WAIT_SECONDS", 0.0)
    with Layout.of(store).lock.open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="locked"):
            import_files(store, [file(make.span("u", "c"))])

    assert list(spans(store)) == ["b"]


def test_chunks(make, tmp_path):
    """Records are staged in files of some size, each with the items that it needs."""
    item = encode("x" * 2000)
    with Stage(tmp_path, chunk_bytes=5000) as staged:
        for number in range(20):
            staged.add(make.span("t", f"{number}", type="generation", input=(item,)))

    texts = [chunk.path.read_bytes() for chunk in staged.chunks]
    assert len(texts) > 1
    assert all(text.count(b'{"k":"item"') == 1 for text in texts)
    assert [len(max(text.splitlines(True), key=len)) for text in texts] == [
        chunk.longest for chunk in staged.chunks
    ]


def test_missing(new_store, tmp_path):
    """A file that is not there, a folder, or a file of another kind, is told of."""
    other = tmp_path / "other.duckdb"
    other.write_bytes(b"\0" * 8 + b"DUCK" + b"\0" * 100)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    for path, told in (
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "cannot be read"),
        (other, "DuckDB file"),
        (torn, "Parquet"),
    ):
        store = new_store()
        with pytest.raises(StoreError, match=told):
            import_files(store, [path])
        assert list(store.parent.iterdir()) == []


def test_pretty(tmp_path):
    """A document over many lines is one document; where it is cut, every line is bad."""
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "startTimeUnixNano": "1"}
    text = orjson.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}, option=orjson.OPT_INDENT_2
    )
    path = tmp_path / "pretty.json"
    path.write_bytes(text)
    assert [type(found) for found in parse_file(path)] == [Kept, Kept]

    path.write_bytes(text[:-3])
    assert {type(found) for found in parse_file(path)} == {Bad}


files = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@files
@given(st.binary() | st.text().map(str.encode))
def test_fuzz_file(tmp_path, data):
    """Any bytes are read without an error that is not ours."""
    parsed(tmp_path / "fuzz", data)


@files
@given(st.data())
def test_fuzz_cut(tmp_path, make, data):
    """So is a file of ours that was damaged anywhere."""
    good = b"".join(
        to_json(kept._replace(seq=1)) + b"\n" for kept in (make.trace(), make.span(name="ü"))
    )
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = data.draw(st.sampled_from([good[:at], good[:at] + b"\xff" + good[at + 1 :],
                                         good[at:], b"\n\n" + good]))  # fmt: skip
    parsed(tmp_path / "fuzz", damaged)


@settings(files, max_examples=30)
@given(st.binary(max_size=64), st.booleans())
def test_fuzz_parquet(tmp_path, parquet, data, at_end):
    """So is a Parquet file with any bytes in the middle or at its end."""
    good = parquet.read_bytes()
    middle = len(good) // 2
    cut = good[: -len(data) or None] + data if at_end else (
        good[:middle] + data + good[middle + len(data) :]
    )  # fmt: skip
    parsed(tmp_path / "fuzz", cut)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """A Parquet file of ours."""
    path = tmp_path_factory.mktemp("parquet") / "good.parquet"
    duckdb.connect().execute(
        "copy (select 'span' as k, 't' as trace_id, 's' as span_id, 5 as start_ns, "
        f"'{{}}'::json as data from range(50)) to '{path}'"
    )
    return path


def parsed(path: Path, data: bytes) -> None:
    """Reads a file of these bytes to its end."""
    path.write_bytes(data)
    try:
        for found in parse_file(path):
            assert isinstance(found, Kept | Bad)
            str(found)
    except StoreError:
        pass
    os.unlink(path)
