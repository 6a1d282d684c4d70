create view tool_calls as
select
    s.trace_id,
    s.span_id,
    s.parent_id,
    s.trace_name,
    s.group_id,
    s.name,
    s.status,
    s.started_at,
    s.ended_at,
    s.duration_ms,
    _whole(s.input, w.input) as input,
    _whole(s.output, w.output) as output,
    s.error_message,
    s.error_type,
    s.error,
    json_extract(s.data, '$.mcp_data') as mcp_data,
    s.attributes
from _spans as s
left join _whole_content as w
    on w.trace_id = s.trace_id and w.span_id = s.span_id and w.start_time = s.started_at
where s.type = 'function';

comment on view tool_calls is 'Every call of a tool, with its arguments and result';
comment on column tool_calls.trace_id is 'The trace it belongs to';
comment on column tool_calls.span_id is 'Its id';
comment on column tool_calls.parent_id is 'The span it is nested in';
comment on column tool_calls.trace_name is 'Name of the trace';
comment on column tool_calls.group_id is 'Ties traces together, such as the turns of one chat';
comment on column tool_calls.name is 'Name of the tool';
comment on column tool_calls.status is 'running, ok, error, cancelled or interrupted';
comment on column tool_calls.started_at is 'When it was called';
comment on column tool_calls.ended_at is 'When it returned; null while it runs';
comment on column tool_calls.duration_ms is 'How long it took, in milliseconds';
comment on column tool_calls.input is 'Arguments, JSON (a string that holds JSON, as the model wrote it)';
comment on column tool_calls.output is 'What it returned, JSON';
comment on column tool_calls.error_message is 'Message of its error';
comment on column tool_calls.error_type is 'Class of the exception that it raised';
comment on column tool_calls.error is 'Its error: JSON with message and data (type, stack, causes)';
comment on column tool_calls.mcp_data is 'Where it came from, of a tool of an MCP server';
comment on column tool_calls.attributes is 'What the program set on the span';
