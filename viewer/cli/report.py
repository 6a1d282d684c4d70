"""A trace in Markdown, to paste where people talk about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporters.store import SpanDetail, TraceRow, TraceStore
from exporters.wording import moment
from viewer.cli.faults import faults
from viewer.cli.outline import branches, cause, interruption, spending
from viewer.cli.terminal import Terminal, one_line, visible
from viewer.cli.wording import MARKS, count, duration
from viewer.encoding import to_json
from viewer.tree import Node

_MOST_ERRORS = 20
_PLAIN = Terminal(None, colour=False)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#])")


def markdown(store: TraceStore, row: TraceRow, nodes: Sequence[Node]) -> Iterator[str]:
    """Facts, tree, what was asked and answered, and every error with its stack where it began."""
    yield f"# {_escaped(row.name)}: {MARKS[row.status].glyph} {row.status}"
    yield ""
    yield from (f"- {name}: {value}" for name, value in _facts(row))
    yield ""
    yield from _block("\n".join(branches(row, nodes, _PLAIN)))
    for title, text in (("Input", row.input), ("Output", row.output)):
        if text:
            yield f"\n## {title}\n"
            yield from _block(text)
    errored = [
        node.span.span_id
        for node, fault in zip(nodes, faults(row, nodes), strict=True)
        if node.span.status == "error" and not (fault and fault.repeats)
    ]
    for span_id in errored[:_MOST_ERRORS]:
        yield from _error(store.span(row.trace_id, span_id))
    if len(errored) > _MOST_ERRORS:
        yield f"\n{len(errored) - _MOST_ERRORS} more errors are left out."


def _facts(row: TraceRow) -> Iterator[tuple[str, str]]:
    yield "trace", f"`{one_line(row.trace_id)}`"
    if row.group_id:
        yield "group", f"`{one_line(row.group_id)}`"
    yield "started", moment(row.start_ns)
    yield "duration", duration(row.duration_ms)
    yield "spans", f"{row.span_count}, {row.error_count} failed, {row.handled_errors} handled"
    if row.input_tokens is not None or row.output_tokens is not None:
        yield "tokens", f"{count(row.input_tokens)} in, {count(row.output_tokens)} out"
    if spent := spending(row):
        yield "cost", spent
    if row.models:
        yield "models", ", ".join(_escaped(model) for model in row.models)
    if row.first_cause is not None:
        yield "cause", _escaped(cause(row.first_cause))
    if row.last_sign is not None:
        yield "interrupted", _escaped(interruption(row.last_sign))
        yield "last sign", moment(row.last_sign.at_ns)
    if row.incomplete:
        yield "incomplete", "some of this trace was lost while it was recorded"


def _error(detail: SpanDetail) -> Iterator[str]:
    error = detail.error or {}
    data = error.get("data")
    yield f"\n## {_escaped(f'{detail.row.type} {detail.row.name}')}\n"
    if detail.input is not None:
        yield from _block(_text(detail.input))
    stack = data.get("stack") if isinstance(data, Mapping) else None
    yield from _block(_text(stack or error.get("message") or detail.row.error or ""))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def _block(text: str) -> list[str]:
    """A block of code; its fence is longer than any in the text."""
    runs = [len(run) for run in re.findall(r"`{3,}", text)]
    fence = "`" * (max(runs, default=2) + 1)
    return [fence, visible(text.rstrip("\n")), fence]
