create view handoffs as
select
    trace_id,
    span_id,
    parent_id,
    trace_name,
    group_id,
    json_extract_string(data, '$.from_agent') as from_agent,
    json_extract_string(data, '$.to_agent') as to_agent,
    status,
    started_at,
    ended_at,
    duration_ms,
    error_message
from _spans
where type = 'handoff';

comment on view handoffs is 'Every handoff of control from one agent to another';
comment on column handoffs.trace_id is 'The trace it belongs to';
comment on column handoffs.span_id is 'Its id';
comment on column handoffs.parent_id is 'The span it is nested in';
comment on column handoffs.trace_name is 'Name of the trace';
comment on column handoffs.group_id is 'Ties traces together, such as the turns of one chat';
comment on column handoffs.from_agent is 'Agent that gave control away';
comment on column handoffs.to_agent is 'Agent that took it';
comment on column handoffs.status is 'running, ok, error, cancelled or interrupted';
comment on column handoffs.started_at is 'When it started';
comment on column handoffs.ended_at is 'When it was done';
comment on column handoffs.duration_ms is 'How long it took, in milliseconds';
comment on column handoffs.error_message is 'Message of its error';
