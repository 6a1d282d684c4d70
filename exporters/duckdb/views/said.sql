-- What rows name by hash, put back together; schema.py has the forms. One view for all four
-- columns, as every join costs those too who do not look at it, and one look at the rows. The
-- time is in the key, so that a question about an hour puts together what was said in that hour.
create view _said as
select trace_id, span_id, start_time, source, field, said
from (
    select
        trace_id, coalesce(span_id, '') as span_id, start_time, source,
        unnest(['input', 'output', 'instructions', 'tools']) as field,
        unnest([input, output, instructions, tools])::varchar as said
    from _records
    where k in ('span', 'trace')
)
where not starts_with(said, '{"value":');
