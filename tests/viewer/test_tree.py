from hypothesis import given
from hypothesis import strategies as st

from exporters.store import SpanRow
from viewer.tree import ROOT, pre_order


def span(span_id: str, parent_id: str | None = None, start_ns: int = 0) -> SpanRow:
    """A span that only has its place."""
    return SpanRow(
        span_id=span_id,
        parent_id=parent_id,
        name=span_id,
        type="custom",
        status="ok",
        start_ns=start_ns,
        end_ns=None,
    )


def outline(spans: list[SpanRow]) -> list[str]:
    """The order, each id indented by its depth."""
    return ["." * node.depth + node.span.span_id for node in pre_order(spans)]


def test_pre_order() -> None:
    """A parent comes before its children, and siblings come by start, not as they are given."""
    spans = [span("b", "root", 9), span("a", "root", 2), span("a1", "a", 3), span("root", None, 1)]

    assert outline(spans) == ["root", ".a", "..a1", ".b"]
    assert [node.parent for node in pre_order(spans)] == [ROOT, 0, 1, 0]


def test_orphan() -> None:
    """A span whose parent was lost hangs under the root, in its place by start."""
    assert outline([span("x", None, 5), span("lost", "gone", 2), span("y", "lost", 3)]) == [
        "lost",
        ".y",
        "x",
    ]


def test_circle() -> None:
    """Spans that are each other's ancestors are shown once, the earliest on top."""
    spans = [span("a", "b", 3), span("b", "a", 2), span("tail", "a", 4), span("self", "self", 1)]

    assert outline(spans) == ["self", "b", ".a", "..tail"]


def test_same_id() -> None:
    """Of two spans with one id both are shown, and the first has the children."""
    spans = [span("a", None, 1), span("a", None, 2), span("child", "a", 3)]

    assert outline(spans) == ["a", ".child", "a"]


def test_deep() -> None:
    """Depth is not limited by the interpreter's stack."""
    spans = [span(str(i), str(i - 1) if i else None, i) for i in range(20_000)]

    assert pre_order(spans)[-1].depth == 19_999


ids = st.sampled_from("abcdefg")
any_span = st.builds(span, ids, st.none() | ids | st.just("gone"), st.integers(0, 5))


@given(st.lists(any_span, max_size=12))
def test_any_spans(spans: list[SpanRow]) -> None:
    """Whatever was recorded: every span once, below an earlier row, one deeper than it."""
    nodes = pre_order(spans)

    assert sorted(map(id, spans)) == sorted(id(node.span) for node in nodes)
    for index, node in enumerate(nodes):
        assert node.parent < index
        assert node.depth == (0 if node.parent == ROOT else nodes[node.parent].depth + 1)
        if node.parent != ROOT:
            assert nodes[node.parent].span.span_id == node.span.parent_id
