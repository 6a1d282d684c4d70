"""From the reader's views to the rows of `TraceStore`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from exporters.duckdb.reader import Reader
from exporters.search import (
    Call,
    as_error,
    as_object,
    detail_text,
    failure_of,
    in_order,
    preview,
    tokens_of,
)
from exporters.status import SpanFacts, TraceFacts, judge
from exporters.store import SpanDetail, SpanRow, TraceRow
from tracer.encoding import decode

_HASH = re.compile(r"[0-9a-f]{32}")
_ROLLUP = """
select trace_id, coalesce(name, trace_id), group_id, metadata, start_ns, end_ns, trace_status,
    trace_error, coalesce(not trace_gone, spans_alive, false), span_count, models, trouble
from _rollup where trace_id in ({marks})
"""
_CALLS = """
select trace_id, span_id, parent_id, input_tokens, output_tokens, cached_tokens, reasoning_tokens
from _calls where trace_id in ({marks})
"""
_TALK = """
select trace_id, source, input, output
from _records where k = 'trace' and trace_id in ({marks})
"""
_FIRST_AND_LAST_CALL = """
select trace_id, source, input, output, place = 1, back = 1 and end_ns is not null
from (
    select *,
        row_number() over (partition by trace_id order by start_ns, span_id) as place,
        row_number() over (partition by trace_id order by start_ns desc, span_id desc) as back
    from _records
    where k = 'span' and type in ('generation', 'response') and trace_id in ({marks})
)
where place = 1 or back = 1
"""
# Keys of a value that is kept elsewhere; the others are what SQL asks of a large error.
_LARGE = {"$ref", "message", "data"}
_LOST = "select distinct trace_id from losses where trace_id in ({marks})"
_FACTS = """
select trace_id, span_id, parent_id, name, type, status, end_ns, error, source,
    case when type = 'guardrail' then json_extract_string(data, '$.triggered') end
from _spans where trace_id in ({marks})
"""
_SPANS = """
select span_id, parent_id, name, type, status, start_ns, end_ns, model, input_tokens,
    output_tokens, error_message,
    case when type in ('handoff', 'turn') then data end, error, source
from _spans where trace_id = ?
"""
_DETAIL = """
select span_id, parent_id, name, type, status, start_ns, end_ns, model, input_tokens,
    output_tokens, error_message, data, error, source,
    trace_name, input, output, instructions, tools, attributes
from _spans where trace_id = ? and span_id = ?
"""


def trace_rows(reader: Reader, trace_ids: Sequence[str]) -> list[TraceRow]:
    """Rows of traces, in no order; ids that are not known are left out."""
    rolls = _ask(reader, _ROLLUP, trace_ids)
    calls: defaultdict[str, list[Call]] = defaultdict(list)
    for row in _ask(reader, _CALLS, trace_ids):
        calls[row[0]].append(Call(*row[1:]))
    talk = _talk(reader, trace_ids)
    lost = {row[0] for row in _ask(reader, _LOST, trace_ids)}
    facts = _facts(reader, [row[0] for row in rolls if row[-1]])
    rows = []
    for (
        trace_id,
        name,
        group_id,
        metadata,
        start,
        end,
        status,
        error,
        alive,
        count,
        models,
        _,
    ) in rolls:
        said = talk[trace_id]
        failure = failure_of(said.content.in_place(error))
        verdict = judge(
            TraceFacts(ended=end is not None, alive=alive, status=status, **failure),
            facts.get(trace_id, ()),
        )
        sums = tokens_of(calls.get(trace_id, ()))
        rows.append(
            TraceRow(
                trace_id=trace_id,
                name=name,
                status=verdict.status,
                start_ns=start,
                end_ns=end,
                duration_ms=None if end is None else (end - start) / 1e6,
                span_count=count,
                error_count=verdict.error_count,
                handled_errors=verdict.handled_errors,
                group_id=group_id,
                metadata=as_object(said.content.in_place(metadata)),
                input=said.asked,
                output=said.answered or (said.last if verdict.status == "ok" else None),
                first_cause=verdict.first_cause,
                input_tokens=sums.input_tokens,
                output_tokens=sums.output_tokens,
                cached_tokens=sums.cached_tokens,
                reasoning_tokens=sums.reasoning_tokens,
                models=tuple(models),
                incomplete=trace_id in lost,
            )
        )
    return rows


def span_rows(reader: Reader, trace_id: str) -> list[SpanRow]:
    """Spans of a trace, in order."""
    return in_order(_span_row(reader, row) for row in reader.query(_SPANS, [trace_id]))


def detail_of(reader: Reader, trace_id: str, span_id: str) -> SpanDetail | None:
    """One span whole; None when there is none."""
    found = reader.query(_DETAIL, [trace_id, span_id])
    if not found:
        return None
    row = found[0]
    data, error, source, trace_name, said, answered, instructions, tools, attributes = row[11:]
    content = _Content(reader, source)
    content.prefetch(said, answered, instructions, tools)
    rest = dict(as_object(content.in_place(data)))
    for key, value in (
        ("model", row[7]),
        ("instructions", content.whole(instructions)),
        ("tools", content.whole(tools)),
    ):
        if value is not None:
            rest[key] = value
    usage = rest.get("usage")
    return SpanDetail(
        row=_span_row(reader, row),
        trace_id=trace_id,
        trace_name=trace_name,
        input=content.whole(said),
        output=content.whole(answered),
        error=as_error(content.in_place(error)),
        usage=usage if isinstance(usage, Mapping) else None,
        data=rest,
        attributes=dict(attributes or {}),
    )


class _Talk(NamedTuple):
    """What a trace was asked and answered, as previews; `last` is what its last call answered."""

    content: _Content
    asked: str | None = None
    answered: str | None = None
    last: str | None = None


def _talk(reader: Reader, trace_ids: Sequence[str]) -> dict[str, _Talk]:
    talk = {trace_id: _Talk(_Content(reader, "")) for trace_id in trace_ids}
    for trace_id, source, asked, answered in _ask(reader, _TALK, trace_ids):
        own = _Content(reader, source)
        talk[trace_id] = _Talk(own, preview(own.whole(asked)), preview(own.whole(answered)))
    silent = [trace_id for trace_id, said in talk.items() if None in (said.asked, said.answered)]
    for trace_id, source, asked, answered, first, last in _ask(
        reader, _FIRST_AND_LAST_CALL, silent
    ):
        call, said = _Content(reader, source), talk[trace_id]
        if first and said.asked is None:
            said = said._replace(asked=preview(call.whole(asked)))
        if last:
            said = said._replace(last=preview(call.whole(answered)))
        talk[trace_id] = said
    return talk


def _ask(reader: Reader, sql: str, trace_ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows for traces. Ids stand in the text as parameters, so that they prune what is read."""
    if not trace_ids:
        return []
    return reader.query(sql.format(marks=", ".join("?" * len(trace_ids))), list(trace_ids))


def _facts(reader: Reader, trace_ids: Sequence[str]) -> dict[str, list[SpanFacts]]:
    """What the rule of a trace's status looks at, of traces in which something is amiss."""
    facts: defaultdict[str, list[SpanFacts]] = defaultdict(list)
    for trace, span, parent, name, type, status, end, error, source, tripped in _ask(
        reader, _FACTS, trace_ids
    ):
        failure = failure_of(_Content(reader, source).in_place(error))
        facts[trace].append(
            SpanFacts(
                span_id=span,
                parent_id=parent,
                name=name,
                type=type,
                status=status,
                end_ns=end,
                **failure,
                triggered=tripped == "true",
            )
        )
    return facts


def _span_row(reader: Reader, row: Sequence[Any]) -> SpanRow:
    span, parent, name, type, status, start, end, model, sent, received, message = row[:11]
    data, error, source = row[11:14]
    if error is not None and message is None:
        message = failure_of(_Content(reader, source).in_place(error))["message"]
    return SpanRow(
        span_id=span,
        parent_id=parent,
        name=name,
        type=type,
        status=status,
        start_ns=start,
        end_ns=end,
        detail=detail_text(type, name, model, decode(data) if data else {}),
        error=message,
        model=model,
        input_tokens=sent,
        output_tokens=received,
    )


class _Content:
    """Puts shared content back into what refers to it, from the file that holds both."""

    def __init__(self, reader: Reader, source: str) -> None:
        self._reader = reader
        self._source = source
        self._items: dict[str, Any] = {}

    def prefetch(self, *fields: str | None) -> None:
        """Read the items of several fields at once."""
        self._fetch(name for field in fields if field for name in _refs(decode(field)))

    def whole(self, field: str | None) -> Any:
        """The value of a column that is `value`, `ref` or `refs`."""
        if field is None:
            return None
        said = decode(field)
        if "value" in said:
            return said["value"]
        names = _refs(said)
        self._fetch(names)
        found = [self._items[name] for name in names]
        return found if "refs" in said else found[0]

    def in_place(self, field: str | None) -> Any:
        """The value of a column that stands in place unless it is large."""
        if field is None:
            return None
        said = decode(field)
        if not isinstance(said, dict) or not ({"$ref"} <= set(said) <= _LARGE):
            return said
        name = said["$ref"]
        if not isinstance(name, str) or not _HASH.fullmatch(name):
            return said  # the program's own, such as a reference in a JSON schema
        self._fetch([name])
        return self._items[name]

    def _fetch(self, names: Iterable[str]) -> None:
        missing = sorted(set(names) - self._items.keys())
        if missing:
            found = self._reader.query(
                "select hash, value from _items where source = ? and hash in "
                "(select unnest(?::varchar[]))",
                [self._source, missing],
            )
            self._items |= {name: decode(value) for name, value in found}
            for name in missing:
                self._items.setdefault(name, {"flightlog.lost": "content not found"})


def _refs(said: Any) -> list[str]:
    if not isinstance(said, dict):
        return []
    return list(said["refs"]) if "refs" in said else [said["ref"]] if "ref" in said else []
