create view _tripped as
select trace_id, span_id
from _records
where k = 'span' and type = 'guardrail' and json_extract_string(data, '$.triggered') = 'true';
