"""The gate lets one reading statement through, and nothing else, whatever it is dressed in."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.sql import asking
from exporters.store import QueryError, SqlResult, Stop, StoreError

ALLOWED = (
    "SELECT count(*) FROM traces",
    "select count(*) from spans;",
    "-- how many\nSELECT count(*) FROM spans",
    "/* a */ /* b */ WITH t AS (FROM traces) SELECT count(*) FROM t",
    "FROM traces SELECT name",
    "VALUES (1)",
    "TABLE groups",
    "DESCRIBE traces",
    "DESCRIBE SELECT 1",
    "SUMMARIZE spans",
    "SHOW TABLES",
    "EXPLAIN SELECT * FROM traces",
    "EXPLAIN ANALYZE SELECT count(*) FROM traces",
    "EXPLAIN (FORMAT json) SELECT 1",
    "PIVOT spans ON status IN ('ok') USING count(*) GROUP BY type",
    "SELECT repeat('#', 10), lpad('1', 3, '0'), range(3), range(1, 3), generate_series(0, 4, 2)",
    "SELECT format('{:.2f} s', 1.5), printf('%d', 3)",
    "SELECT generate_series(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', INTERVAL 1 DAY)",
    "SELECT ';', '-- no comment', 'COPY x TO y'",
)

PATIENCE = 120  # seconds for what has to be answered, however busy the machine is
ATTACKS = Path(__file__).parent / "attacks"


def corpus(name: str) -> list[str]:
    """Statements of a file of attacks, which stand between lines of dashes."""
    return (ATTACKS / f"{name}.sql").read_text(encoding="utf-8").strip().split("\n----\n")


REFUSED = (
    *corpus("statements"),
    *corpus("beyond"),
    *corpus("large"),
    "",
    "   ",
    ";",
    "-- nothing",
    "/* SELECT 1",
    "SELECT 1 -- one\n; DROP VIEW traces",
    "SELECT 1 -- one\r; DROP VIEW traces\n; SELECT 2",
    "SELECT \u2028 1; DROP VIEW traces",
    "SELECT\u00a01;\u00a0DROP VIEW traces",
    "\ufeffCOPY traces TO '{evil}'",
    "\u200bCOPY traces TO '{evil}'",
    "\uff23\uff2f\uff30\uff39 traces TO '{evil}'",
    "SELECT 1\uff1b DROP VIEW traces",
    "SELECT $tag$ ; $tag$; DROP VIEW traces",
    "SELECT E'\\'; DROP VIEW traces; --'; DROP VIEW traces",
    "SELECT 'a\\'; DROP VIEW traces; --'",
    "SELECT 1 \x00; DROP VIEW traces",
    "\x00COPY traces TO '{evil}'",
    "SELECT \ud800",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "-" * 1 + "- " * 100_000 + "1",
    "SELECT " + "[" * 100_000,
    "SELECT 1 WHERE " + "NOT " * 200_000 + "true",
    "SELECT '" + "x" * 1_000_001 + "'",
)

ENDLESS = (
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1",
)
# `interrupt()` does not stop these: one value that takes long, or grows large.
DEAF = (
    "SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))",
    "SELECT len(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
)
MEMORY = (
    "SELECT list(range) FROM range(100000000000)",
    "SELECT sum(len(a)) FROM (SELECT array_agg(range) OVER (ORDER BY range) a FROM range(100000))",
    "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(len(s)) FROM t",  # noqa: E501
)
HUGE = (
    "SELECT repeat('x', 90000 + range % 2) FROM range(100000)",
    "SELECT range(100000) FROM range(100000)",
    "SELECT encode(repeat('x', 100000)) FROM range(100000)",
    "SELECT {'a': repeat('x', 100000), 'b': [repeat('y', 100000)]} FROM range(100000)",
)


def resident() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answering(store: Path) -> list[int]:
    """Processes that answer questions of a store."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"exporters.duckdb.sql.answering" in words and bytes(store) in words:
                found.append(int(path.parent.name))
    return found


def filled(query: str, folder: Path) -> str:
    """An attack with its paths put in."""
    root = folder / "traces.duckdb.d"
    for mark, value in (
        ("{evil}", folder / "evil.csv"), ("{inside}", root / "evil.csv"),
        ("{secret}", folder / "secret.txt"), ("{folder}", folder), ("{root}", root),
        ("{{", "{"), ("}}", "}"),
    ):  # fmt: skip
        query = query.replace(mark, str(value))
    return query


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store's place in it, and a secret beside that."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "secret.txt").write_text("do not tell")
    return folder


@pytest.fixture(autouse=True)
def one_home(clean_env: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same home in every test: who answers is kept for whoever's environment is the same."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("FLIGHTLOG_HOME", str(folder))


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[DuckDBStore]:
    """A store that is empty; it is attacked, and whoever asked has to be well after that."""
    store = DuckDBStore(folder / "traces.duckdb")
    store.sql("SELECT 1", timeout=PATIENCE)
    before = resident()
    yield store
    assert resident() - before < 100_000_000
    assert len(answering(folder / "traces.duckdb")) <= 3
    store.close()


@pytest.fixture
def unharmed(store: DuckDBStore, folder: Path) -> Iterator[None]:
    """After the test nothing was written and the next question is answered."""
    yield
    assert [path.name for path in folder.iterdir()] == ["secret.txt"]
    assert store.sql("SELECT count(*) FROM traces", timeout=PATIENCE).rows == [(0,)]


@pytest.mark.parametrize("query", ALLOWED)
def test_allowed(store: DuckDBStore, query: str) -> None:
    """What reads goes through, however it is written."""
    assert isinstance(store.sql(query, timeout=PATIENCE), SqlResult)


@pytest.mark.parametrize("query", REFUSED)
def test_refused(store: DuckDBStore, folder: Path, unharmed: None, query: str) -> None:
    """What writes, looks beyond the store or blows up is a QueryError, and leaves no trace."""
    with pytest.raises(QueryError) as caught:
        store.sql(filled(query, folder), timeout=2)

    assert "do not tell" not in str(caught.value)


@pytest.mark.parametrize("query", [*corpus("memory"), *corpus("time")])
def test_bombs(
    store: DuckDBStore, unharmed: None, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What eats memory or time is stopped, also where DuckDB itself cannot be."""
    monkeypatch.setattr(asking, "KILL_SECONDS", 0.3)  # those it cannot stop are killed sooner
    with pytest.raises(
        QueryError, match=r"stopped after|more memory|ended the process|larger than"
    ):
        store.sql(query, timeout=0.2)


@pytest.mark.parametrize("query", MEMORY)
def test_memory(store: DuckDBStore, unharmed: None, query: str) -> None:
    """A query that needs more memory than it may is told so."""
    with pytest.raises(QueryError, match="more memory"):
        store.sql(query, timeout=PATIENCE)


@pytest.mark.parametrize("query", [*ENDLESS, *DEAF])
def test_time(store: DuckDBStore, unharmed: None, query: str) -> None:
    """A query that does not end is stopped, whatever it is busy with."""
    with pytest.raises(QueryError, match=r"stopped after 0\.2 s"):
        store.sql(query, timeout=0.2)


@pytest.mark.parametrize("query", HUGE)
def test_huge_result(store: DuckDBStore, unharmed: None, query: str) -> None:
    """A result that does not fit into memory is refused, and costs the asker nothing."""
    with pytest.raises(QueryError, match=r"larger than|more memory"):
        store.sql(query, limit=10**9, timeout=PATIENCE)


def test_limit(store: DuckDBStore) -> None:
    """Rows beyond the limit are not made; the result says that there are more."""
    cut = store.sql("SELECT * FROM range(1000000000000)", limit=5)
    whole = store.sql("SELECT * FROM range(5)", limit=5)
    none = store.sql("SELECT * FROM range(5)", limit=0)

    assert ([row[0] for row in cut.rows], cut.truncated) == ([0, 1, 2, 3, 4], True)
    assert (len(whole.rows), whole.truncated) == (5, False)
    assert (len(none.rows), none.truncated) == (0, True)
    with pytest.raises(QueryError, match="limit"):
        store.sql("SELECT 1", limit=-1)


def test_parameters(store: DuckDBStore) -> None:
    """Parameters go by place or by name, and are never read as SQL."""
    odd = "'; DROP VIEW traces; --"

    assert store.sql("SELECT ?", params=[odd]).rows == [(odd,)]
    assert store.sql("SELECT $who", params={"who": odd}).rows == [(odd,)]
    with pytest.raises(QueryError):
        store.sql("SELECT ?")


def test_where_names_are(store: DuckDBStore) -> None:
    """A wrong name points to a view that lists the views for users, and no other."""
    with pytest.raises(QueryError, match="FROM README"):
        store.sql("SELECT nope FROM traces")

    listed = {
        note.removeprefix("- ").partition(":")[0]
        for (note,) in store.sql("FROM README").rows
        if note.startswith("- ")
    }
    views = store.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").rows
    assert listed == {name for (name,) in views if not name.startswith("_")} - {"README"}


def test_position(store: DuckDBStore) -> None:
    """A fault is shown by line, column and a mark under the place, in characters."""
    query = "SELECT 'é',\n  nope\nFROM traces"

    with pytest.raises(QueryError) as caught:
        store.sql(query)

    assert caught.value.position == query.index("nope")
    assert "line 2, column 3:   nope" in str(caught.value)
    lines = str(caught.value).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("line 2"))
    assert lines[at + 1].index("^") == lines[at].index("nope")


def test_columns(store: DuckDBStore) -> None:
    """Columns have names and DuckDB's types, and are there when no row is."""
    result = store.sql("SELECT 1::BIGINT AS n, [1.5] AS l, now() AS t WHERE false")

    assert [(column.name, column.type) for column in result.columns] == [
        ("n", "BIGINT"), ("l", "DECIMAL(2,1)[]"), ("t", "TIMESTAMP WITH TIME ZONE"),
    ]  # fmt: skip
    assert result.rows == []


def test_locals(store: DuckDBStore) -> None:
    """SQL does not see Python's variables."""
    secret = [(1,)]

    with pytest.raises(QueryError):
        store.sql("SELECT * FROM secret")
    assert secret


def test_many_threads(store: DuckDBStore) -> None:
    """Queries of several threads do not disturb each other, nor does one that is stopped."""
    problems: list[Any] = []

    def ask(number: int) -> None:
        try:
            for i in range(10):
                query, given = "SELECT ?::int + ?::int", [number, i]
                asked = store.sql(query, params=given, timeout=PATIENCE)
                assert asked.rows == [(number + i,)]
        except (StoreError, AssertionError) as error:
            problems.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    with pytest.raises(QueryError, match="stopped"):
        store.sql(ENDLESS[0], timeout=0.2)
    for thread in threads:
        thread.join()

    assert problems == []


def test_lists_go_on(folder: Path) -> None:
    """A list is answered while a query eats all the time that it may."""
    store, stop, ended = DuckDBStore(folder / "traces.duckdb"), Stop(), []

    def eat() -> None:
        with pytest.raises(QueryError, match="cancelled"):
            store.sql(ENDLESS[1], timeout=1000, stop=stop)
        ended.append(True)

    eater = threading.Thread(target=eat)
    eater.start()
    try:
        for _ in range(5):
            assert store.follow(None).trace_ids == ()
        assert ended == []
    finally:
        stop.tell()
        eater.join()
        store.close()
    assert ended == [True]


@pytest.mark.parametrize("query", ["SHOW TABLES", "show all tables;", "-- all\nDESCRIBE"])
def test_show_tables(store: DuckDBStore, query: str) -> None:
    """A list of tables is that of our views, with what each is."""
    result = store.sql(query, timeout=PATIENCE)

    assert [column.name for column in result.columns] == ["name", "comment"]
    names = [name for name, _ in result.rows]
    assert {"README", "traces", "spans", "deliveries"} < set(names)
    assert not any(name.startswith("_") for name in names)
    assert all(comment for _, comment in result.rows)


@pytest.mark.parametrize("query", ["DESCRIBE Traces", "DESC traces", "SHOW traces;"])
def test_describe(store: DuckDBStore, query: str) -> None:
    """A view is described with what its columns mean; what is no view of ours as DuckDB does."""
    result = store.sql(query, timeout=PATIENCE)
    plain = store.sql("DESCRIBE SELECT name AS n FROM traces", timeout=PATIENCE)

    assert [column.name for column in result.columns] == ["column_name", "column_type", "comment"]
    assert result.rows[0] == ("trace_id", "VARCHAR", "Its id")
    assert len(result.rows) > 20
    assert [row[:2] for row in plain.rows] == [("n", "VARCHAR")]
    with pytest.raises(QueryError, match="trace"):
        store.sql("DESCRIBE trace", timeout=PATIENCE)
