create view _judged as
select
    t.*,
    v.blocked,
    coalesce(v.error_count, 0) as error_count,
    coalesce(v.handled_errors, 0) as handled_errors,
    v.error_cause,
    v.block_cause,
    t.end_ns is null and coalesce(not t.trace_gone, t.spans_alive) as running,
    coalesce(v.error_count > 0, false) or (
        t.trace_status = 'error' and not _is_tripwire(
            json_extract_string(t.trace_error, '$.message'),
            json_extract_string(t.trace_error, '$.data.type')
        )
    ) as failed,
    case
        when running then 'running'
        when failed then 'error'
        when v.blocked then 'blocked'
        when t.trace_status = 'cancelled' then 'cancelled'
        when t.end_ns is null then 'interrupted'
        else 'ok'
    end as status
from _rollup as t
left join _verdicts as v on v.trace_id = t.trace_id;

create view _heads as
select v.trace_id, _whole(v.input, w.input) as input, _whole(v.output, w.output) as output, v.is_last
from _voices as v
left join (
    select trace_id, any_value(input) as input, any_value(output) as output
    from _whole_content_of_heads
    group by trace_id
) as w on w.trace_id = v.trace_id;

create view traces as
select
    t.trace_id,
    t.name,
    t.status,
    make_timestamptz(t.start_ns // 1000) as started_at,
    make_timestamptz(t.end_ns // 1000) as ended_at,
    (t.end_ns - t.start_ns) / 1e6 as duration_ms,
    t.span_count,
    t.error_count,
    t.handled_errors,
    case when t.failed then t.error_cause.span_id when t.blocked then t.block_cause.span_id end as first_cause_span_id,
    case when t.failed then coalesce(t.error_cause.name, json_extract_string(t.trace_error, '$.data.type'), 'trace') when t.blocked then t.block_cause.name end as first_cause_name,
    case when t.failed then coalesce(t.error_cause.type, 'trace') when t.blocked then t.block_cause.type end as first_cause_type,
    case when t.failed then coalesce(t.error_cause.message, json_extract_string(t.trace_error, '$.message'), '') when t.blocked then t.block_cause.message end as first_cause_message,
    h.input,
    case when t.status = 'ok' or not h.is_last then h.output end as output,
    t.group_id,
    t.metadata,
    n.input_tokens,
    n.output_tokens,
    n.cached_tokens,
    n.reasoning_tokens,
    c.cost_usd,
    coalesce(c.unpriced_calls, 0) as unpriced_calls,
    t.models,
    coalesce(l.items, 0) > 0 as incomplete,
    t.trace_id in (select trace_id from _pins) as pinned,
    t.start_ns,
    t.end_ns
from _judged as t
left join _tokens as n on n.trace_id = t.trace_id
left join _costs as c on c.trace_id = t.trace_id
left join _heads as h on h.trace_id = t.trace_id
left join (select trace_id, sum(items) as items from losses group by trace_id) as l on l.trace_id = t.trace_id;

comment on view traces is 'Every trace, one a row';
comment on column traces.trace_id is 'Its id';
comment on column traces.name is 'Its name, as given to trace() or as workflow_name';
comment on column traces.status is 'running, ok, error, blocked (a guardrail tripped), cancelled, or interrupted: its process died. Through this file alone an interrupted trace still shows as running, because SQL cannot see which processes live; flightlog sql and exporters.sql can';
comment on column traces.started_at is 'When it started: the earliest start of its own and of its spans';
comment on column traces.ended_at is 'When it ended; null while it runs';
comment on column traces.duration_ms is 'How long it took, in milliseconds; null while it runs';
comment on column traces.span_count is 'How many spans it has';
comment on column traces.error_count is 'Errored spans whose error was not handled';
comment on column traces.handled_errors is 'Errored spans that the run recovered from: errors within a tool call that gave a result all the same';
comment on column traces.first_cause_span_id is 'Where its trouble began: among failed spans with no failed span below them, the one that ended first; or the guardrail that tripped. Null where no span failed but the trace did';
comment on column traces.first_cause_name is 'Name of that span';
comment on column traces.first_cause_type is 'Type of that span';
comment on column traces.first_cause_message is 'Message of its error';
comment on column traces.input is 'What its first run was asked, JSON; of a trace that does not say, what its first model call was sent';
comment on column traces.output is 'What its last run answered, JSON; of a trace that ended well and does not say, what its last model call answered';
comment on column traces.group_id is 'Ties traces together, such as the turns of one chat';
comment on column traces.metadata is 'What the program said of it, a JSON object';
comment on column traces.input_tokens is 'Tokens sent to models, cached ones included';
comment on column traces.output_tokens is 'Tokens received from models, reasoning included';
comment on column traces.cached_tokens is 'Tokens sent that the servers had cached';
comment on column traces.reasoning_tokens is 'Tokens received that were reasoning';
comment on column traces.cost_usd is 'What its model calls cost in US dollars, as far as it is known; null where it is of none';
comment on column traces.unpriced_calls is 'Model calls that are not in cost_usd: the price of the model or the tokens are not known';
comment on column traces.models is 'Models that were called';
comment on column traces.incomplete is 'Whether something of it could not be kept: see losses';
comment on column traces.pinned is 'Whether flightlog pin keeps it from being purged by age or size';
comment on column traces.start_ns is 'When it started, in nanoseconds since 1970';
comment on column traces.end_ns is 'When it ended, in nanoseconds since 1970';
