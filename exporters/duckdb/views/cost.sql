-- The name that a price is looked up by: without the prefixes of those that only pass calls on.
create macro _price_name(model) as
    case
        when contains(model, '/') then regexp_replace(lower(model), '^((litellm|openrouter|any-llm|models)/)+', '')
        else lower(model)
    end;

-- A dated snapshot costs what the model does, unless it has a row of its own.
create macro _snapshot_of(name) as
    case
        when right(name, 1) between '0' and '9' or ends_with(name, '-latest')
            then regexp_replace(name, '(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-latest)$', '')
        else name
    end;

create view _tariffs as
select
    name,
    list({
        'input': input, 'cached_input': coalesce(cached_input, input), 'cache_write': cache_write, 'output': output,
        'above': above, 'since': coalesce(make_timestamptz(epoch_us(since)), '-infinity'::timestamptz)
    } order by above, since nulls first) as tiers
from _prices
group by name;

create view _price_patterns as
select list(name order by length(name) desc) as patterns from _prices where ends_with(name, '*');

-- The last row that holds for so many tokens at that time. Most models have one row, always.
create macro _tier(tiers, tokens, moment) as
    case
        when len(tiers) = 1 and tiers[1].above = 0 and tiers[1].since = '-infinity'::timestamptz then tiers[1]
        else list_filter(tiers, lambda t: (t.above = 0 or t.above < tokens) and t.since <= moment)[-1]
    end;

-- Without a float's noise: a tenth and two tenths are three tenths. cost.py has the same digits.
create macro _usd(dollars) as round(dollars, 12);

-- Cached tokens and those written to a cache are among those sent, reasoning among those received:
-- each is priced once. What a server did not count cannot be priced, so null stays null.
create macro _dollars(tier, sent, cached, written, received) as _usd((
    (sent - least(coalesce(cached, 0) + coalesce(written, 0), sent)) * tier.input
    + least(coalesce(cached, 0), sent) * tier.cached_input
    + coalesce(written, 0) * coalesce(tier.cache_write, tier.input)
    + received * tier.output
) / 1e6);

create view _model_calls as
select
    * exclude (tier),
    _dollars(tier, input_tokens, cached_tokens,
        case
            when tier.cache_write is null then 0
            else try_cast(json_extract_string(data, '$.usage.input_tokens_details.cache_write_tokens') as bigint)
        end,
        output_tokens) as cost_usd
from (
    select
        s.*,
        _tier(coalesce(a.tiers, b.tiers, c.tiers), s.input_tokens, s.started_at) as tier
    from (
        select *, _price_name(model) as price_name
        from _spans
        where type in ('generation', 'response')
    ) as s
    cross join _price_patterns as p
    left join _tariffs as a on a.name = s.price_name
    left join _tariffs as b on b.name = _snapshot_of(s.price_name)
    left join _tariffs as c on c.name = list_filter(p.patterns, lambda x: starts_with(s.price_name, x[:-2]))[1]
);

-- Without the calls that another call made and counted.
create view _outer_calls as
select c.*
from _model_calls as c
where (c.trace_id, c.parent_id) not in (
    select (trace_id, span_id) from _records where k = 'span' and type in ('generation', 'response')
) or c.parent_id is null;

create view _costs as
select trace_id, _usd(sum(cost_usd)) as cost_usd, count(*) filter (where cost_usd is null) as unpriced_calls
from _outer_calls
group by trace_id;
