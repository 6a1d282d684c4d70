WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t
----
WITH RECURSIVE t(n) AS (SELECT 1::HUGEINT UNION SELECT (n * 7 + 1) % 9223372036854775 FROM t) SELECT count(*) FROM t
----
WITH RECURSIVE t(n) USING KEY (n) AS (SELECT 1 UNION SELECT n + 1 FROM t) SELECT count(*) FROM t
----
SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1
----
SELECT count(*) FROM range(100000000000) WHERE sqrt(range) < 0
----
SELECT * FROM range(1000000000000) WHERE range < 0
----
SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))
----
SELECT damerau_levenshtein(repeat('x', 20000), repeat('y', 20000)) FROM range(1000)
----
SELECT regexp_matches(repeat('a', 100000), '(a?){1000}a{1000}b') FROM range(1000000)
----
EXPLAIN ANALYZE SELECT count(*) FROM range(100000000000) WHERE sqrt(range) < 0
----
EXPLAIN ANALYZE SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))
----
SUMMARIZE SELECT * FROM range(100000000000)
----
FROM range(1000000000000) WHERE md5(range::VARCHAR) = 'no'
----
SELECT sum(a.range) OVER (ORDER BY a.range ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM range(100000000) a, range(1000) b
----
SELECT max(x) FROM (SELECT median(a.range) OVER (ROWS BETWEEN 100000 PRECEDING AND CURRENT ROW) AS x FROM range(10000000) a)
----
SELECT list_sum(list_transform(range(100000), lambda x: list_sum(list_transform(range(100000), lambda y: x * y)))) FROM range(100)
----
SELECT count(*) FROM (SELECT unnest(range(100000)) AS n FROM range(1000000)) WHERE n = -1
----
SELECT (SELECT count(*) FROM range(1000000) b WHERE b.range % (a.range + 1) = 0) FROM range(1000000) a ORDER BY 1 LIMIT 1
----
SELECT array_agg(range(99999)) FROM range(100000)
----
SELECT list_concat(range(99999), range(99999)) FROM range(1000000) ORDER BY 1
----
SELECT rank() OVER (ORDER BY a.range * b.range) FROM range(1000000) a, range(1000000) b
