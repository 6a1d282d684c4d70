create view README as
select unnest([
    'This file holds views, not data. The data is in the folder of the same name with .d at its end: copy both, or nothing is copied.',
    'Begin with: SELECT name, status, span_count FROM traces ORDER BY started_at',
    'These are the views; those whose names begin with _ are what they are made of. DESCRIBE one, or SELECT comment FROM duckdb_columns() to read what its columns mean.',
    '- traces: every trace, with its status, first cause and sums',
    '- spans: every span; the content of a model call is given by reference',
    '- generations: every call of a model, with its content whole; so has content(trace_id, span_id)',
    '- tool_calls: every call of a tool, with its arguments and result',
    '- handoffs: every handoff from one agent to another',
    '- guardrails: every check of a guardrail, and whether it tripped',
    '- errors: every span that failed, and every trace that an exception left',
    '- messages: every item that went into or came out of a model call',
    '- groups: traces that belong together, such as the turns of one chat',
    '- usage_by_model: what each model was used for and cost',
    '- losses: what could not be kept or delivered, by whom and why',
    '- deliveries: what exporters delivered or failed to',
    'search(text) finds a text in whatever was said: FROM search(''refund'', ignore_case := true), or in one field: FROM search(''refund'', within := ''input'')',
    'Costs are counted by prices.csv in the folder, which flightlog writes from its own list and from yours: FLIGHTLOG_PRICES. A model that is not in it has no cost.',
    'A run whose process was killed stays running in this file, because its SQL cannot see which processes live; flightlog sql and exporters.sql show it as interrupted.',
    'If the folder was moved: SET VARIABLE trace_root = ''/new/place/traces.duckdb.d''',
    'If a query says that a file does not exist, run it again: old files had just been replaced by newer ones with the same rows.',
    'Made by flightlog /*version*/ for schema /*schema*/.'
]) as note;

comment on view README is 'What this file is, where the data is, and which views there are';
comment on column README.note is 'A sentence to know';
