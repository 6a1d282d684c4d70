create view groups as
select
    group_id,
    count(*) as trace_count,
    arg_min(name, started_at) as name,
    min(started_at) as started_at,
    max(ended_at) as ended_at,
    count(*) filter (where status = 'error') as error_count,
    sum(span_count)::bigint as span_count,
    sum(input_tokens)::bigint as input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    _usd(sum(cost_usd)) as cost_usd,
    sum(unpriced_calls)::bigint as unpriced_calls,
    list(trace_id order by started_at, trace_id) as trace_ids
from traces
where group_id is not null
group by group_id;

comment on view groups is 'Traces that belong together, such as the turns of one chat';
comment on column groups.group_id is 'What ties them together';
comment on column groups.trace_count is 'How many traces';
comment on column groups.name is 'Name of the first one';
comment on column groups.started_at is 'When the first one started';
comment on column groups.ended_at is 'When the last one ended';
comment on column groups.error_count is 'How many of them failed';
comment on column groups.span_count is 'How many spans they have';
comment on column groups.input_tokens is 'Tokens sent, all together';
comment on column groups.output_tokens is 'Tokens received, all together';
comment on column groups.cost_usd is 'What their model calls cost in US dollars, as far as it is known; null where it is of none';
comment on column groups.unpriced_calls is 'Model calls that are not in cost_usd';
comment on column groups.trace_ids is 'The traces, in order of start';
