create macro _is_tripwire(message, error_type) as
    coalesce(starts_with(message, 'Guardrail tripwire triggered'), false)
    or coalesce(ends_with(error_type, 'TripwireTriggered'), false);

create macro _is_tool(type) as type in ('function', 'mcp_tools');

-- The rule is exporters.status.judge; a property test holds the two together.
create view _verdicts as
with recursive
trouble as materialized (
    select trace_id from _records where k = 'span' and status = 'error'
    union
    select trace_id from _tripped
),
facts as materialized (
    select
        r.trace_id, r.span_id, r.parent_id, r.name, r.type, r.end_ns,
        r.status = 'error' as errored,
        t.span_id is not null as triggered,
        json_extract_string(r.error, '$.message') as message,
        json_extract_string(r.error, '$.data.type') as error_type
    from _records as r
    left join _tripped as t on t.trace_id = r.trace_id and t.span_id = r.span_id
    where r.k = 'span' and r.trace_id in (select trace_id from trouble)
),
climb as (
    select trace_id, span_id as origin, span_id, parent_id, type, errored, 0 as height, [span_id] as path
    from facts
    where errored or triggered
    union all
    select c.trace_id, c.origin, p.span_id, p.parent_id, p.type, p.errored, c.height + 1, list_append(c.path, p.span_id)
    from climb as c
    inner join facts as p on p.trace_id = c.trace_id and p.span_id = c.parent_id
    where not list_contains(c.path, p.span_id)
),
handling as (
    select
        c.trace_id,
        c.origin,
        bool_or(_is_tool(c.type)) as inside_tool,
        coalesce(
            arg_min(p.span_id is not null or not c.errored, c.height)
                filter (where _is_tool(c.type) and not coalesce(p.errored, false)),
            false
        ) as handled
    from climb as c
    left join facts as p on p.trace_id = c.trace_id and p.span_id = c.parent_id
    group by c.trace_id, c.origin
),
judged as (
    select
        f.*,
        f.errored and h.handled as is_handled,
        f.errored and not h.handled and not _is_tripwire(f.message, f.error_type) as is_real,
        f.errored and not h.handled and _is_tripwire(f.message, f.error_type) as is_block,
        f.triggered and not h.inside_tool as is_tripped
    from facts as f
    inner join handling as h on h.trace_id = f.trace_id and h.origin = f.span_id
),
above as (
    select distinct c.trace_id, c.span_id
    from climb as c
    inner join judged as j on j.trace_id = c.trace_id and j.span_id = c.origin
    where j.is_real and c.height > 0
),
causes as (
    select j.*, j.is_real and a.span_id is null as is_cause
    from judged as j
    left join above as a on a.trace_id = j.trace_id and a.span_id = j.span_id
)
select
    trace_id,
    count(*) filter (where is_real) as error_count,
    count(*) filter (where is_handled) as handled_errors,
    bool_or(is_block or is_tripped) as blocked,
    first({'span_id': span_id, 'name': name, 'type': type, 'message': coalesce(message, '')}
        order by end_ns nulls last, span_id) filter (where is_cause) as error_cause,
    first({'span_id': span_id, 'name': name, 'type': type, 'message': 'Guardrail tripwire triggered'}
        order by end_ns nulls last, span_id) filter (where is_tripped) as block_cause
from causes
group by trace_id;
