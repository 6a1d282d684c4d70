"""The tree of a trace's spans, as an order of rows: pure, and never refuses what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporters.store import SpanRow

ROOT = -1


@dataclass(frozen=True, slots=True)
class Node:
    """A span's place: `parent` is the index of its parent's node, or `ROOT`."""

    span: SpanRow
    parent: int
    depth: int


def pre_order(spans: Sequence[SpanRow]) -> list[Node]:
    """Every span once, a parent before its children, siblings by start.

    A span whose parent is not among the spans hangs under the root. Spans that are each other's
    ancestors do too: the one that started first is taken for the top of its circle.
    """
    first = _indexes(spans)
    children: dict[int, list[int]] = {}
    for index in sorted(range(len(spans)), key=lambda i: spans[i].start_ns):
        parent = first.get(spans[index].parent_id or "", ROOT)
        children.setdefault(ROOT if parent == index else parent, []).append(index)
    tops = sorted(
        [*children.get(ROOT, ()), *_circle_tops(spans, children)],
        key=lambda i: spans[i].start_ns,
    )
    nodes: list[Node] = []
    seen: set[int] = set()
    stack = [(index, ROOT, 0) for index in reversed(tops)]
    while stack:
        index, parent, depth = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        here = len(nodes)
        nodes.append(Node(spans[index], parent, depth))
        stack.extend((child, here, depth + 1) for child in reversed(children.get(index, ())))
    return nodes


def _indexes(spans: Sequence[SpanRow]) -> dict[str, int]:
    """Where each id is; of two spans with one id the first has the children."""
    first: dict[str, int] = {}
    for index, span in enumerate(spans):
        first.setdefault(span.span_id, index)
    return first


def _circle_tops(spans: Sequence[SpanRow], children: dict[int, list[int]]) -> list[int]:
    """One span of every circle of parents: nothing below the root leads to these."""
    reached = _below(ROOT, children)
    if len(reached) == len(spans):
        return []
    tops = []
    for index in sorted(set(range(len(spans))) - reached, key=lambda i: (spans[i].start_ns, i)):
        if index not in reached:
            tops.append(index)
            reached |= {index, *_below(index, children, reached)}
    return tops


def _below(
    top: int, children: dict[int, list[int]], known: set[int] | frozenset[int] = frozenset()
) -> set[int]:
    found: set[int] = set()
    stack = list(children.get(top, ()))
    while stack:
        index = stack.pop()
        if index not in found and index not in known:
            found.add(index)
            stack.extend(children.get(index, ()))
    return found
