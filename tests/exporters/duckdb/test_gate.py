"""The gate lets one reading statement through, and nothing else, whatever it is dressed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb import gate
from exporters.duckdb.local import DuckDBStore
from exporters.store import QueryError, SqlResult, StoreError

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

ATTACKS = (
    "",
    "   ",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW traces",
    "SELECT 1;; COPY traces TO '{evil}'",
    "/* SELECT */ COPY (SELECT 1) TO '{evil}'",
    "COPY traces TO '{evil}'",
    "COPY (SELECT 1) TO '{inside}'",
    "EXPORT DATABASE '{evil}'",
    "ATTACH '{evil}' AS evil",
    "ATTACH ':memory:' AS evil",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL httpfs",
    "SET enable_external_access = true",
    "SET GLOBAL memory_limit = '100GB'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "CALL checkpoint()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CREATE TABLE evil AS SELECT 1",
    "CREATE TEMP TABLE evil (i INT)",
    "CREATE OR REPLACE VIEW traces AS SELECT 1",
    "CREATE MACRO evil() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP VIEW traces",
    "INSERT INTO _gone VALUES ('x')",
    "UPDATE _gone SET owner = 'x'",
    "DELETE FROM _hot_rows",
    "TRUNCATE _hot_rows",
    "WITH x AS (INSERT INTO _gone VALUES ('x') RETURNING *) FROM x",
    "WITH x AS (DELETE FROM _hot_rows RETURNING *) SELECT count(*) FROM x",
    "EXPLAIN ANALYZE INSERT INTO _gone VALUES ('x')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{evil}'",
    "explain /* x */ analyze create table evil (i int)",
    "/**/EXPLAIN\nANALYZE\nDELETE FROM _hot_rows",
    "SET VARIABLE trace_root = '/etc'",
    "COMMENT ON VIEW traces IS 'x'",
    "ALTER TABLE _gone ADD COLUMN x INT",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM read_duckdb('{secret}')",
    "SELECT * FROM '{secret}'",
    'SELECT * FROM "{secret}"',
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('{root}/../secret.txt')",
    "SELECT * FROM read_text(['{secret}'])",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM query_table('traces')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM enable_profiling(save_location = '{evil}')",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT write_log('x')",
    "SELECT repeat('x', 2000000000)",
    "SELECT 'x'.repeat(2000000000)",
    "SELECT system.main.repeat('x', 2000000000)",
    "SELECT pg_catalog.repeat('x', 2000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT len(range(2000000000))",
    "SELECT len(range(1, 2000000000))",
    "SELECT len(generate_series(1, 2000000000, 1))",
    "SELECT printf('%2000000000d', 1)",
    "SELECT format('{{:2000000000}}', 1)",
    "SELECT list_resize([1], 2000000000)",
    "SELECT array_resize([1], 2000000000, 0)",
    "SELECT bar(1, 0, 1, 2000000000)",
    "SELECT bitstring('1', 2000000000)",
    "SELECT list(range) FROM range(100000000000)",
    "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(len(s)) FROM t",  # noqa: E501
    "SELECT string_agg(repeat('x', 90000 + range % 2), '') FROM range(1000000)",
    "SELECT \u2028 1; DROP VIEW traces",
    "\ufeffCOPY traces TO '{evil}'",
    "\uff23\uff2f\uff30\uff39 traces TO '{evil}'",
    "SELECT 1 \x00; DROP VIEW traces",
    "SELECT * FROM $1; DROP VIEW traces",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT nothing FROM nowhere",
    "SELEC 1",
)

ENDLESS = (
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1",
    "SELECT count(*) FROM range(100000000000) WHERE sqrt(range) < 0",
    "SELECT * FROM range(1000000000000) WHERE range < 0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store's place in it, and a secret beside that."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "secret.txt").write_text("do not tell")
    return folder


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[DuckDBStore]:
    """A store that is empty."""
    store = DuckDBStore(folder / "traces.duckdb")
    yield store
    store.close()


@pytest.mark.parametrize("query", ALLOWED)
def test_allowed(store: DuckDBStore, query: str) -> None:
    """What reads goes through, however it is written."""
    assert isinstance(store.sql(query), SqlResult)


@pytest.mark.parametrize("query", ATTACKS)
def test_refused(store: DuckDBStore, folder: Path, query: str) -> None:
    """What writes, looks beyond the store or blows up is a QueryError, and leaves no trace."""
    evil = folder / "evil.csv"
    root = folder / "traces.duckdb.d"
    for mark, value in (
        ("{evil}", evil), ("{inside}", root / "evil.csv"), ("{secret}", folder / "secret.txt"),
        ("{folder}", folder), ("{root}", root), ("{{", "{"), ("}}", "}"),
    ):  # fmt: skip
        query = query.replace(mark, str(value))

    with pytest.raises(QueryError) as caught:
        store.sql(query, timeout=20)

    assert "do not tell" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["secret.txt"]
    assert store.sql("SELECT count(*) FROM traces").rows == [(0,)]


@pytest.mark.parametrize("query", ENDLESS)
def test_time(store: DuckDBStore, query: str) -> None:
    """A query that does not end is stopped, and the next one is answered."""
    with pytest.raises(QueryError, match=r"stopped after 0\.2 s"):
        store.sql(query, timeout=0.2)

    assert store.sql("SELECT 1").rows == [(1,)]


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


def test_huge_result(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that does not fit into memory is refused."""
    monkeypatch.setattr(gate, "RESULT_BYTES", 1_000_000)

    with pytest.raises(QueryError, match="larger than"):
        store.sql("SELECT repeat('x', 90000 + range % 2) FROM range(1000)")


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
                assert store.sql("SELECT ?::int + ?::int", params=[number, i]).rows == [
                    (number + i,)
                ]
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
    """A list is answered while a query eats all the memory that it may."""
    store = DuckDBStore(folder / "traces.duckdb")
    try:
        begun = threading.Event()

        def eat() -> None:
            begun.set()
            with pytest.raises(QueryError):
                store.sql(ENDLESS[1], timeout=1.0)

        eater = threading.Thread(target=eat)
        eater.start()
        begun.wait(5)
        answers = 0
        while eater.is_alive():
            assert store.follow(None).trace_ids == ()
            answers += 1
        eater.join()

        assert answers > 1
    finally:
        store.close()
