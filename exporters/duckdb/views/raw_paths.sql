create macro _root() as coalesce(getvariable('trace_root'), '/*root*/');

create macro _act(path) as try_cast(split_part(split_part(path, '/p-', -1), '-', 1) as bigint);

create macro _part(path) as split_part(split_part(path, '/parts/', -1), '/', 1);

create view _covers as
select source
from read_csv(_root() || '/parts/*/covers.csv', columns = {'source': 'VARCHAR'}, header = false,
    filename = true, auto_detect = false, delim = '|', quote = '', escape = '')
where _act(filename) <= epoch_ms(now());

create view _gone as
select null::varchar as owner where false;
