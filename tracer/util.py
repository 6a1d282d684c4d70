"""Times and ids in the formats of the record. The module's name is one that users import by."""

from __future__ import annotations

from tracer.setup import get_trace_provider


def time_iso() -> str:
    """The time now in ISO 8601, UTC, with microseconds."""
    return get_trace_provider().time_iso()


def gen_trace_id() -> str:
    """A new trace id: `trace_` and 32 hex digits."""
    return get_trace_provider().gen_trace_id()


def gen_span_id() -> str:
    """A new span id: `span_` and 24 hex digits."""
    return get_trace_provider().gen_span_id()


def gen_group_id() -> str:
    """A new group id: `group_` and 24 hex digits."""
    return get_trace_provider().gen_group_id()
