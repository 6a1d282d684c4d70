-- What a trace was asked and answered, as reading/rows.py has it for lists: what it says itself, else
-- what its first model call was sent, and what its last one answered if that has ended. In one look
-- at the rows, as this is planned three times over.
create view _voices as
select
    trace_id,
    coalesce(own.input, first_call.input) as input,
    case when own.input is null then first_call.source else own.source end as input_source,
    coalesce(own.output, last_call.output) as output,
    case when own.output is null then last_call.source else own.source end as output_source,
    own.output is null as is_last
from (
    select
        trace_id,
        any_value({'source': source, 'input': input, 'output': output}) filter (where k = 'trace') as own,
        arg_min({'source': source, 'input': input}, {'start': start_ns, 'span': span_id}) filter (where k = 'span') as first_call,
        arg_max({'source': source, 'output': case when end_ns is not null then output end}, {'start': start_ns, 'span': span_id})
            filter (where k = 'span') as last_call
    from _records
    where k = 'trace' or (k = 'span' and type in ('generation', 'response'))
    group by trace_id
);

create view _said_of_heads as
select trace_id, '' as span_id, null::timestamptz as start_time, source, field, said
from (
    select
        trace_id,
        unnest(['input', 'output']) as field,
        unnest([input_source, output_source]) as source,
        unnest([input, output])::varchar as said
    from _voices
)
where not starts_with(said, '{"value":');
