create view _live as
select * from (select * from _hot union all select * from _open)
qualify row_number() over (
    partition by k, trace_id, span_id, case when k in ('loss', 'delivery') then owner || '/' || seq end
    order by rev desc, seq desc
) = 1;

create view _records as
select * from _data union all select * from _live;

create view _items as
select source, hash, value from _part_items
union all
select source, hash, any_value(value) as value from _hot_items group by source, hash;
