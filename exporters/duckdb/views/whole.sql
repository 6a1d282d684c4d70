create view _whole_/*field*/ as
select
    r.trace_id,
    r.span_id,
    case
        when count(*) < any_value(r.size) then '{"flightlog.lost":"content not found"}'
        when any_value(r.single) then any_value(i.value::varchar)
        else '[' || string_agg(i.value::varchar, ',' order by r.position) || ']'
    end as content
from (
    select
        trace_id, span_id, source, single, len(hashes) as size,
        unnest(hashes) as hash, generate_subscripts(hashes, 1) as position
    from (
        select
            trace_id, coalesce(span_id, '') as span_id, source,
            json_extract_string(/*field*/, '$.ref') is not null as single,
            case
                when json_extract_string(/*field*/, '$.ref') is not null
                    then [json_extract_string(/*field*/, '$.ref')]
                else json_extract_string(/*field*/, '$.refs[*]')
            end as hashes
        from _records
        where k in ('span', 'trace') and json_extract(/*field*/, '$.value') is null
            and /*field*/ is not null
    )
) as r
inner join _items as i on i.source = r.source and i.hash = r.hash
group by r.trace_id, r.span_id;
