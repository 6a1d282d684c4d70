import inspect
from collections.abc import Callable
from typing import Any

import pytest
from openai.types.responses import Response

import tracer
from tracer import span_data
from tracer.encoding import decode
from tracer.span_data import record_of, response_fields
from tracer.testing import Capture


def response(**more: Any) -> Response:
    """What a server answers."""
    return Response.model_validate(
        {
            "id": "resp_1",
            "created_at": 1.0,
            "model": "gpt-5",
            "object": "response",
            "instructions": "Be kind.",
            "output": [
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
                }
            ],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": 0.5,
            "usage": {
                "input_tokens": 3,
                "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 5,
            },
            **more,
        }
    )


EXPORTS = [
    (
        lambda: tracer.agent_span("a", ["b"], ["t"], "str"),
        {
            "type": "agent",
            "name": "a",
            "handoffs": ["b"],
            "tools": ["t"],
            "output_type": "str",
        },
    ),
    (
        lambda: tracer.function_span("f", '{"x":1}', "out"),
        {"type": "function", "name": "f", "input": '{"x":1}', "output": "out", "mcp_data": None},
    ),
    (
        lambda: tracer.generation_span(
            [{"role": "user"}], [{"role": "assistant"}], "m", {"t": 1}, {"i": 1}
        ),
        {
            "type": "generation",
            "input": [{"role": "user"}],
            "output": [{"role": "assistant"}],
            "model": "m",
            "model_config": {"t": 1},
            "usage": {"i": 1},
        },
    ),
    (
        lambda: tracer.response_span(response()),
        {"type": "response", "response_id": "resp_1", "usage": None},
    ),
    (lambda: tracer.response_span(), {"type": "response", "response_id": None, "usage": None}),
    (
        lambda: tracer.handoff_span("a", "b"),
        {"type": "handoff", "from_agent": "a", "to_agent": "b"},
    ),
    (
        lambda: tracer.custom_span("c", {"k": 1}),
        {"type": "custom", "name": "c", "data": {"k": 1}},
    ),
    (lambda: tracer.custom_span("c"), {"type": "custom", "name": "c", "data": {}}),
    (
        lambda: tracer.guardrail_span("g", True),
        {"type": "guardrail", "name": "g", "triggered": True},
    ),
    (
        lambda: tracer.transcription_span("m", "AAAA", "pcm", "hello", {"l": "en"}),
        {
            "type": "transcription",
            "input": {"data": "AAAA", "format": "pcm"},
            "output": "hello",
            "model": "m",
            "model_config": {"l": "en"},
        },
    ),
    (
        lambda: tracer.speech_span(
            "m", "hello", "AAAA", "pcm", {"v": "x"}, "2026-01-01T00:00:00+00:00"
        ),
        {
            "type": "speech",
            "input": "hello",
            "output": {"data": "AAAA", "format": "pcm"},
            "model": "m",
            "model_config": {"v": "x"},
            "first_content_at": "2026-01-01T00:00:00+00:00",
        },
    ),
    (lambda: tracer.speech_group_span("hello"), {"type": "speech_group", "input": "hello"}),
    (
        lambda: tracer.mcp_tools_span("files", ["read"]),
        {"type": "mcp_tools", "server": "files", "result": ["read"]},
    ),
    (
        lambda: tracer.task_span("run"),
        {"type": "custom", "name": "task", "data": {"sdk_span_type": "task", "name": "run"}},
    ),
    (
        lambda: tracer.turn_span(2, "triage"),
        {
            "type": "custom",
            "name": "turn",
            "data": {"sdk_span_type": "turn", "turn": 2, "agent_name": "triage"},
        },
    ),
]


@pytest.mark.parametrize(("make", "expected"), EXPORTS)
def test_export(capture: Capture, make: Callable[[], tracer.Span[Any]], expected: dict[str, Any]):
    """Each type of span has the wire format that OpenAI's backend knows."""
    assert make().span_data.export() == expected


def test_types():
    """Each class of span data says its type."""
    types = {
        cls.__name__: cls.type.fget(cls.__new__(cls))  # type: ignore[attr-defined]
        for _, cls in inspect.getmembers(span_data, inspect.isclass)
        if issubclass(cls, span_data.SpanData) and cls is not span_data.SpanData
    }

    assert types == {
        "AgentSpanData": "agent",
        "CustomSpanData": "custom",
        "FunctionSpanData": "function",
        "GenerationSpanData": "generation",
        "GuardrailSpanData": "guardrail",
        "HandoffSpanData": "handoff",
        "MCPListToolsSpanData": "mcp_tools",
        "ResponseSpanData": "response",
        "SpeechGroupSpanData": "speech_group",
        "SpeechSpanData": "speech",
        "TaskSpanData": "task",
        "TranscriptionSpanData": "transcription",
        "TurnSpanData": "turn",
    }


def test_function_output():
    """On the wire an output is text; the record has it as the tool returned it."""
    data = tracer.FunctionSpanData("f", None, {"a": 1})

    assert data.export()["output"] == "{'a': 1}"
    assert data.record()["output"] == {"a": 1}


def test_unprintable_output(capture: Capture):
    """An output that cannot be printed does not keep the span from being exported."""

    class Output:
        def __str__(self) -> str:
            raise RuntimeError

    with tracer.function_span("f") as span:
        span.span_data.output = Output()

    assert span.span_data.export()["output"] == "<unprintable Output>"
    assert capture.named("f").output == b'"<unprintable Output>"'


def test_response_record():
    """The record of a response span has the whole response, and what the code set wins."""
    data = tracer.ResponseSpanData(response(), input=[{"role": "user", "content": "Hello"}])
    data.instructions = "Set by hand."
    record = data.record()

    assert record["input"] == [{"role": "user", "content": "Hello"}]
    assert record["output"][0]["content"][0]["text"] == "Hi"
    assert record["instructions"] == "Set by hand."
    assert record["model"] == "gpt-5"
    assert record["usage"]["input_tokens_details"]["cached_tokens"] == 1
    assert record["model_config"]["temperature"] == 0.5
    assert record["response_id"] == "resp_1"
    assert record["response"] == {"created_at": 1.0, "object": "response"}


def test_response_fields():
    """A response may be a mapping, or an object that is no response at all."""
    assert response_fields({"id": "r", "model": "m"}) == {"model": "m", "response_id": "r"}
    assert response_fields(object())["response"]["value"].startswith("<object")


def test_generation_record(capture: Capture):
    """The record of a generation has what the wire format has no place for."""
    with tracer.generation_span(model="m", usage={"input_tokens": 1}) as span:
        span.span_data.instructions = "Be kind."
        span.span_data.tools = [{"name": "t"}]
        span.span_data.response_rest = {"system_fingerprint": "f"}
        span.span_data.first_token_at = "2026-01-01T00:00:00+00:00"

    record = capture.named("m")
    assert record.instructions == b'"Be kind."'
    assert record.tools == (b'{"name":"t"}',)
    assert decode(record.data) == {
        "response": {"system_fingerprint": "f"},
        "first_token_at": "2026-01-01T00:00:00+00:00",
        "usage": {"input_tokens": 1},
    }


def test_optional_record():
    """Tasks, turns, agents, guardrails and tools keep usage, metadata and the like."""
    assert tracer.TaskSpanData("run", {"total": 1}, {"m": 1}).record() == {
        "type": "task",
        "name": "run",
        "usage": {"total": 1},
        "metadata": {"m": 1},
    }
    assert tracer.TaskSpanData("run", {"total": 1}).export()["data"]["usage"] == {"total": 1}
    turn = tracer.TurnSpanData(1, "a", {"total": 1})
    assert turn.record()["name"] == "turn 1"
    assert turn.export()["data"]["usage"] == {"total": 1}
    assert tracer.AgentSpanData("a", tools=["t"], metadata={"m": 1}).record()["tool_names"] == ["t"]
    guardrail = tracer.GuardrailSpanData("g")
    guardrail.output_info = {"why": "x"}
    assert guardrail.record()["output"] == {"why": "x"}
    assert "mcp_data" not in tracer.FunctionSpanData("f", None, None).record()
    assert tracer.FunctionSpanData("f", None, None, {"s": 1}).record()["mcp_data"] == {"s": 1}


class Foreign:
    """Span data of another tracer."""

    def __init__(self, type: str, exported: dict[str, Any], **attributes: Any) -> None:
        self.type = type
        self._exported = exported
        self.__dict__.update(attributes)

    def export(self) -> dict[str, Any]:
        return self._exported


def test_foreign_function():
    """Of another tracer's data an attribute is preferred to the text on the wire."""
    data = Foreign("function", {"type": "function", "output": "{'a': 1}"}, output={"a": 1})

    assert record_of(data) == {"type": "function", "output": {"a": 1}}


def test_foreign_turn():
    """Another tracer's tasks and turns are known by their type."""
    exported = {"type": "custom", "name": "turn", "data": {"sdk_span_type": "turn", "turn": 2}}
    data = Foreign("turn", exported, turn=2, usage={"n": 1})

    assert record_of(data) == {"type": "turn", "turn": 2, "usage": {"n": 1}, "name": "turn 2"}


def test_foreign_response():
    """Another tracer's response span is recorded with its response and its input."""
    data = Foreign(
        "response", {"type": "response", "response_id": "resp_1"}, response=response(), input="Hi"
    )
    record = record_of(data)

    assert record["input"] == "Hi"
    assert record["response_id"] == "resp_1"
    assert record["output"][0]["type"] == "message"


def test_foreign_agent():
    """Another tracer's agent span has names of tools, not definitions."""
    data = Foreign("agent", {"type": "agent", "name": "a", "tools": ["t"]})

    assert record_of(data) == {"type": "agent", "name": "a", "tool_names": ["t"]}
