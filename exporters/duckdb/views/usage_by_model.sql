create view usage_by_model as
select
    model,
    count(*) as calls,
    count(*) filter (where status = 'error') as errors,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_tokens)::bigint as cached_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    _usd(sum(cost_usd)) as cost_usd,
    count(*) filter (where cost_usd is null) as unpriced_calls,
    quantile_cont(duration_ms, 0.5) as p50_ms,
    quantile_cont(duration_ms, 0.95) as p95_ms,
    quantile_cont((first_token_ns - start_ns) / 1e6, 0.5) as p50_first_token_ms,
    min(started_at) as first_used_at,
    max(started_at) as last_used_at
from _outer_calls
group by model;

comment on view usage_by_model is 'What each model was used for and cost, all traces together; calls that another model call made and counted are left out';
comment on column usage_by_model.model is 'Model that was called, by the name that its server gave';
comment on column usage_by_model.calls is 'How many calls';
comment on column usage_by_model.errors is 'How many of them failed';
comment on column usage_by_model.input_tokens is 'Tokens sent, cached ones included';
comment on column usage_by_model.cached_tokens is 'Tokens sent that the server had cached';
comment on column usage_by_model.output_tokens is 'Tokens received, reasoning included';
comment on column usage_by_model.reasoning_tokens is 'Tokens received that were reasoning';
comment on column usage_by_model.cost_usd is 'What the calls cost in US dollars, as far as it is known; null where it is of none';
comment on column usage_by_model.unpriced_calls is 'Calls that are not in cost_usd: the price of the model or the tokens are not known';
comment on column usage_by_model.p50_ms is 'Median time of a call, in milliseconds';
comment on column usage_by_model.p95_ms is 'Time that 95 % of the calls did not exceed, in milliseconds';
comment on column usage_by_model.p50_first_token_ms is 'Median time to the first piece of a streamed answer, in milliseconds';
comment on column usage_by_model.first_used_at is 'When it was first called';
comment on column usage_by_model.last_used_at is 'When it was last called';
