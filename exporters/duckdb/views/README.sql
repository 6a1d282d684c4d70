create view README as
select unnest([
    'This file holds views, not data. The data is in the folder of the same name with .d at its end: copy both, or nothing is copied.',
    'Begin with: SELECT name, status, span_count FROM traces ORDER BY started_at',
    'Views: traces, spans, generations, tool_calls, handoffs, guardrails, errors, messages, groups, losses. DESCRIBE one, or SELECT comment FROM duckdb_columns() to read what its columns mean.',
    'spans has the content of a model call as references; generations has it whole, and so has content(trace_id, span_id).',
    'A run whose process was killed stays running here, because SQL cannot see which processes live; flightlog sql and exporters.sql show it as interrupted.',
    'If the folder was moved: SET VARIABLE trace_root = ''/new/place/traces.duckdb.d''',
    'If a query says that a file does not exist, run it again: old files had just been replaced by newer ones with the same rows.'
]) as note;

comment on view README is 'What this file is, and where the data is';
comment on column README.note is 'A sentence to know';
