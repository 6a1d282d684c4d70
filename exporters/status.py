"""How a trace ended, decided from its spans: the rule, as a pure function.

The SQL view `traces` says the same in SQL; a property test holds the two together.

- An errored span's error *climbs* while its parent is errored too. Where it stops, it is handled
  if it stops at a tool call or anywhere inside one (the agent went on with a result), else it is
  the trace's error. An error that a guardrail's tripwire raised is no error but a block.
- `running` while the trace has no end and its owner lives; then, in this order, `error`,
  `blocked`, `cancelled`, `interrupted` (no end, owner gone), `ok`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporters.store import FirstCause, SpanStatus, TraceStatus

TOOL_TYPES = frozenset({"function", "mcp_tools"})
TRIPWIRE = "Guardrail tripwire triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """What the rule looks at in a span. `message` is its error's, `error_type` the exception's."""

    span_id: str
    parent_id: str | None
    name: str
    type: str
    status: SpanStatus
    end_ns: int | None
    message: str | None = None
    error_type: str | None = None
    triggered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacts:
    """What the rule looks at in the trace itself; `alive` is whether its owner lives."""

    ended: bool
    alive: bool
    status: SpanStatus
    message: str | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: status, first cause, and how many errored spans were and were not handled."""

    status: TraceStatus
    first_cause: FirstCause | None
    error_count: int
    handled_errors: int


def judge(trace: TraceFacts, spans: Sequence[SpanFacts]) -> Verdict:
    """The verdict on a trace."""
    by_id = {span.span_id: span for span in spans}
    errored = [span for span in spans if span.status == "error"]
    handled = [span for span in errored if _is_handled(span, by_id)]
    handled_ids = {span.span_id for span in handled}
    open_errors = [span for span in errored if span.span_id not in handled_ids]
    real = [span for span in open_errors if not _is_tripwire(span.message, span.error_type)]
    tripped = [span for span in spans if span.triggered and not _inside_tool(span, by_id)]
    trace_error = trace.status == "error" and not _is_tripwire(trace.message, trace.error_type)
    failed = bool(real) or trace_error
    blocked = bool(tripped) or len(real) < len(open_errors)
    if not trace.ended and trace.alive:
        status: TraceStatus = "running"
    elif failed:
        status = "error"
    elif blocked:
        status = "blocked"
    elif trace.status == "cancelled":
        status = "cancelled"
    elif not trace.ended:
        status = "interrupted"
    else:
        status = "ok"
    cause = None
    if failed:
        cause = _first(real, by_id) or _own(trace)
    elif blocked:
        cause = _trip(tripped)
    return Verdict(
        status=status,
        first_cause=cause,
        error_count=len(real),
        handled_errors=len(handled),
    )


def _is_tripwire(message: str | None, error_type: str | None) -> bool:
    return (message or "").startswith(TRIPWIRE) or (error_type or "").endswith("TripwireTriggered")


def _is_handled(span: SpanFacts, by_id: Mapping[str, SpanFacts]) -> bool:
    for ancestor in _climb(span, by_id):
        parent = by_id.get(ancestor.parent_id or "")
        if ancestor.type in TOOL_TYPES and (parent is None or parent.status != "error"):
            return parent is not None or ancestor.status != "error"
    return False


def _inside_tool(span: SpanFacts, by_id: Mapping[str, SpanFacts]) -> bool:
    return any(ancestor.type in TOOL_TYPES for ancestor in _climb(span, by_id))


def _climb(span: SpanFacts, by_id: Mapping[str, SpanFacts]) -> list[SpanFacts]:
    chain = [span]
    seen = {span.span_id}
    while (above := by_id.get(chain[-1].parent_id or "")) is not None and above.span_id not in seen:
        seen.add(above.span_id)
        chain.append(above)
    return chain


def _first(errors: Sequence[SpanFacts], by_id: Mapping[str, SpanFacts]) -> FirstCause | None:
    with_errored_descendant = {
        ancestor.span_id for span in errors for ancestor in _climb(span, by_id)[1:]
    }
    deepest = [span for span in errors if span.span_id not in with_errored_descendant]
    if not deepest:
        return None
    span = min(deepest, key=lambda s: (s.end_ns is None, s.end_ns or 0, s.span_id))
    return _cause(span, span.message or "")


def _own(trace: TraceFacts) -> FirstCause:
    """The cause of a trace that failed outside its spans."""
    return FirstCause(
        span_id=None, name=trace.error_type or "trace", type="trace", message=trace.message or ""
    )


def _trip(tripped: Sequence[SpanFacts]) -> FirstCause | None:
    if not tripped:
        return None
    span = min(tripped, key=lambda s: (s.end_ns is None, s.end_ns or 0, s.span_id))
    return _cause(span, TRIPWIRE)


def _cause(span: SpanFacts, message: str) -> FirstCause:
    return FirstCause(span_id=span.span_id, name=span.name, type=span.type, message=message)
