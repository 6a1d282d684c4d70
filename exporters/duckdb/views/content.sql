create macro content(trace, span) as table
select
    r.trace_id,
    r.span_id,
    _whole(r.input, w.input) as input,
    _whole(r.output, w.output) as output,
    _whole(r.instructions, w.instructions) as instructions,
    _whole(r.tools, w.tools) as tools
from _records as r
left join (select * from _whole_content where trace_id = trace and span_id = span) as w
    on w.span_id = r.span_id and w.start_time = r.start_time
where r.k = 'span' and r.trace_id = trace and r.span_id = span;
