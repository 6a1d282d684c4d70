SELECT 1; SELECT 2
----
SELECT 1; DROP VIEW traces
----
SELECT 1;; COPY traces TO '{evil}'
----
SELECT 1; -- one
COPY traces TO '{evil}'
----
SELECT 1 /* ; */; ATTACH '{evil}' AS evil
----
/* SELECT */ COPY (SELECT 1) TO '{evil}'
----
/* /* SELECT */ */ COPY (SELECT 1) TO '{evil}'
----
-- SELECT 1
COPY (SELECT 1) TO '{evil}'
----
COPY traces TO '{evil}'
----
COPY (SELECT 1) TO '{inside}'
----
COPY traces TO '{evil}' (FORMAT parquet, PARTITION_BY (name))
----
COPY _hot_rows FROM '{secret}'
----
COPY FROM DATABASE memory TO evil
----
EXPORT DATABASE '{evil}'
----
IMPORT DATABASE '{folder}'
----
ATTACH '{evil}' AS evil
----
ATTACH ':memory:' AS evil
----
ATTACH IF NOT EXISTS '{evil}' (TYPE sqlite)
----
DETACH memory
----
USE memory
----
INSTALL httpfs
----
INSTALL httpfs FROM 'http://127.0.0.1:1'
----
FORCE INSTALL httpfs
----
LOAD httpfs
----
LOAD '{secret}'
----
UPDATE EXTENSIONS
----
SET enable_external_access = true
----
SET GLOBAL memory_limit = '100GB'
----
SET SESSION threads = 64
----
SET allowed_directories = ['/']
----
SET temp_directory = '{folder}'
----
SET lock_configuration = false
----
RESET lock_configuration
----
SET VARIABLE trace_root = '/etc'
----
RESET VARIABLE trace_root
----
PRAGMA enable_profiling
----
PRAGMA memory_limit = '100GB'
----
PRAGMA database_list
----
PRAGMA import_database('{folder}')
----
CALL enable_logging()
----
CALL pragma_version()
----
CALL checkpoint()
----
CHECKPOINT
----
FORCE CHECKPOINT
----
VACUUM
----
ANALYZE
----
BEGIN
----
BEGIN; INSERT INTO _gone VALUES ('x'); COMMIT
----
COMMIT
----
ROLLBACK
----
PREPARE p AS SELECT 1
----
PREPARE p AS DELETE FROM _gone
----
EXECUTE p
----
EXECUTE p(1)
----
DEALLOCATE p
----
CREATE TABLE evil AS SELECT 1
----
CREATE TEMP TABLE evil (i INT)
----
CREATE OR REPLACE VIEW traces AS SELECT 1
----
CREATE TEMP VIEW traces AS SELECT 1
----
CREATE MACRO evil() AS 1
----
CREATE OR REPLACE TEMP MACRO repeat(s, n) AS system.main.repeat(s, n)
----
CREATE FUNCTION traces() AS TABLE SELECT 1
----
CREATE SECRET s (TYPE s3)
----
CREATE TYPE mood AS ENUM ('a')
----
CREATE SEQUENCE s
----
CREATE SCHEMA evil
----
CREATE INDEX i ON _gone (owner)
----
DROP VIEW traces
----
DROP MACRO repeat
----
INSERT INTO _gone VALUES ('x')
----
UPDATE _gone SET owner = 'x'
----
DELETE FROM _hot_rows
----
TRUNCATE _hot_rows
----
MERGE INTO _gone USING (SELECT 'x' AS owner) s ON false WHEN NOT MATCHED THEN INSERT
----
ALTER TABLE _gone ADD COLUMN x INT
----
COMMENT ON VIEW traces IS 'x'
----
WITH x AS (INSERT INTO _gone VALUES ('x') RETURNING *) FROM x
----
WITH x AS (DELETE FROM _gone RETURNING *) SELECT count(*) FROM x
----
WITH x AS (UPDATE _gone SET owner = 'x' RETURNING *) SELECT count(*) FROM x
----
SELECT * FROM (WITH x AS (INSERT INTO _gone VALUES ('x') RETURNING *) FROM x)
----
FROM traces; INSERT INTO _gone VALUES ('x')
----
EXPLAIN ANALYZE INSERT INTO _gone VALUES ('x')
----
EXPLAIN ANALYZE COPY (SELECT 1) TO '{evil}'
----
EXPLAIN ANALYZE EXPLAIN ANALYZE SELECT 1
----
EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{evil}'
----
EXPLAIN (FORMAT json) DELETE FROM _gone
----
EXPLAIN ANALYZE ATTACH '{evil}' AS evil
----
EXPLAIN ANALYZE SET threads = 64
----
EXPLAIN ANALYZE SELECT * FROM read_text('{secret}')
----
EXPLAIN ANALYZE EXECUTE p
----
explain /* x */ analyze create table evil (i int)
----
/**/EXPLAIN
ANALYZE
DELETE FROM _hot_rows
----
EXPLAIN ANALYZE -- SELECT
DROP VIEW traces
----
SELECT * FROM $1; DROP VIEW traces
----
PIVOT spans ON status USING count(*)
----
SELECT nothing FROM nowhere
----
SELEC 1
