create view _pins as
select url_decode(parse_filename(file)) as trace_id
from glob(/*pins*/);
