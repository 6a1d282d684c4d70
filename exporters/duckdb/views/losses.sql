create view losses as
select
    start_ns as lost_ns,
    start_time as lost_at,
    exporter,
    reason,
    items,
    trace_id
from _records
where k = 'loss';

comment on view losses is 'What could not be kept or delivered, by whom and why';
comment on column losses.lost_ns is 'When it was counted, in nanoseconds since 1970';
comment on column losses.lost_at is 'When it was counted';
comment on column losses.exporter is 'Who lost it';
comment on column losses.reason is 'Why';
comment on column losses.items is 'How many spans, traces or values';
comment on column losses.trace_id is 'The trace they belonged to, where it is known';
