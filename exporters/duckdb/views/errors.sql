create view errors as
select
    trace_id,
    span_id,
    parent_id,
    trace_name,
    group_id,
    name,
    type,
    error_message as message,
    error_type,
    json_extract_string(error, '$.data.stack') as stack,
    json_extract(error, '$.data.causes') as causes,
    started_at,
    ended_at,
    error
from _spans
where status = 'error'
union all
select
    trace_id,
    null,
    null,
    name,
    group_id,
    name,
    'trace',
    json_extract_string(error, '$.message'),
    json_extract_string(error, '$.data.type'),
    json_extract_string(error, '$.data.stack'),
    json_extract(error, '$.data.causes'),
    start_time,
    end_time,
    error
from _records
where k = 'trace' and status = 'error';

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
