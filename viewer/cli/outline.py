"""A trace as a tree of text."""

from __future__ import annotations

from collections.abc import Sequence

from exporters.store import FirstCause, LastSign, SpanRow, TraceRow
from exporters.wording import moment, plural
from viewer.cli.faults import Fault, faults
from viewer.cli.terminal import Terminal, cut, one_line, pad, width_of
from viewer.cli.wording import MARKS, dollars, duration, tokens
from viewer.tree import ROOT, Node
from viewer.wire import duration_ms

_WIDEST_NAME = 72
_LEAST_NAME = 24
_DURATION = 12


def tree(row: TraceRow, nodes: Sequence[Node], target: Terminal) -> list[str]:
    """The trace's facts, then a line a span: name, duration, tokens, cost, what went wrong."""
    return [*(target.cut(line) for line in facts(row)), "", *branches(row, nodes, target)]


def facts(row: TraceRow) -> list[str]:
    """What there is to say of a trace as a whole."""
    errors = [plural(row.error_count, "error")] if row.error_count else []
    if row.handled_errors:
        errors.append(f"{plural(row.handled_errors, 'error')} handled")
    used = tokens(row.input_tokens, row.output_tokens)
    parts = [
        f"{MARKS[row.status].glyph} {row.status}",
        duration(row.duration_ms),
        plural(row.span_count, "span"),
        *errors,
        *([f"{used} tokens"] if used else []),
        *([spent] if (spent := spending(row)) else []),
        *map(one_line, row.models),
        moment(row.start_ns),
    ]
    lines = [one_line(row.name), "  " + " · ".join(parts)]
    lines.append(f"  {one_line(row.trace_id)}")
    if row.group_id:
        lines[-1] += f" · group {one_line(row.group_id)}"
    if row.first_cause is not None:
        lines.append(f"  cause: {cause(row.first_cause)}")
    if row.last_sign is not None:
        lines.append(f"  interrupted: {interruption(row.last_sign)}")
        lines.append(f"  last sign: {moment(row.last_sign.at_ns)}")
    if row.incomplete:
        lines.append("  incomplete: some of this trace was lost while it was recorded")
    return lines


def spending(row: TraceRow) -> str:
    """What a trace cost, and what of it is not known; empty where nothing is."""
    spent = dollars(row.cost_usd, partial=row.unpriced_calls > 0)
    if spent and row.unpriced_calls:
        return f"{spent} (cost of {plural(row.unpriced_calls, 'call')} unknown)"
    return spent


def interruption(sign: LastSign) -> str:
    """Why a trace has no end, as far as the record tells."""
    process = "the process" if sign.pid is None else f"process {sign.pid}"
    where = f" on {one_line(sign.host)}" if sign.host else ""
    return f"{process}{where} ended without ending it"


def cause(first: FirstCause) -> str:
    """Where the trouble began, in a line."""
    return one_line(f"{first.name} ({first.type}): {_first_line(first.message)}")


def branches(row: TraceRow, nodes: Sequence[Node], target: Terminal) -> list[str]:
    """A line a span, in the order and at the depth that the tree has it."""
    labels = [guide + label(node.span) for guide, node in zip(guides(nodes), nodes, strict=True)]
    widest = max([_LEAST_NAME, *(width_of(text) for text in labels)])
    most = _WIDEST_NAME if target.width is None else max(_LEAST_NAME, target.width // 2)
    width = min(widest, most)
    return [
        target.paint(
            target.cut(_line(text, node.span, width, fault)), fault.mark.colour if fault else None
        )
        for text, node, fault in zip(labels, nodes, faults(row, nodes), strict=True)
    ]


def _line(text: str, span: SpanRow, width: int, fault: Fault | None) -> str:
    used = tokens(span.input_tokens, span.output_tokens)
    rest = "  ".join(filter(None, (used, dollars(span.cost_usd), _remark(fault) if fault else "")))
    took = pad(duration(duration_ms(span)), _DURATION, right=True)
    return f"{pad(cut(text, width), width)}{took}  {rest}".rstrip()


def _remark(fault: Fault) -> str:
    message = _first_line(fault.message)
    mark = f"{fault.mark.glyph} {fault.word}"
    return one_line(f"{mark}: {message}" if message else mark)


def label(span: SpanRow) -> str:
    """Type, name, and the word beside it that says more."""
    detail = span.detail or (span.model if span.model != span.name else None)
    named = span.name.lower().startswith(span.type.lower())
    parts = ["" if named else span.type, span.name, detail or ""]
    return one_line(" ".join(filter(None, parts)))


def guides(nodes: Sequence[Node]) -> list[str]:
    """The lines that lead from parents to children, for nodes in pre-order."""
    last = [True] * len(nodes)
    seen: set[int] = set()
    for index in range(len(nodes) - 1, -1, -1):
        parent = nodes[index].parent
        last[index] = parent not in seen
        seen.add(parent)
    above: list[str] = []
    result: list[str] = []
    for index, node in enumerate(nodes):
        if node.parent == ROOT:
            result.append("")
            above.append("")
            continue
        lead = above[node.parent]
        result.append(lead + ("└─ " if last[index] else "├─ "))
        above.append(lead + ("   " if last[index] else "│  "))
    return result


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
