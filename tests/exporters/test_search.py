"""Previews, and the order of spans."""

from __future__ import annotations

from typing import Any

import pytest

from exporters.search import Call, Cursor, detail_text, in_order, preview, sums_of
from exporters.store import SpanRow, StoreError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("two\n lines", "two lines"),
        ("", ""),
        (42, "42"),
        ([{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}], "hi"),
        ([{"type": "message", "content": [{"text": "a"}, {"text": "b"}]}], "a b"),
        ({"answer": 42, "sure": True}, "answer: 42, sure: True"),
        ([], ""),
        ("x" * 500, "x" * 399 + "…"),
    ],
)
def test_preview(value: Any, text: str | None) -> None:
    """A preview is what was said, in one short line."""
    assert preview(value) == text


def span(span_id: str, parent: str | None, start: int) -> SpanRow:
    """A span that has ended."""
    return SpanRow(
        span_id=span_id, parent_id=parent, name=span_id, type="custom", status="ok",
        start_ns=start, end_ns=start,
    )  # fmt: skip


def test_order() -> None:
    """Spans go by start, parents first where that is equal; a circle of parents does no harm."""
    spans = [span("c", "b", 1), span("b", "a", 1), span("a", None, 1), span("z", "gone", 0)]
    circle = [span("x", "y", 1), span("y", "x", 1)]

    assert [row.span_id for row in in_order(spans)] == ["z", "a", "b", "c"]
    assert {row.span_id for row in in_order(circle)} == {"x", "y"}


def test_sums() -> None:
    """A call that another call made is counted once, and what nobody reported is not zero."""
    calls = [Call("a", None, 5, 1, None, None, 0.1), Call("b", "a", 5, None, None, None, 0.1),
             Call("c", "x", 2, None, None, None),
             Call("d", "x", None, None, None, None, 0.2)]  # fmt: skip

    total = sums_of(calls)

    assert (total.input_tokens, total.output_tokens, total.cached_tokens) == (7, 1, None)
    assert total.cost_usd == pytest.approx(0.3)
    assert total.unpriced_calls == 1
    assert sums_of(calls[2:3]).cost_usd is None


def test_detail() -> None:
    """Beside the name goes what the name does not say."""
    assert detail_text("handoff", "a → b", None, {"to_agent": "b"}) == "b"
    assert detail_text("turn", "turn 1", None, {"agent_name": "a"}) == "a"
    assert detail_text("generation", "m", "m", {}) is None
    assert detail_text("generation", "answer", "m", {}) == "m"


def test_cursor() -> None:
    """A cursor survives being text, and rubbish is refused."""
    cursor = Cursor(123, "trace~odd")

    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse(None) is None
    with pytest.raises(StoreError):
        Cursor.parse("rubbish")
