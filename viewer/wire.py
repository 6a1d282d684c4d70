"""Rows of the store as plain dictionaries: the shapes of the REST API and of `--format json`.

`*_us` are integer microseconds since the epoch, or since the trace's origin where said so;
`*_ms` are float milliseconds. `viewer.shapes` has the same shapes as types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.store import (
    FirstCause,
    LastSign,
    Lost,
    SpanDetail,
    SpanRow,
    SqlResult,
    StoreInfo,
    TraceRow,
)
from viewer.encoding import cell
from viewer.tree import Node, pre_order


def us(ns: int) -> int:
    """Nanoseconds in whole microseconds."""
    return ns // 1000


def trace_json(row: TraceRow) -> dict[str, Any]:
    """A trace as it is in a list."""
    return {
        "trace_id": row.trace_id,
        "name": row.name,
        "status": row.status,
        "group_id": row.group_id,
        "metadata": dict(row.metadata),
        "start_us": us(row.start_ns),
        "end_us": None if row.end_ns is None else us(row.end_ns),
        "duration_ms": row.duration_ms,
        "span_count": row.span_count,
        "error_count": row.error_count,
        "handled_errors": row.handled_errors,
        "input": row.input,
        "output": row.output,
        "first_cause": _cause_json(row.first_cause),
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cost_usd": row.cost_usd,
        "unpriced_calls": row.unpriced_calls,
        "models": list(row.models),
        "incomplete": row.incomplete,
        "lost": [_lost_json(lost) for lost in row.lost],
        "last_sign": _sign_json(row.last_sign),
    }


def _lost_json(lost: Lost) -> dict[str, Any]:
    return {"exporter": lost.exporter, "reason": lost.reason, "items": lost.items}


def _sign_json(sign: LastSign | None) -> dict[str, Any] | None:
    if sign is None:
        return None
    return {"at_us": us(sign.at_ns), "host": sign.host, "pid": sign.pid}


def _cause_json(cause: FirstCause | None) -> dict[str, str | None] | None:
    if cause is None:
        return None
    return {
        "span_id": cause.span_id,
        "name": cause.name,
        "type": cause.type,
        "message": cause.message,
    }


def skeleton(trace: TraceRow, spans: Sequence[SpanRow], *, now_ns: int) -> dict[str, Any]:
    """Every span of a trace in tree order, one list a column, never a payload.

    Columns, because ten thousand rows of thirteen keys are three times the bytes.
    """
    nodes = pre_order(spans)
    origin = min([trace.start_ns, *(span.start_ns for span in spans)])
    return {
        "trace_id": trace.trace_id,
        "origin_us": us(origin),
        "now_us": us(now_ns),
        "count": len(nodes),
        "columns": _columns(nodes, origin),
    }


def _columns(nodes: Sequence[Node], origin: int) -> dict[str, list[Any]]:
    spans = [node.span for node in nodes]
    return {
        "span_id": [span.span_id for span in spans],
        "parent": [node.parent for node in nodes],
        "depth": [node.depth for node in nodes],
        "name": [span.name for span in spans],
        "type": [span.type for span in spans],
        "status": [span.status for span in spans],
        "start_us": [us(span.start_ns - origin) for span in spans],
        "dur_us": [_duration_us(span) for span in spans],
        "detail": [span.detail for span in spans],
        "error": [span.error for span in spans],
        "model": [span.model for span in spans],
        "input_tokens": [span.input_tokens for span in spans],
        "output_tokens": [span.output_tokens for span in spans],
        "cost_usd": [span.cost_usd for span in spans],
    }


def _duration_us(span: SpanRow) -> int | None:
    return None if span.end_ns is None else max(0, us(span.end_ns - span.start_ns))


def duration_ms(span: SpanRow) -> float | None:
    """How long a span took; None while it runs, and when its end is not known."""
    return None if span.end_ns is None else max(0, span.end_ns - span.start_ns) / 1e6


def span_json(detail: SpanDetail) -> dict[str, Any]:
    """One span whole, payloads included."""
    row = detail.row
    return {
        "span_id": row.span_id,
        "parent_id": row.parent_id,
        "trace_id": detail.trace_id,
        "trace_name": detail.trace_name,
        "name": row.name,
        "type": row.type,
        "status": row.status,
        "start_us": us(row.start_ns),
        "end_us": None if row.end_ns is None else us(row.end_ns),
        "duration_ms": duration_ms(row),
        "detail": row.detail,
        "model": row.model,
        "cost_usd": row.cost_usd,
        "input": detail.input,
        "output": detail.output,
        "error": None if detail.error is None else _error_json(detail.error),
        "usage": None if detail.usage is None else dict(detail.usage),
        "data": dict(detail.data),
        "attributes": dict(detail.attributes),
    }


def _error_json(error: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": error["message"], "data": error["data"]}


def sql_json(result: SqlResult) -> dict[str, Any]:
    """What a query gave."""
    return {
        "columns": [{"name": column.name, "type": column.type} for column in result.columns],
        "rows": [[cell(value) for value in row] for row in result.rows],
        "row_count": len(result.rows),
        "truncated": result.truncated,
        "elapsed_ms": result.elapsed_ms,
    }


def meta_json(info: StoreInfo, *, version: str, now_ns: int) -> dict[str, Any]:
    """Facts about the store, for a status line."""
    return {
        "version": version,
        "store": {"path": info.path, "size_bytes": info.size_bytes, "schema": info.schema},
        "counts": {"traces": info.trace_count, "spans": info.span_count},
        "losses": dict(info.losses),
        "now_us": us(now_ns),
    }
