create view _hot as
select /*record*/,
    make_timestamptz(start_ns // 1000) as start_time,
    make_timestamptz(end_ns // 1000) as end_time,
    (end_ns - start_ns) / 1e6 as duration_ms,
    parse_filename(filename) as source
from read_json(_root() || '/hot/*.ndjson', format = 'newline_delimited', columns = /*record types*/,
    ignore_errors = true, filename = true, maximum_object_size = 67108864)
where k in ('span', 'trace', 'loss', 'delivery')
    and parse_filename(filename) not in (select source from _covers);

create view _data as
select /*record*/, start_time, end_time, duration_ms, _part(filename) as source
from read_parquet(_root() || '/parts/*/data.parquet', filename = true, union_by_name = true)
where _act(filename) <= epoch_ms(now())
    and _part(filename) not in (select source from _covers);

create view _open as
select /*record*/, start_time, end_time, duration_ms, _part(filename) as source
from read_parquet(_root() || '/parts/*/open.parquet', filename = true, union_by_name = true)
where _act(filename) <= epoch_ms(now())
    and _part(filename) not in (select source from _covers)
    and _part(filename) || '/open' not in (select source from _covers);
