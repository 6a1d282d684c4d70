create view spans as
select
    trace_id,
    span_id,
    parent_id,
    trace_name,
    group_id,
    metadata,
    name,
    type,
    status,
    started_at,
    ended_at,
    duration_ms,
    error_message,
    error_type,
    error,
    model,
    input_tokens,
    output_tokens,
    cached_tokens,
    reasoning_tokens,
    _in_place(input) as input,
    _in_place(output) as output,
    data,
    attributes,
    start_ns,
    end_ns,
    first_token_ns,
    owner,
    source
from _spans;


comment on view spans is 'Every span, as it ended or as far as it has come. The content of model calls is given by reference: generations has it whole';
comment on column spans.trace_id is 'The trace it belongs to';
comment on column spans.span_id is 'Its id';
comment on column spans.parent_id is 'The span it is nested in; null at the top of its trace';
comment on column spans.trace_name is 'Name of the trace';
comment on column spans.group_id is 'Ties traces together, such as the turns of one chat';
comment on column spans.metadata is 'Metadata of the trace, a JSON object';
comment on column spans.name is 'Its name: of the agent, the tool, the model …';
comment on column spans.type is 'agent, task, turn, generation, response, function, handoff, guardrail, mcp_tools, custom, speech, transcription …';
comment on column spans.status is 'running, ok, error, cancelled, or interrupted: its process is gone. Interrupted shows in flightlog sql and exporters.sql only';
comment on column spans.started_at is 'When it started';
comment on column spans.ended_at is 'When it ended; null while it runs';
comment on column spans.duration_ms is 'How long it took, in milliseconds; null while it runs';
comment on column spans.error_message is 'Message of its error';
comment on column spans.error_type is 'Class of the exception that was recorded';
comment on column spans.error is 'Its error: JSON with message and data (type, stack, causes)';
comment on column spans.model is 'Model that was called';
comment on column spans.input_tokens is 'Tokens sent, cached ones included';
comment on column spans.output_tokens is 'Tokens received, reasoning included';
comment on column spans.cached_tokens is 'Tokens sent that the server had cached';
comment on column spans.reasoning_tokens is 'Tokens received that were reasoning';
comment on column spans.input is 'What went in, JSON; {"refs": …} or {"ref": …} where the content is shared or large: see content(trace_id, span_id)';
comment on column spans.output is 'What came out, JSON; in the same form as input';
comment on column spans.data is 'All else that its type has, a JSON object: usage, model_config, triggered, from_agent …';
comment on column spans.attributes is 'What the program set on the span';
comment on column spans.start_ns is 'When it started, in nanoseconds since 1970';
comment on column spans.end_ns is 'When it ended, in nanoseconds since 1970';
comment on column spans.first_token_ns is 'When the first piece of a streamed answer came, in nanoseconds since 1970';
comment on column spans.owner is 'The process that recorded it';
comment on column spans.source is 'The file that holds it: a segment or a part';
