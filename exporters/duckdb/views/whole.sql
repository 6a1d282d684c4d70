-- One view for all four, because DuckDB leaves out an unused left join only where there is one.
create view _whole_content as
select
    trace_id,
    span_id,
    max(content) filter (where field = 'input') as input,
    max(content) filter (where field = 'output') as output,
    max(content) filter (where field = 'instructions') as instructions,
    max(content) filter (where field = 'tools') as tools
from (
    select
        r.trace_id,
        r.span_id,
        r.field,
        case
            when count(*) < any_value(r.size) then '{"flightlog.lost":"content not found"}'
            when any_value(r.single) then any_value(i.value::varchar)
            else '[' || string_agg(i.value::varchar, ',' order by r.position) || ']'
        end as content
    from (
        select
            trace_id, span_id, source, field, single, len(hashes) as size,
            unnest(hashes) as hash, generate_subscripts(hashes, 1) as position
        from (
            select
                trace_id, coalesce(span_id, '') as span_id, source, field,
                json_extract_string(said, '$.ref') is not null as single,
                case
                    when json_extract_string(said, '$.ref') is not null
                        then [json_extract_string(said, '$.ref')]
                    else json_extract_string(said, '$.refs[*]')
                end as hashes
            from (
            select trace_id, span_id, source, 'input' as field, input as said
            from _records where k in ('span', 'trace') and input is not null
            union all
            select trace_id, span_id, source, 'output' as field, output as said
            from _records where k in ('span', 'trace') and output is not null
            union all
            select trace_id, span_id, source, 'instructions' as field, instructions as said
            from _records where k in ('span', 'trace') and instructions is not null
            union all
            select trace_id, span_id, source, 'tools' as field, tools as said
            from _records where k in ('span', 'trace') and tools is not null
            )
            where json_extract(said, '$.value') is null
        )
    ) as r
    inner join _items as i on i.source = r.source and i.hash = r.hash
    group by r.trace_id, r.span_id, r.field
)
group by trace_id, span_id;
