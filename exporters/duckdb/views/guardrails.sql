create view guardrails as
select
    s.trace_id,
    s.span_id,
    s.parent_id,
    s.trace_name,
    s.group_id,
    s.name,
    coalesce(json_extract_string(s.data, '$.triggered') = 'true', false) as triggered,
    _whole(s.output, w.output) as output,
    s.status,
    s.started_at,
    s.ended_at,
    s.duration_ms,
    s.error_message
from _spans as s
left join _whole_content as w
    on w.trace_id = s.trace_id and w.span_id = s.span_id and w.start_time = s.started_at
where s.type = 'guardrail';

comment on view guardrails is 'Every check of a guardrail';
comment on column guardrails.trace_id is 'The trace it belongs to';
comment on column guardrails.span_id is 'Its id';
comment on column guardrails.parent_id is 'The span it is nested in';
comment on column guardrails.trace_name is 'Name of the trace';
comment on column guardrails.group_id is 'Ties traces together, such as the turns of one chat';
comment on column guardrails.name is 'Name of the guardrail';
comment on column guardrails.triggered is 'Whether its tripwire was triggered';
comment on column guardrails.output is 'What it said of its verdict, JSON';
comment on column guardrails.status is 'running, ok, error, cancelled or interrupted';
comment on column guardrails.started_at is 'When it started';
comment on column guardrails.ended_at is 'When it ended';
comment on column guardrails.duration_ms is 'How long it took, in milliseconds';
comment on column guardrails.error_message is 'Message of its error';
