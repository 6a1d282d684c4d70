create view deliveries as
select
    exporter,
    status as state,
    items,
    reason,
    start_time as counted_at,
    owner
from _records
where k = 'delivery';

comment on view deliveries is 'What exporters delivered or failed to, in counts since the row before';
comment on column deliveries.exporter is 'Whose delivery';
comment on column deliveries.state is 'delivered or failed';
comment on column deliveries.items is 'How many spans and traces';
comment on column deliveries.reason is 'Why it failed';
comment on column deliveries.counted_at is 'When it was counted';
comment on column deliveries.owner is 'The process that delivered';
