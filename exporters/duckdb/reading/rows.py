"""From the rows of the record to the rows of `TraceStore`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporters.duckdb.reading.fragments import Place
from exporters.duckdb.reading.index import Index
from exporters.duckdb.reading.sources import Row, Source, Sources
from exporters.duckdb.views import cost
from exporters.duckdb.views.cost import Costs, Spent, written_to_cache
from exporters.search import (
    MODEL_CALLS,
    Call,
    as_error,
    as_object,
    detail_text,
    failure_of,
    in_order,
    preview,
    sums_of,
)
from exporters.status import SpanFacts, TraceFacts, judge
from exporters.store import LastSign, Lost, SpanDetail, SpanRow, SpanStatus, TraceRow

_HASH = re.compile(r"[0-9a-f]{32}")
# Keys of a value that is kept elsewhere; the others are what SQL asks of a large error.
_LARGE = {"$ref", "message", "data"}
_AT_ONCE = 20_000  # spans whose rows are in memory at once, to make rows of traces
_TURN = 16  # items of a long list that are read at once, to find what was said last

Places = Mapping[str, Sequence[Place]]


def trace_rows(index: Index, trace_ids: Collection[str]) -> list[TraceRow]:
    """Rows of traces, in no order; ids that are not known are left out."""
    places = index.fragments.places(trace_ids) if trace_ids else {}
    lost = index.lost(places)
    costs = cost.current()
    rows: list[TraceRow] = []
    for some in _groups(places):
        skeletons = index.sources.skeletons(some)
        talk = _talk(index.sources, some, skeletons)
        for trace_id, found in skeletons.items():
            if found:
                content = Content(index.sources, {row.at for row in found})
                rows.append(
                    _trace_row(
                        index, found, content, talk[trace_id], costs, lost=lost.get(trace_id, ())
                    )
                )
    return rows


def span_rows(index: Index, trace_id: str) -> list[SpanRow]:
    """Spans of a trace, in order; none where the trace is unknown."""
    places = index.fragments.places([trace_id])
    found = index.sources.skeletons(places).get(trace_id, ())
    costs = cost.current()
    return in_order(_span_row(index, row, costs) for row in found if row.k == "span")


def detail_of(index: Index, trace_id: str, span_id: str) -> SpanDetail | None:
    """One span whole; None when there is none."""
    places = index.fragments.places([trace_id])
    for row in index.sources.whole(places, span_id).get(trace_id, ()):
        if row.k == "span" and row.span_id == span_id:
            return _detail(
                _span_row(index, row, cost.current()), row, Content(index.sources, {row.at})
            )
    return None


def details_of(index: Index, trace_id: str) -> Iterator[SpanDetail]:
    """Every span of a trace whole, in order of start; items are read for all of them at once."""
    places = index.fragments.places([trace_id])
    found = [row for row in index.sources.whole(places).get(trace_id, ()) if row.k == "span"]
    rows = {row.span_id: row for row in found}
    content = Content(index.sources, {row.at for row in found})
    content.prefetch(
        *(field for row in found for field in (row.input, row.output, row.instructions, row.tools))
    )
    costs = cost.current()
    for span in in_order(_span_row(index, row, costs) for row in found):
        yield _detail(span, rows[span.span_id], content)


def _groups(places: Places) -> Iterator[Places]:
    """Traces in groups of so many spans as may be in memory at once."""
    group: dict[str, Sequence[Place]] = {}
    spans = 0
    for trace_id, some in places.items():
        own = sum(place.spans for place in some)
        if group and spans + own > _AT_ONCE:
            yield group
            group, spans = {}, 0
        group[trace_id] = some
        spans += own
    if group:
        yield group


class _Talk(NamedTuple):
    """What a trace was asked and answered, as previews; `last` is what its last call answered."""

    asked: str | None = None
    answered: str | None = None
    last: str | None = None


def _trace_row(
    index: Index,
    rows: Sequence[Row],
    content: Content,
    talk: _Talk,
    costs: Costs,
    *,
    lost: Sequence[Lost],
) -> TraceRow:
    spans = [row for row in rows if row.k == "span"]
    own = next((row for row in rows if row.k == "trace"), None)
    trace_id = rows[0].trace_id
    start = min((row.start_ns for row in rows if row.start_ns), default=0)
    if own is not None:
        end, alive = own.end_ns, own.owner not in index.gone
    else:
        ends = [span.end_ns for span in spans]
        end = None if None in ends else max(end for end in ends if end is not None)
        alive = any(span.end_ns is None and span.owner not in index.gone for span in spans)
    trouble = any(span.status == "error" or span.type == "guardrail" for span in spans)
    verdict = judge(
        TraceFacts(
            ended=end is not None,
            alive=alive,
            status=_span_status(own.status) if own is not None else "ok",
            **failure_of(content.in_place(own.error) if own is not None else None),
        ),
        [_facts(span, content) for span in spans] if trouble else (),
    )
    sums = sums_of([_call(span, costs) for span in spans if span.type in MODEL_CALLS])
    named = own.name if own is not None else None
    return TraceRow(
        trace_id=trace_id,
        name=named or next((row.trace_name for row in rows if row.trace_name), trace_id),
        status=verdict.status,
        start_ns=start,
        end_ns=end,
        duration_ms=None if end is None else (end - start) / 1e6,
        span_count=len(spans),
        error_count=verdict.error_count,
        handled_errors=verdict.handled_errors,
        group_id=next((row.group_id for row in rows if row.group_id is not None), None),
        metadata=as_object(
            content.in_place(next((row.metadata for row in rows if row.metadata is not None), None))
        ),
        input=talk.asked,
        output=talk.last if talk.answered is None and verdict.status == "ok" else talk.answered,
        first_cause=verdict.first_cause,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        cached_tokens=sums.cached_tokens,
        reasoning_tokens=sums.reasoning_tokens,
        cost_usd=sums.cost_usd,
        unpriced_calls=sums.unpriced_calls,
        models=tuple(sorted({span.model for span in spans if span.model is not None})),
        incomplete=bool(lost),
        lost=lost,
        last_sign=_last_sign(rows) if verdict.status == "interrupted" else None,
    )


def _last_sign(rows: Sequence[Row]) -> LastSign:
    """What the newest of a trace's rows tells of its recorder; owners are `<host>-<pid>-<rand>`."""
    last = max(rows, key=lambda row: (max(row.start_ns, row.end_ns or 0), row.seq))
    host, _, rest = (last.owner or "").rpartition("-")[0].rpartition("-")
    known = bool(host) and rest.isascii() and rest.isdecimal()
    return LastSign(
        at_ns=max(last.start_ns, last.end_ns or 0),
        host=host if known else None,
        pid=int(rest) if known else None,
    )


def _talk(
    sources: Sources, places: Places, skeletons: Mapping[str, Sequence[Row]]
) -> dict[str, _Talk]:
    """Previews of what traces were asked and answered, and else of what their model calls were.

    The views have the same rule, in `heads.sql`.
    """
    asked = sources.asked(places)
    talk: dict[str, _Talk] = {}
    silent: dict[str, Sequence[Place]] = {}
    for trace_id, rows in skeletons.items():
        own = next((row for row in asked[trace_id] if row.k == "trace"), None)
        said = _Talk()
        if own is not None:
            content = Content(sources, {own.at})
            said = _Talk(content.preview(own.input), content.preview(own.output))
        talk[trace_id] = said
        if None in said[:2] and any(row.type in MODEL_CALLS for row in rows):
            silent[trace_id] = places[trace_id]
    for trace_id, rows in sources.talk(silent).items() if silent else ():
        calls = sorted(
            (row for row in rows if row.type in MODEL_CALLS),
            key=lambda row: (row.start_ns, row.span_id),
        )
        if not calls:
            continue
        first, last, said = calls[0], calls[-1], talk[trace_id]
        if said.asked is None:
            said = said._replace(asked=Content(sources, {first.at}).preview(first.input))
        if last.end_ns is not None:
            said = said._replace(last=Content(sources, {last.at}).preview(last.output))
        talk[trace_id] = said
    return talk


def _facts(span: Row, content: Content) -> SpanFacts:
    """What the rule of a trace's status looks at."""
    triggered = span.type == "guardrail" and (
        as_object(content.in_place(span.data)).get("triggered") is True
    )
    return SpanFacts(
        span_id=span.span_id or "",
        parent_id=span.parent_id,
        name=span.name,
        type=span.type,
        status=_span_status(span.status),
        end_ns=span.end_ns,
        **failure_of(content.in_place(span.error)),
        triggered=triggered,
    )


def _call(span: Row, costs: Costs) -> Call:
    return Call(
        span.span_id or "",
        span.parent_id,
        span.input_tokens,
        span.output_tokens,
        span.cached_tokens,
        span.reasoning_tokens,
        _cost(span, costs),
    )


def _cost(row: Row, costs: Costs) -> float | None:
    if row.type not in MODEL_CALLS:
        return None
    written = written_to_cache(row.data)
    spent = Spent(row.input_tokens, row.output_tokens, row.cached_tokens, written)
    return costs.dollars(row.model, spent, start_ns=row.start_ns)


def _span_status(status: str) -> SpanStatus:
    return status  # type: ignore[return-value]


def _span_row(index: Index, row: Row, costs: Costs) -> SpanRow:
    content = Content(index.sources, {row.at})
    data = row.data if row.type in ("handoff", "turn") else None
    gone = row.status == "running" and row.owner in index.gone
    return SpanRow(
        span_id=row.span_id or "",
        parent_id=row.parent_id,
        name=row.name,
        type=row.type,
        status="interrupted" if gone else _span_status(row.status),
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        detail=detail_text(row.type, row.name, row.model, as_object(content.in_place(data))),
        error=None if row.error is None else failure_of(content.brief(row.error))["message"],
        model=row.model,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=_cost(row, costs),
    )


def _detail(span: SpanRow, row: Row, content: Content) -> SpanDetail:
    content.prefetch(row.input, row.output, row.instructions, row.tools)
    rest = dict(as_object(content.in_place(row.data)))
    for key, value in (
        ("model", row.model),
        ("instructions", content.whole(row.instructions)),
        ("tools", content.whole(row.tools)),
    ):
        if value is not None:
            rest[key] = value
    usage = rest.get("usage")
    return SpanDetail(
        row=span,
        trace_id=row.trace_id,
        trace_name=row.trace_name,
        input=content.whole(row.input),
        output=content.whole(row.output),
        error=as_error(content.in_place(row.error)),
        usage=usage if isinstance(usage, Mapping) else None,
        data=rest,
        attributes=dict(row.attributes or {}),
    )


class Content:
    """Puts shared content back into what refers to it, from the sources that hold both."""

    def __init__(self, sources: Sources, at: Collection[Source]) -> None:
        self._sources = sources
        self._at = at
        self._items: dict[str, Any] = {}

    def prefetch(self, *fields: Any) -> None:
        """Read the items of several fields at once."""
        self._fetch(
            name for field in fields if isinstance(field, dict) for name in field.get("lists", ())
        )
        self._fetch(name for field in fields for name in self._names(field))

    def whole(self, field: Any) -> Any:
        """The value of a column that is `value`, `ref`, `refs`, or `lists` and `refs`."""
        if field is None:
            return None
        if not isinstance(field, dict) or "value" in field:
            return field["value"] if isinstance(field, dict) else field
        names = self._names(field)
        self._fetch(names)
        found = [self._items[name] for name in names]
        return found[0] if "ref" in field else found

    def in_place(self, field: Any) -> Any:
        """The value of a column that stands in place unless it is large."""
        if not isinstance(field, dict) or not ({"$ref"} <= set(field) <= _LARGE):
            return field
        name = field["$ref"]
        if not isinstance(name, str) or not _HASH.fullmatch(name):
            return field  # the program's own, such as a reference in a JSON schema
        self._fetch([name])
        return self._items[name]

    def brief(self, error: Any) -> Any:
        """An error, as far as it stands in place."""
        if isinstance(error, dict) and "$ref" in error and isinstance(error.get("message"), str):
            return error
        return self.in_place(error)

    def preview(self, field: Any) -> str | None:
        """The preview of a column's value, of which no more is read than it takes."""
        if not isinstance(field, dict) or "value" in field or "ref" in field:
            return preview(self.whole(field))
        names = self._names(field)
        for end in range(len(names), 0, -_TURN):
            self._fetch(names[max(0, end - _TURN) : end])
            some = [self._items[name] for name in names[max(0, end - _TURN) : end]]
            if any(isinstance(item, Mapping) and item.get("role") == "user" for item in some):
                return preview(some)  # what the user said last is what it shows
        return preview([self._items[name] for name in names])

    def _names(self, field: Any) -> list[str]:
        """Hashes of the items that a column's value is made of."""
        if not isinstance(field, dict):
            return []
        if "ref" in field:
            return [field["ref"]]
        lists = field.get("lists", ())
        if not lists:
            return list(field.get("refs", ()))
        self._fetch(lists)
        names: list[str] = []
        for name in lists:
            element = self._items[name]
            # Of a list that is lost, one element stands for all that were in it.
            names += element if isinstance(element, list) else [name]
        return names + list(field.get("refs", ()))

    def _fetch(self, names: Iterable[str]) -> None:
        missing = {name for name in names if name not in self._items}
        if missing:
            self._items |= self._sources.items(missing, self._at)
