SELECT len(replace(repeat('x', 100000), 'x', repeat('y', 100000)))
----
SELECT len(replace(replace(repeat('x', 1000), 'x', repeat('y', 1000)), 'y', repeat('z', 100000)))
----
SELECT len(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g'))
----
SELECT len(translate(repeat('x', 100000), 'x', 'y')) FROM range(100000) a, range(100000) b WHERE a.range = -1 OR len(repeat('y', 100000)) > b.range * 100000
----
SELECT sum(len(a)) FROM (SELECT array_agg(range) OVER (ORDER BY range) AS a FROM range(100000))
----
SELECT len(list_sort(l)) FROM (SELECT list(range) AS l FROM range(1000000000))
----
SELECT histogram(range) FROM range(1000000000)
----
SELECT map_from_entries(list((range, range))) FROM range(300000000)
----
SELECT len(list_transform(range(100000), lambda x: range(100000)))
----
SELECT len(flatten(list_transform(range(100000), lambda x: range(100000))))
----
SELECT len(array_to_string(list_transform(range(100000), lambda x: repeat('x', 100000)), ''))
----
SELECT list_reduce(list_transform(range(100), lambda x: 'x'), lambda a, b: a || a)
----
SELECT json_group_array(repeat('x', 100000)) FROM range(1000000)
----
SELECT len(to_json(list_transform(range(100000), lambda x: repeat('x', 100000)))::VARCHAR)
----
WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(len(s)) FROM t
----
WITH RECURSIVE t AS (SELECT [1] AS l UNION ALL SELECT list_concat(l, l) FROM t) SELECT max(len(l)) FROM t
----
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t, range(1000)) SELECT count(*) FROM t
----
SELECT count(DISTINCT a.range * 100000 + b.range) FROM range(100000) a, range(100000) b
----
SELECT * FROM range(10000000) a, range(10000000) b ORDER BY hash(a.range, b.range)
----
SELECT string_agg(repeat('x', 90000 + range % 2), '') FROM range(1000000)
----
SELECT list(range) FROM range(100000000000)
----
SELECT quantile_cont(range, 0.5) FROM range(100000000000)
----
SELECT mode(range) FROM range(100000000000)
----
SELECT list(a.range) OVER (PARTITION BY a.range % 2 ORDER BY a.range) FROM range(1000000) a ORDER BY 1 DESC
----
WITH a AS MATERIALIZED (SELECT repeat('x', 100000 - range % 7) AS s FROM range(1000000)) SELECT * FROM a x, a y WHERE x.s > y.s
----
SELECT unnest(list_transform(range(100000), lambda x: repeat('x', 100000)))
----
SELECT array_cross_product([1.0, 2.0, 3.0]::FLOAT[3], [1.0, 2.0, 3.0]::FLOAT[3]), repeat('x', 100000) || repeat('y', range) FROM range(100000) ORDER BY 2
----
SELECT list_zip(range(100000), list_transform(range(100000), lambda x: repeat('x', 10000 + x % 3)))
----
SELECT len(string_split(replace(repeat('x', 100000), 'x', repeat('y,', 50000)), ','))
