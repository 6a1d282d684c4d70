import copy
import pickle
from typing import Any

import pytest

from tracer import (
    Span,
    Trace,
    agent_span,
    custom_span,
    function_span,
    generation_span,
    get_trace_provider,
    handoff_span,
    mcp_tools_span,
    trace,
)
from tracer.encoding import decode
from tracer.snapshot import (
    FrozenSpan,
    FrozenTrace,
    Usage,
    freeze,
    span_record,
    trace_record,
)
from tracer.span_data import SpanData
from tracer.testing import Capture


def test_frozen_span(capture: Capture):
    """A frozen span answers as the span did, and no later change reaches it."""
    messages: list[Any] = [{"role": "user", "content": "hi"}]
    metadata = {"k": 1}
    opened = trace("t", metadata=metadata, tracing={"api_key": "sk"})
    with opened, generation_span(input=messages, model="m") as span:
        span.set_error({"message": "bad", "data": None})
    exported = span.export()
    frozen = freeze(span)
    messages.append("later")
    metadata["k"] = 2
    span.span_data.model = "other"
    span.set_error({"message": "later", "data": None})

    assert isinstance(frozen, Span)
    assert frozen.export() == {**(exported or {}), "span_data": frozen.export()["span_data"]}
    assert frozen.export()["span_data"]["input"] == [{"role": "user", "content": "hi"}]
    assert frozen.span_data.model == "m"
    assert frozen.span_data.type == "generation"
    assert frozen.span_data.export()["model"] == "m"
    assert frozen.error == {"message": "bad", "data": None}
    assert (frozen.span_id, frozen.trace_id, frozen.parent_id) == (
        span.span_id,
        span.trace_id,
        span.parent_id,
    )
    assert (frozen.started_at, frozen.ended_at) == (span.started_at, span.ended_at)
    assert frozen.tracing_api_key == "sk"
    assert frozen.trace_metadata == {"k": 1}
    assert frozen.size > 100


def test_frozen_trace(capture: Capture):
    """A frozen trace answers as the trace did."""
    metadata = {"k": [1]}
    with trace("t", group_id="g", metadata=metadata, tracing={"api_key": "sk"}) as t:
        exported = t.export()
        frozen = freeze(t)
    metadata["k"].append(2)

    assert isinstance(frozen, Trace)
    assert frozen.export() == {**(exported or {}), "metadata": {"k": [1]}}
    assert (frozen.trace_id, frozen.name, frozen.group_id) == (t.trace_id, "t", "g")
    assert frozen.metadata == {"k": [1]}
    assert frozen.tracing_api_key == "sk"


def test_inert(capture: Capture):
    """What is frozen can be neither started, ended nor changed."""
    with trace("t") as t, custom_span("s") as span:
        pass
    frozen_trace, frozen = freeze(t), freeze(span)
    before = frozen.export()
    frozen_trace.start(mark_as_current=True)
    frozen_trace.finish(reset_current=True)
    frozen.start(mark_as_current=True)
    frozen.finish(reset_current=True)
    frozen.set_error({"message": "x", "data": None})
    frozen.export()["id"] = "changed"

    assert frozen.export() == before
    assert freeze(frozen) is frozen
    assert freeze(frozen_trace) is frozen_trace
    assert len(capture.started) == 1


def test_copied(capture: Capture):
    """A frozen span can be copied and pickled, its data too."""
    with custom_span("s", {"k": 1}) as span:
        pass
    frozen = freeze(span)

    assert pickle.loads(pickle.dumps(frozen)).export() == frozen.export()
    assert copy.deepcopy(frozen.span_data).data == {"k": 1}
    with pytest.raises(AttributeError, match="nothing"):
        _ = frozen.span_data.nothing


def test_unencodable(capture: Capture):
    """Whatever a span holds, it can be frozen and recorded."""
    loop: list[Any] = [object()]
    loop.append(loop)
    with custom_span("s", {"loop": loop, (1, 2): "\ud800"}) as span:
        pass

    assert freeze(span).span_data.data["loop"][1] == "<cycle>"
    assert decode(capture.named("s").data)["(1, 2)"] == "\ufffd"


def test_running(capture: Capture):
    """The record of what runs has no end."""
    with trace("t") as t, custom_span("s") as span:
        assert trace_record(t).status == "running"
        assert trace_record(t).end_ns is None
        assert span_record(span).status == "running"
        assert span_record(span).end_ns is None


def test_trace_fields(capture: Capture):
    """Each span's record has the name, group and metadata of its trace."""
    with trace("t", group_id="g", metadata={"k": 1}), custom_span("s"):
        pass

    record = capture.named("s")
    assert (record.trace_name, record.group_id, record.metadata) == ("t", "g", b'{"k":1}')
    assert capture.traces[0].metadata == b'{"k":1}'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-01-01T00:00:00.000250+00:00", 1_767_225_600_000_250_000),
        ("soon", None),
        (7, None),
        (None, None),
    ],
)
def test_first_token(capture: Capture, said: Any, expected: int | None):
    """When the first token came is a column; what is no time is none."""
    with generation_span(model="m") as span:
        span.span_data.first_token_at = said
    with custom_span("c", {"first_token_at": said}):
        pass

    assert capture.named("m").first_token_ns == expected
    assert capture.named("c").first_token_ns is None


def test_shared_content(capture: Capture):
    """Messages and tools of a model call are recorded one by one; other input is one value."""
    with trace("t"):
        with generation_span(input=[{"a": 1}, {"b": 2}], output=({"c": 3},), model="m"):
            pass
        with generation_span(input="text", model="n"):  # type: ignore[arg-type]
            pass
        with function_span("f", '{"x": 1}', "out"):
            pass

    assert capture.named("m").input == (b'{"a":1}', b'{"b":2}')
    assert capture.named("m").output == (b'{"c":3}',)
    assert capture.named("n").input == b'"text"'
    assert capture.named("n").output is None
    assert decode(capture.named("f").input or b"") == '{"x": 1}'  # type: ignore[arg-type]


def test_no_number(capture: Capture):
    """What JSON has no word for is no content, rather than a null that is there."""
    with trace("t"), function_span("f", input="1", output=float("nan")) as span:
        pass

    record = span_record(span)
    assert (record.input, record.output) == (b'"1"', None)


def test_data(capture: Capture):
    """`data` holds all the rest, and a custom span's own data as it is."""
    with trace("t"):
        with custom_span("c", {"name": "inner", "input": 1}):
            pass
        with agent_span("a", handoffs=["b"], tools=["x"]):
            pass

    assert decode(capture.named("c").data) == {"name": "inner", "input": 1}
    assert decode(capture.named("a").data) == {
        "handoffs": ["b"],
        "tool_names": ["x"],
        "output_type": None,
    }
    assert capture.named("a").tools is None


def test_names(capture: Capture):
    """A span without a name of its own is called by what it is about."""
    with trace("t"):
        for span in (
            handoff_span("a", "b"),
            handoff_span(),
            mcp_tools_span("s"),
            generation_span(),
        ):
            with span:
                pass

    assert [record.name for record in capture.spans] == ["a → b", "? → ?", "s", "generation"]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ("many", Usage()),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(input_tokens=1, output_tokens=2)),
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(input_tokens=1, output_tokens=2)),
        ({"input_tokens": -1, "output_tokens": True}, Usage()),
        ({"input_tokens": 2**63, "output_tokens": 1.5}, Usage()),
        (
            {
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(cached_tokens=3, reasoning_tokens=4),
        ),
        (
            {
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(cached_tokens=3, reasoning_tokens=4),
        ),
        ({"input_tokens_details": "none"}, Usage()),
    ],
)
def test_usage(capture: Capture, usage: Any, expected: Usage):
    """Token counts are known under the names of both of OpenAI's APIs; others are no counts."""
    with generation_span(model="m", usage=usage):
        pass

    assert capture.named("m").usage == expected


class ForeignData(SpanData):
    type = "custom"

    def export(self) -> dict[str, Any]:
        return {"type": "custom", "name": "theirs", "data": [1]}


class ForeignSpan:
    """A span of another tracer, with the same public attributes."""

    trace_id, span_id, parent_id = "trace_x", "span_x", None
    started_at: str | None = "2026-01-01T00:00:00+00:00"
    ended_at: str | None = None
    error: Any = None
    tracing_api_key = None
    span_data = ForeignData()

    def export(self) -> dict[str, Any]:
        return {"id": self.span_id, "span_data": self.span_data.export()}


class ForeignTrace:
    trace_id, name, group_id, metadata = "trace_x", "theirs", "g", {"k": 1}
    tracing_api_key = None

    def export(self) -> dict[str, Any]:
        return {"id": self.trace_id}


def test_foreign():
    """Spans and traces of another tracer are recorded by their public attributes."""
    span: Any = ForeignSpan()
    known = trace_record(ForeignTrace())  # type: ignore[arg-type]
    running = span_record(span, known)
    span.ended_at = "2026-01-01T00:00:01+00:00"
    ended = span_record(span, known)
    span.error = {"message": "x", "data": None}
    failed = span_record(span)

    assert (known.start_ns, known.status, known.metadata) == (0, "running", b'{"k":1}')
    assert (running.status, running.end_ns) == ("running", None)
    assert (running.trace_name, running.group_id, running.metadata) == ("theirs", "g", b'{"k":1}')
    assert (ended.status, (ended.end_ns or 0) - ended.start_ns) == ("ok", 1_000_000_000)
    assert (failed.status, failed.trace_name, failed.metadata) == ("error", None, None)
    assert FrozenSpan(span).export()["id"] == "span_x"
    assert FrozenTrace(ForeignTrace()).group_id == "g"  # type: ignore[arg-type]


def test_own_dict(capture: Capture):
    """A program's span data keeps the dict that it gave for the record as it was."""

    class Mine(SpanData):
        said: dict[str, Any] = {"type": "mine", "name": "n", "input": "i", "k": 1}  # noqa: RUF012

        @property
        def type(self) -> str:
            return "mine"

        def export(self) -> dict[str, Any]:
            return self.said

    with trace("t"):
        span = get_trace_provider().create_span(Mine())
        span.start()
        span.finish()
    records = [span_record(span), span_record(span)]

    assert records[0] == records[1]
    assert (records[0].input, records[0].data) == (b'"i"', b'{"k":1}')
    assert Mine.said == {"type": "mine", "name": "n", "input": "i", "k": 1}
