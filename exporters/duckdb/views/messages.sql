-- Not `generations`, which looks up prices.
create view _talks as
select
    s.trace_id,
    s.span_id,
    s.started_at,
    _whole(s.input, w.input) as input,
    _whole(s.output, w.output) as output
from _spans as s
left join _whole_content as w
    on w.trace_id = s.trace_id and w.span_id = s.span_id and w.start_time = s.started_at
where s.type in ('generation', 'response');

create view messages as
select
    trace_id,
    span_id,
    direction,
    position,
    coalesce(json_extract_string(item, '$.type'), case when json_extract_string(item, '$.role') is not null then 'message' end) as type,
    json_extract_string(item, '$.role') as role,
    case
        when json_type(json_extract(item, '$.content')) = 'VARCHAR' then json_extract_string(item, '$.content')
        when json_type(json_extract(item, '$.content')) = 'ARRAY' then array_to_string(json_extract_string(item, '$.content[*].text'), chr(10))
        else coalesce(json_extract_string(item, '$.output'), json_extract_string(item, '$.arguments'))
    end as text,
    item,
    started_at
from (
    select
        trace_id, span_id, direction, started_at,
        unnest(items) as item,
        generate_subscripts(items, 1) as position
    from (
        select trace_id, span_id, started_at, 'input' as direction, json_extract(input, '$[*]') as items from _talks
        union all
        select trace_id, span_id, started_at, 'output' as direction, json_extract(output, '$[*]') as items from _talks
    )
);

comment on view messages is 'Every item that went into or came out of a model call, one a row. A loop sends its history again each turn; the last call has it all';
comment on column messages.trace_id is 'The trace of the call';
comment on column messages.span_id is 'The call';
comment on column messages.direction is 'input or output';
comment on column messages.position is 'Its place in the list, from 1';
comment on column messages.type is 'message, function_call, function_call_output, reasoning …';
comment on column messages.role is 'user, assistant, system, developer or tool';
comment on column messages.text is 'Its text: of a message, or of a tool call''s arguments or output';
comment on column messages.item is 'The item as it was sent or received, JSON';
comment on column messages.started_at is 'When the model was called';
