create macro _quoted(text) as substr(to_json(text)::varchar, 2, length(to_json(text)::varchar) - 2);

-- As it stands in JSON: as written, within a text, or within JSON that is within a text.
create macro _holds(value, text, ignore_case) as
    case when ignore_case then
        contains(lower(value), lower(text)) or (_quoted(text) <> text and (
            contains(lower(value), lower(_quoted(text))) or contains(lower(value), lower(_quoted(_quoted(text))))))
    else
        contains(value, text) or (_quoted(text) <> text and (
            contains(value, _quoted(text)) or contains(value, _quoted(_quoted(text)))))
    end;

create macro _cased(value, ignore_case) as case when ignore_case then lower(value) else value end;

create macro _place(value, text, ignore_case) as coalesce(
    nullif(strpos(_cased(value, ignore_case), _cased(text, ignore_case)), 0),
    nullif(strpos(_cased(value, ignore_case), _cased(_quoted(text), ignore_case)), 0),
    nullif(strpos(_cased(value, ignore_case), _cased(_quoted(_quoted(text)), ignore_case)), 0),
    1
);

create macro _excerpt(value, text, ignore_case) as substr(
    value, greatest(_place(value, text, ignore_case) - 60, 1)::bigint, 120 + length(text)
);

create macro _is_list(value) as
    strlen(value) = /*list length*/ and regexp_full_match(value, '\["[0-9a-f]{32}"(,"[0-9a-f]{32}")*\]');

create macro _asked(part, within) as coalesce(part = within, within is null);

create macro _is_no_field(within) as case
    when within is null or within in ('input', 'output', 'instructions', 'tools', 'error') then false
    else error('''' || within || ''' is no field that search looks within. Its fields are input, output, instructions, tools and error. Name one of them, or leave within out to look within all.')
end;

-- Items are looked through once, and then rows once: for the text, if it stands there, and for the
-- names of the items that have it. A row that names items is split at its quotes, which gives their
-- hashes, among other words that are no hash of an item.
create macro search(text, ignore_case := false, within := null) as table
with
looked as materialized (
    select source, hash, listed, case when listed then value::varchar else _excerpt(value::varchar, text, ignore_case) end as said
    from (select source, hash, value, _is_list(value::varchar) as listed from _items)
    -- Every hash is more than nothing; but it makes DuckDB expect few, and look each name up among
    -- them rather than each of them among all the names.
    where hash > '' and (listed or _holds(value::varchar, text, ignore_case))
),
hits as materialized (
    select source, hash, said as excerpt from looked where not listed
    union all
    select e.source, e.hash, min(h.said)
    from (
        select source, hash, unnest(json_extract_string(said, '$[*]')) as element
        from looked
        where listed
    ) as e
    inner join (from looked where not listed) as h on h.source = e.source and h.hash = e.element
    group by e.source, e.hash
),
spoken as (
    select
        trace_id, span_id, start_time, source,
        unnest(['input', 'output', 'instructions', 'tools', 'error']) as field,
        unnest([
            case when _asked('input', within) then input::varchar end,
            case when _asked('output', within) then output::varchar end,
            case when _asked('instructions', within) then instructions::varchar end,
            case when _asked('tools', within) then tools::varchar end,
            case when _asked('error', within) then '{"value":' || error::varchar || '}' end
        ]) as said
    from _records
    where k in ('span', 'trace') and (
        (_asked('input', within) and (not starts_with(input::varchar, '{"value":') or _holds(input::varchar, text, ignore_case)))
        or (_asked('output', within) and (not starts_with(output::varchar, '{"value":') or _holds(output::varchar, text, ignore_case)))
        or (_asked('instructions', within) and instructions is not null)
        or (_asked('tools', within) and tools is not null)
        or (_asked('error', within) and _holds(error::varchar, text, ignore_case))
    )
),
pieces as (
    select
        trace_id, span_id, start_time, source, field,
        unnest(case when not inline then string_split(said, '"') when _holds(said, text, ignore_case) then [''] else [] end) as name,
        case when inline then _excerpt(said, text, ignore_case) end as excerpt
    from (
        select * exclude (said), case when inline then substr(said, 10, length(said) - 10) else said end as said
        from (select *, starts_with(said, '{"value":') as inline from spoken)
    )
)
select p.trace_id, p.span_id, p.field, min(coalesce(p.excerpt, h.excerpt)) as excerpt, min(p.start_time) as started_at
from pieces as p
left join hits as h on h.source = p.source and h.hash = p.name
where p.excerpt is not null or h.excerpt is not null
group by p.trace_id, p.span_id, p.field
union all
select null, null, null, null, null where _is_no_field(within);  -- also where nothing was recorded
