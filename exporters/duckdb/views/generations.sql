create view generations as
select
    s.trace_id,
    s.span_id,
    s.parent_id,
    s.trace_name,
    s.group_id,
    s.type,
    s.model,
    s.status,
    s.started_at,
    s.ended_at,
    s.duration_ms,
    s.input_tokens,
    s.output_tokens,
    s.cached_tokens,
    s.reasoning_tokens,
    s.cost_usd,
    (s.first_token_ns - s.start_ns) / 1e6 as time_to_first_token_ms,
    _whole(s.instructions, w.instructions) as instructions,
    _whole(s.input, w.input) as input,
    _whole(s.output, w.output) as output,
    _whole(s.tools, w.tools) as tools,
    json_extract(s.data, '$.model_config') as model_config,
    json_extract(s.data, '$.usage') as usage,
    json_extract_string(s.data, '$.response_id') as response_id,
    s.error_message,
    s.data,
    s.attributes
from _model_calls as s
left join _whole_content as w
    on w.trace_id = s.trace_id and w.span_id = s.span_id and w.start_time = s.started_at;

comment on view generations is 'Every call of a model, with the whole content: what was sent and what came back';
comment on column generations.trace_id is 'The trace it belongs to';
comment on column generations.span_id is 'Its id';
comment on column generations.parent_id is 'The span it is nested in';
comment on column generations.trace_name is 'Name of the trace';
comment on column generations.group_id is 'Ties traces together, such as the turns of one chat';
comment on column generations.type is 'generation, or response for the Responses API';
comment on column generations.model is 'Model that was called';
comment on column generations.status is 'running, ok, error, cancelled or interrupted';
comment on column generations.started_at is 'When it was called';
comment on column generations.ended_at is 'When it had answered; null while it runs';
comment on column generations.duration_ms is 'How long it took, in milliseconds';
comment on column generations.input_tokens is 'Tokens sent, cached ones included';
comment on column generations.output_tokens is 'Tokens received, reasoning included';
comment on column generations.cached_tokens is 'Tokens sent that the server had cached';
comment on column generations.reasoning_tokens is 'Tokens received that were reasoning';
comment on column generations.cost_usd is 'What it cost in US dollars by the list of prices; null where the model or its tokens are not known';
comment on column generations.time_to_first_token_ms is 'From the call to the first piece of a streamed answer, in milliseconds; null where it was not streamed';
comment on column generations.instructions is 'Instructions (system prompt) that were sent, JSON';
comment on column generations.input is 'Input items that were sent, a JSON array';
comment on column generations.output is 'Output items that were received, a JSON array';
comment on column generations.tools is 'Tool definitions that were sent, a JSON array';
comment on column generations.model_config is 'Settings of the call, JSON';
comment on column generations.usage is 'Usage as the server reported it, JSON';
comment on column generations.response_id is 'Id that the server gave the response';
comment on column generations.error_message is 'Message of its error';
comment on column generations.data is 'All else that was recorded of it, JSON';
comment on column generations.attributes is 'What the program set on the span';
