SELECT repeat('x', 2000000000)
----
SELECT 'x'.repeat(2000000000)
----
SELECT system.main.repeat('x', 2000000000)
----
SELECT pg_catalog.repeat('x', 2000000000)
----
SELECT repeat(repeat('x', 100000), 100000)
----
SELECT repeat([1], 2000000000)
----
SELECT lpad('x', 2000000000, 'y')
----
SELECT rpad('x', 2000000000, 'y')
----
SELECT len(range(2000000000))
----
SELECT len(range(1, 2000000000))
----
SELECT len(generate_series(1, 2000000000, 1))
----
SELECT printf('%2000000000d', 1)
----
SELECT printf('%*d', 2000000000, 1)
----
SELECT format('{{:2000000000}}', 1)
----
SELECT format('{{:{{}}}}', 1, 2000000000)
----
SELECT list_resize([1], 2000000000)
----
SELECT array_resize([1], 2000000000, 0)
----
SELECT bar(1, 0, 1, 2000000000)
----
SELECT bitstring('1', 2000000000)
----
SELECT to_base64(encode(repeat(repeat('x', 100000), 100000)))
----
SELECT generate_series(TIMESTAMP '1000-01-01', TIMESTAMP '9999-01-01', INTERVAL 1 MICROSECOND)
