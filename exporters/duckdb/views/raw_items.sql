create view _hot_items as
select hash, value, parse_filename(filename) as source
from read_json(_root() || '/hot/*.ndjson', format = 'newline_delimited',
    columns = {'k': 'VARCHAR', 'hash': 'VARCHAR', 'value': 'JSON'},
    ignore_errors = true, filename = true, maximum_object_size = 67108864)
where k = 'item'
    and parse_filename(filename) not in (select source from _covers);

create view _part_items as
select hash, value, _part(filename) as source
from read_parquet(_root() || '/parts/*/items.parquet', filename = true, union_by_name = true)
where _act(filename) <= epoch_ms(now())
    and _part(filename) not in (select source from _covers);
