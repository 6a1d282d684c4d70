create view _calls as
select trace_id, span_id, parent_id, model, input_tokens, output_tokens, cached_tokens, reasoning_tokens
from _records
where k = 'span' and type in ('generation', 'response');

create view _tokens as
select
    c.trace_id,
    sum(c.input_tokens)::bigint as input_tokens,
    sum(c.output_tokens)::bigint as output_tokens,
    sum(c.cached_tokens)::bigint as cached_tokens,
    sum(c.reasoning_tokens)::bigint as reasoning_tokens
from _calls as c
left join (select trace_id, span_id, any_value(true) as found from _calls group by trace_id, span_id) as p
    on p.trace_id = c.trace_id and p.span_id = c.parent_id
where p.found is null
group by c.trace_id;

create view _rollup as
select
    trace_id,
    coalesce(any_value(name) filter (where k = 'trace'), any_value(trace_name)) as name,
    any_value(group_id) as group_id,
    any_value(metadata) as metadata,
    coalesce(min(nullif(start_ns, 0)), 0) as start_ns,
    case
        when bool_or(k = 'trace') then any_value(end_ns) filter (where k = 'trace')
        when bool_and(end_ns is not null) filter (where k = 'span') then max(end_ns) filter (where k = 'span')
    end as end_ns,
    coalesce(any_value(status) filter (where k = 'trace'), 'ok') as trace_status,
    any_value(error) filter (where k = 'trace') as trace_error,
    bool_or(end_ns is null and owner in (select owner from _gone)) filter (where k = 'trace') as trace_gone,
    bool_or(end_ns is null and owner not in (select owner from _gone)) filter (where k = 'span') as spans_alive,
    count(*) filter (where k = 'span') as span_count,
    coalesce(bool_or(status = 'error' or type = 'guardrail') filter (where k = 'span'), false) as trouble,
    coalesce(list(distinct model order by model) filter (where model is not null), []::varchar[]) as models
from _records
where k in ('span', 'trace')
group by trace_id;
