SELECT * FROM read_text('{secret}')
----
SELECT * FROM read_blob('{secret}')
----
SELECT * FROM read_csv('{secret}')
----
SELECT * FROM read_csv_auto('{secret}')
----
SELECT * FROM read_json('{secret}')
----
SELECT * FROM read_json_objects('{secret}')
----
SELECT * FROM read_ndjson_auto('{secret}')
----
SELECT * FROM read_parquet('{secret}')
----
SELECT * FROM parquet_scan(['{secret}'])
----
SELECT * FROM sniff_csv('{secret}')
----
SELECT * FROM parquet_metadata('{secret}')
----
SELECT * FROM parquet_kv_metadata('{secret}')
----
SELECT * FROM read_duckdb('{secret}')
----
SELECT * FROM '{secret}'
----
SELECT * FROM "{secret}"
----
SELECT * FROM 'file://{secret}'
----
SELECT * FROM glob('{folder}/*')
----
SELECT * FROM glob('/etc/*')
----
SELECT * FROM read_text('{root}/../secret.txt')
----
SELECT * FROM read_text('{root}/./../secret.txt')
----
SELECT * FROM read_text(['{secret}'])
----
SELECT * FROM read_text('/proc/self/environ')
----
SELECT * FROM read_text('/proc/self/fd/0')
----
SELECT * FROM read_blob('/dev/stdin')
----
SELECT * FROM read_csv('/etc/passwd', delim = ':', header = false)
----
SELECT * FROM read_text(getvariable('secret') || '{secret}')
----
SELECT * FROM read_text((SELECT '{secret}'))
----
SELECT * FROM (VALUES ('{secret}')) v(path), LATERAL read_text(path)
----
WITH f AS (FROM read_text('{secret}')) SELECT content FROM f
----
FROM traces WHERE name IN (SELECT content FROM read_text('{secret}'))
----
DESCRIBE SELECT * FROM read_csv('{secret}')
----
SUMMARIZE FROM read_csv('{secret}')
----
SELECT * FROM 'https://example.com/x.parquet'
----
SELECT * FROM read_csv('http://127.0.0.1:1/x')
----
SELECT * FROM read_parquet('s3://bucket/x')
----
SELECT * FROM read_parquet('hf://datasets/x/y.parquet')
----
SELECT getenv('HOME')
----
SELECT main.getenv('HOME')
----
SELECT system.main.getenv('HOME')
----
SELECT 'HOME'.getenv()
----
SELECT "GetEnv"('HOME')
----
SELECT list_transform(['HOME'], lambda x: getenv(x))
----
SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')
----
SELECT * FROM query_table('traces')
----
SELECT * FROM query_table(['{secret}'])
----
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
----
SELECT json_serialize_plan('SELECT * FROM read_text(''{secret}'')')
----
SELECT * FROM enable_logging()
----
SELECT * FROM enable_profiling(save_location = '{evil}')
----
SELECT * FROM checkpoint()
----
SELECT * FROM force_checkpoint()
----
SELECT * FROM duckdb_secrets()
----
SELECT * FROM which_secret('{secret}', 's3')
----
SELECT write_log('x')
----
SELECT * FROM sql_auto_complete('SELECT * FROM ''{folder}/')
----
SELECT * FROM import_database('{folder}')
----
SELECT * FROM sqlite_scan('{secret}', 'x')
----
SELECT * FROM postgres_query('x', 'SELECT 1')
----
SELECT * FROM arrow_scan(1, 2, 3)
----
SELECT * FROM pandas_scan(1)
----
SELECT * FROM python_map_function(1)
----
SELECT * FROM secret_of_python
----
SELECT * FROM parquet_file_metadata('{secret}')
----
SELECT * FROM parquet_schema('{secret}')
----
SELECT * FROM parquet_bloom_probe('{secret}', 'a', 1)
----
SELECT * FROM parquet_full_metadata('{secret}')
----
SELECT * FROM read_ndjson_objects('{secret}')
----
SELECT * FROM read_duckdb('{folder}/other.duckdb', table_name := 'x')
----
SELECT * FROM read_text('file:{secret}')
----
SELECT * FROM read_text('~/.bashrc')
----
SELECT * FROM read_blob('/proc/self/mem')
----
SELECT * FROM read_csv('/dev/zero')
----
SELECT * FROM "QUERY"('FROM traces')
----
SELECT * FROM system.main.query('SELECT 1')
----
FROM (VALUES (1)) t(x), LATERAL (FROM query('SELECT 1'))
----
SELECT write_log('x', log_type := 'QueryLog')
----
SELECT * FROM truncate_duckdb_logs()
----
SELECT * FROM shell('id')
