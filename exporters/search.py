"""What stores that search in Python have in common: matching, pages, shapes, order of spans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporters.store import PREVIEW, SpanRow, StoreError, TraceQuery, TraceRow
from tracer.encoding import as_text

MODEL_CALLS = frozenset({"generation", "response"})


@dataclass(frozen=True, slots=True)
class Call:
    """A model call, the tokens that it reported, and what it cost."""

    span_id: str
    parent_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """What a trace's model calls come to; None is what no call reported, or has no price."""

    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int


def sums_of(calls: Sequence[Call]) -> Sums:
    """The sums over a trace's model calls, without those that another call made and counted."""
    ids = {call.span_id for call in calls}
    outer = [call for call in calls if call.parent_id not in ids]

    def total(counts: Iterable[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    costs = [call.cost_usd for call in outer if call.cost_usd is not None]
    return Sums(
        total(call.input_tokens for call in outer),
        total(call.output_tokens for call in outer),
        total(call.cached_tokens for call in outer),
        total(call.reasoning_tokens for call in outer),
        round(math.fsum(costs), 12) if costs else None,  # without the noise of floats
        len(outer) - len(costs),
    )


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last trace of a page; what follows it in a list is the next page."""

    start_ns: int
    trace_id: str

    @classmethod
    def of(cls, row: TraceRow) -> Cursor:
        """The cursor after a row."""
        return cls(row.start_ns, row.trace_id)

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """The inverse of `str`.

        Raises:
            StoreError: If the text is no cursor.
        """
        if text is None:
            return None
        start, _, trace_id = text.partition("~")
        try:
            return cls(int(start), trace_id)
        except ValueError:
            raise StoreError(
                f"{text!r} is no cursor. A cursor is what the page before gave as next_cursor. "
                f"Begin again without one."
            ) from None

    def __str__(self) -> str:
        return f"{self.start_ns}~{self.trace_id}"


def matches(row: TraceRow, query: TraceQuery) -> bool:
    """Whether a trace is one that a query asks for; the cursor is not looked at."""
    if query.status and row.status not in query.status:
        return False
    if query.group_id is not None and row.group_id != query.group_id:
        return False
    if query.name is not None and row.name != query.name:
        return False
    if query.since_ns is not None and row.start_ns < query.since_ns:
        return False
    if query.until_ns is not None and row.start_ns > query.until_ns:
        return False
    return not query.text or _mentions(row, query.text.casefold())


def _mentions(row: TraceRow, text: str) -> bool:
    cause = row.first_cause
    where = [row.name, row.trace_id, row.input, row.output]
    if cause is not None:
        where += [cause.name, cause.message]
    return any(text in part.casefold() for part in where if part)


def preview(value: Any) -> str | None:
    """A JSON value as a short line of plain text: what was said, rather than how it was wrapped."""
    text = _said(value)
    if text is None:
        return None
    line = " ".join(text[: 4 * PREVIEW].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def _said(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        for key in ("content", "text", "output", "arguments", "name"):
            if value.get(key):
                return _said(value[key])
        return ", ".join(f"{key}: {_said(item)}" for key, item in list(value.items())[:20])
    if isinstance(value, Sequence):
        users = [item for item in value if isinstance(item, Mapping) and item.get("role") == "user"]
        if users:
            return _said(users[-1])
        return " ".join(said for item in list(value)[:20] if (said := _said(item)))
    return str(value)


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON value as the object that it should be; what a program set instead is its `value`."""
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else {"value": value}


def as_error(value: Any) -> Mapping[str, Any] | None:
    """A recorded error in the shape of `SpanDetail.error`, whatever a program set as one."""
    if value is None:
        return None
    said = value if isinstance(value, Mapping) else {"message": value}
    message, data = said.get("message"), said.get("data")
    text = "" if message is None else as_text(message)
    return {**said, "message": text, "data": None if data is None else as_object(data)}


def failure_of(value: Any) -> dict[str, str | None]:
    """Of a recorded error, what the rule of a trace's status looks at."""
    error = as_error(value)
    if error is None:
        return {"message": None, "error_type": None}
    kind = as_object(error["data"]).get("type")
    return {"message": error["message"], "error_type": kind if isinstance(kind, str) else None}


def in_order(spans: Iterable[SpanRow]) -> list[SpanRow]:
    """Spans by start, a parent before its children at equal times."""
    rows = list(spans)
    by_id = {row.span_id: row for row in rows}
    depths: dict[str, int] = {}
    for row in rows:
        chain: list[str] = []
        at: SpanRow | None = row
        while at is not None and at.span_id not in depths and at.span_id not in chain:
            chain.append(at.span_id)
            at = by_id.get(at.parent_id or "")
        depth = depths.get(at.span_id, -1) if at is not None else -1
        for span_id in reversed(chain):
            depth += 1
            depths[span_id] = depth
    return sorted(rows, key=lambda row: (row.start_ns, depths[row.span_id], row.span_id))


def detail_text(type: str, name: str, model: str | None, data: Mapping[str, Any]) -> str | None:
    """A short text worth showing beside a span's name."""
    if type == "handoff":
        return _text(data.get("to_agent"))
    if type == "turn":
        return _text(data.get("agent_name"))
    return model if model and model != name else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
