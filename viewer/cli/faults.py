"""What went wrong in each span of a trace, in as few words as the tree needs: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporters.status import TOOL_TYPES, TRIPWIRE
from exporters.store import SpanRow, TraceRow
from viewer.cli.wording import MARKS, Mark
from viewer.tree import ROOT, Node


@dataclass(frozen=True, slots=True)
class Fault:
    """How a span is marked, and what is said of it; `repeats` is set where a span below says it."""

    mark: Mark
    word: str
    message: str = ""
    repeats: bool = False


def faults(row: TraceRow, nodes: Sequence[Node]) -> list[Fault | None]:
    """What there is to say of each span, for nodes in pre-order; nothing of those that are fine.

    An error climbs: it is said where it began, at the deepest errored span, and a span that it
    climbed to names that one. A tripwire's is no error but a block.
    """
    origins = _origins(nodes)
    handled = _handled(nodes)
    tripped = row.first_cause.span_id if row.status == "blocked" and row.first_cause else None

    def is_block(index: int) -> bool:
        # All that is not handled in a blocked trace is the tripwire's, or it would be an error.
        text = nodes[index].span.error or ""
        return text.startswith(TRIPWIRE) or (row.status == "blocked" and not handled[index])

    def fault(index: int) -> Fault | None:
        span = nodes[index].span
        if span.status != "error":
            return _calm(span, tripped)
        real = [origin for origin in origins[index] if not is_block(origin)]
        first = min(real or origins[index], key=lambda i: _ended(nodes[i].span))
        repeats = first != index
        if not real:
            return Fault(MARKS["blocked"], "blocked", repeats=repeats)
        if repeats:
            word = f"error (from {nodes[first].span.name})"
            return Fault(MARKS["error"], word, repeats=True)
        return Fault(MARKS["error"], "error", span.error or "")

    return [fault(index) for index in range(len(nodes))]


def _calm(span: SpanRow, tripped: str | None) -> Fault | None:
    """What is said of a span without an error."""
    if span.span_id == tripped:
        return Fault(MARKS["blocked"], "tripped")
    if span.status == "ok":
        return None
    return Fault(MARKS[span.status], span.status, span.error or "")


def _origins(nodes: Sequence[Node]) -> list[list[int]]:
    """The deepest errored spans whose error climbed to each span: its own index, if it is one.

    The chain has no gap: below a span that is fine there is another error, which was handled.
    """
    found: list[list[int]] = [[] for _ in nodes]
    for index in range(len(nodes) - 1, -1, -1):
        if nodes[index].span.status != "error":
            continue
        found[index] = found[index] or [index]
        parent = nodes[index].parent
        if parent != ROOT and nodes[parent].span.status == "error":
            found[parent] += found[index]
    return found


def _handled(nodes: Sequence[Node]) -> list[bool]:
    """Whether each span is in a tool call that the run went on from; `exporters.status` has it."""
    inside: list[bool] = []
    for node in nodes:
        outer = node.span if node.parent == ROOT else nodes[node.parent].span
        stops = node.span.type in TOOL_TYPES and outer.status != "error"
        inside.append(stops or (node.parent != ROOT and inside[node.parent]))
    return inside


def _ended(span: SpanRow) -> tuple[bool, int, str]:
    return span.end_ns is None, span.end_ns or 0, span.span_id
