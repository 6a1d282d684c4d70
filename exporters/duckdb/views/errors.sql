-- What is over 64 KiB stands elsewhere, and only its type and the beginning of its message here.
create view _large_errors as
select r.trace_id, coalesce(r.span_id, '') as span_id, max(i.value::varchar)::json as error
from (
    select trace_id, span_id, source, json_extract_string(error, '$."$ref"') as hash
    from _records
    where status = 'error' and contains(error::varchar, '"$ref":')
) as r
inner join _items as i on i.source = r.source and i.hash = r.hash
group by r.trace_id, coalesce(r.span_id, '');

create view errors as
select
    r.trace_id,
    r.span_id,
    r.parent_id,
    r.trace_name,
    r.group_id,
    r.name,
    r.type,
    json_extract_string(r.error, '$.message') as message,
    json_extract_string(r.error, '$.data.type') as error_type,
    json_extract_string(r.error, '$.data.stack') as stack,
    json_extract(r.error, '$.data.causes') as causes,
    r.started_at,
    r.ended_at,
    r.error
from (
    select
        e.trace_id,
        e.span_id,
        e.parent_id,
        coalesce(e.trace_name, e.name) as trace_name,
        e.group_id,
        e.name,
        coalesce(e.type, 'trace') as type,
        e.start_time as started_at,
        e.end_time as ended_at,
        coalesce(l.error, e.error) as error
    from _records as e
    left join _large_errors as l on l.trace_id = e.trace_id and l.span_id = coalesce(e.span_id, '')
    where e.k in ('span', 'trace') and e.status = 'error'
) as r;

comment on view errors is 'Every span that failed, and every trace that an exception left; traces.first_cause_span_id names the one that began it';
comment on column errors.trace_id is 'The trace it belongs to';
comment on column errors.span_id is 'Its id; null for the error of a trace';
comment on column errors.parent_id is 'The span it is nested in';
comment on column errors.trace_name is 'Name of the trace';
comment on column errors.group_id is 'Ties traces together, such as the turns of one chat';
comment on column errors.name is 'Name of the span';
comment on column errors.type is 'Type of the span, or trace';
comment on column errors.message is 'What happened';
comment on column errors.error_type is 'Class of the exception';
comment on column errors.stack is 'Where it was raised, as text';
comment on column errors.causes is 'What led to it, the nearest first, a JSON array';
comment on column errors.started_at is 'When the span started';
comment on column errors.ended_at is 'When the span ended';
comment on column errors.error is 'All that was recorded of it, JSON';
