create view _named/*of*/ as
select
    trace_id, span_id, start_time, source, field,
    contains(said, '"ref":') as single,
    case when contains(said, '"lists":') then json_extract_string(said, '$.lists[*]') else [] end as lists,
    case
        when contains(said, '"ref":') then [json_extract_string(said, '$.ref')]
        else json_extract_string(said, '$.refs[*]')
    end as hashes
from _said/*of*/;

-- Inner joins, so that what they look for narrows what is read: lists are rare.
create view _mentions/*of*/ as
select
    trace_id, span_id, start_time, source, field, single,
    len(lists) * /*list size*/ + len(hashes) as expected,
    len(lists) as position,
    unnest(hashes) as hash,
    generate_subscripts(hashes, 1) as place
from _named/*of*/
union all
select
    m.trace_id, m.span_id, m.start_time, m.source, m.field, false, null, m.position,
    unnest(json_extract_string(l.value, '$[*]')),
    generate_subscripts(json_extract_string(l.value, '$[*]'), 1)
from (
    select
        trace_id, span_id, start_time, source, field,
        unnest(lists) as hash,
        generate_subscripts(lists, 1) - 1 as position
    from _named/*of*/
    where len(lists) > 0
) as m
inner join _items as l on l.source = m.source and l.hash = m.hash;

-- An item whose value is null reads as no value.
create view _whole_content/*of*/ as
select
    trace_id, span_id, start_time,
    max(content) filter (where field = 'input') as input,
    max(content) filter (where field = 'output') as output,
    max(content) filter (where field = 'instructions') as instructions,
    max(content) filter (where field = 'tools') as tools
from (
    select
        m.trace_id, m.span_id, m.start_time, m.field,
        case
            when count(*) < max(m.expected) then '{"flightlog.lost":"content not found"}'
            when bool_or(m.single) then any_value(coalesce(i.value::varchar, 'null'))
            else '[' || string_agg(coalesce(i.value::varchar, 'null'), ',' order by m.position, m.place) || ']'
        end as content
    from _mentions/*of*/ as m
    inner join _items as i on i.source = m.source and i.hash = m.hash
    group by m.trace_id, m.span_id, m.start_time, m.source, m.field
)
group by trace_id, span_id, start_time;
