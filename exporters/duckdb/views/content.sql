create macro content(trace, span) as table
select
    r.trace_id,
    r.span_id,
    _whole(r.input, i.content) as input,
    _whole(r.output, o.content) as output,
    _whole(r.instructions, n.content) as instructions,
    _whole(r.tools, t.content) as tools
from _records as r
left join (select * from _whole_input where trace_id = trace) as i on i.trace_id = r.trace_id and i.span_id = r.span_id
left join (select * from _whole_output where trace_id = trace) as o on o.trace_id = r.trace_id and o.span_id = r.span_id
left join (select * from _whole_instructions where trace_id = trace) as n on n.trace_id = r.trace_id and n.span_id = r.span_id
left join (select * from _whole_tools where trace_id = trace) as t on t.trace_id = r.trace_id and t.span_id = r.span_id
where r.k = 'span' and r.trace_id = trace and r.span_id = span;
