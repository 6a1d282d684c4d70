create macro _quoted(text) as substr(to_json(text)::varchar, 2, length(to_json(text)::varchar) - 2);

-- As it stands in JSON: as written, within a text, or within JSON that is within a text.
create macro _holds(value, text, ignore_case) as
    if(ignore_case,
        contains(lower(value), lower(text)) or (_quoted(text) <> text and (
            contains(lower(value), lower(_quoted(text))) or contains(lower(value), lower(_quoted(_quoted(text)))))),
        contains(value, text) or (_quoted(text) <> text and (
            contains(value, _quoted(text)) or contains(value, _quoted(_quoted(text))))));

create macro _place(value, text, ignore_case) as coalesce(
    nullif(strpos(if(ignore_case, lower(value), value), if(ignore_case, lower(text), text)), 0),
    nullif(strpos(if(ignore_case, lower(value), value), if(ignore_case, lower(_quoted(text)), _quoted(text))), 0),
    nullif(strpos(if(ignore_case, lower(value), value), if(ignore_case, lower(_quoted(_quoted(text))), _quoted(_quoted(text)))), 0),
    1
);

create macro _excerpt(value, text, ignore_case) as substr(
    value, greatest(_place(value, text, ignore_case) - 60, 1)::bigint, 120 + length(text)
);

create macro _is_list(value) as
    strlen(value) = /*list length*/ and regexp_full_match(value, '\["[0-9a-f]{32}"(,"[0-9a-f]{32}")*\]');

-- Shared content is looked through once, and then who names it, by itself or in a list of items.
create macro search(text, ignore_case := false) as table
with
hits as materialized (
    select source, hash, _excerpt(value::varchar, text, ignore_case) as excerpt
    from _items
    where _holds(value::varchar, text, ignore_case) and not _is_list(value::varchar)
),
lists as materialized (
    select e.source, e.hash, min(h.excerpt) as excerpt
    from (
        select source, hash, unnest(json_extract_string(value, '$[*]')) as element
        from _items
        where source in (select source from hits) and _is_list(value::varchar)
    ) as e
    inner join hits as h on h.source = e.source and h.hash = e.element
    group by e.source, e.hash
),
found as (
    select n.trace_id, nullif(n.span_id, '') as span_id, n.field, n.start_time, h.excerpt
    from (
        select trace_id, span_id, field, start_time, source, unnest(string_split(said, '"')) as hash
        from _said
        where source in (select source from hits)
    ) as n
    inner join (from hits union all from lists) as h on h.source = n.source and h.hash = n.hash
    union all
    select trace_id, span_id, field, start_time, _excerpt(said, text, ignore_case)
    from (
        select
            trace_id, span_id, start_time,
            unnest(['input', 'output', 'error']) as field,
            unnest([
                if(starts_with(input::varchar, '{"value":'), substr(input::varchar, 10, length(input::varchar) - 10), null),
                if(starts_with(output::varchar, '{"value":'), substr(output::varchar, 10, length(output::varchar) - 10), null),
                error::varchar
            ]) as said
        from _records
        where k in ('span', 'trace') and (
            _holds(input::varchar, text, ignore_case)
            or _holds(output::varchar, text, ignore_case)
            or _holds(error::varchar, text, ignore_case)
        )
    )
    where _holds(said, text, ignore_case)
)
select trace_id, span_id, field, min(excerpt) as excerpt, min(start_time) as started_at
from found
group by trace_id, span_id, field;
