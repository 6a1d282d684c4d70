import orjson
import pytest

from exporters.otlp.ids import to_span_id, to_trace_id
from exporters.otlp.mapping import CLIENT, ERROR, INTERNAL, UNSET, root_of, span, trace_span
from exporters.record import from_fields

TRACE = "trace_0af7651916cd43dd8448eb211c80319c"
SPAN = "span_00f067aa0ba902b7deadbeef"


def record(kind="custom", **fields):
    """The record of a span."""
    plain = {"k": "span", "trace_id": TRACE, "span_id": SPAN, "start_ns": 5, "end_ns": 9}
    return from_fields(plain | {"type": kind, "name": "n"} | fields).record


def trace(**fields):
    """The record of a trace."""
    plain = {"k": "trace", "trace_id": TRACE, "name": "Support", "start_ns": 5, "end_ns": 9}
    return from_fields(plain | fields).record


def test_trace():
    """A trace is a span of its own: a workflow, whose conversation is its group if it has one."""
    said = trace_span(trace(group_id="chat", metadata={"user": 7}, input="hi"))

    assert (said.name, said.kind, said.parent_id) == ("invoke_workflow Support", INTERNAL, None)
    assert said.attributes["gen_ai.workflow.name"] == "Support"
    assert said.attributes["gen_ai.conversation.id"] == "chat"
    assert said.attributes["flightlog.metadata.user"] == "7"
    assert "gen_ai.conversation.id" not in trace_span(trace()).attributes
    assert "gen_ai.workflow.name" not in trace_span(trace(name="Agent workflow")).attributes


def test_parent():
    """A span's parent is its own, or the span that stands for the trace."""
    root = root_of(trace())

    assert span(record(), root=root).parent_id == root
    assert span(record()).parent_id is None
    inner = span(record(parent_id=SPAN, span_id="span_" + "c" * 24), root=root)
    assert inner.parent_id == to_span_id(TRACE, SPAN)
    assert inner.trace_id == to_trace_id(TRACE)


def test_call():
    """A model call has model, settings, tokens and messages, as the conventions name them."""
    said = span(
        record(
            "generation",
            model="gpt-5",
            first_token_ns=1_000_000_005,
            input=[{"role": "user", "content": "hi"}],
            output=[{"role": "assistant", "content": "yes"}],
            instructions="be brief",
            tools=[{"type": "function", "name": "f"}],
            input_tokens=3,
            output_tokens=4,
            cached_tokens=1,
            reasoning_tokens=2,
            data={"model_config": {"temperature": 1, "max_tokens": 9, "base_url": "https://x.ai/"}},
        )
    )

    assert (said.name, said.kind, said.status) == ("chat gpt-5", CLIENT, UNSET)
    plain = {key: value for key, value in said.attributes.items() if "messages" not in key}
    assert plain == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "x_ai",
        "gen_ai.request.model": "gpt-5",
        "openai.api.type": "chat_completions",
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 1,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.system_instructions": '[{"type":"text","content":"be brief"}]',
        "gen_ai.tool.definitions": '[{"type":"function","name":"f"}]',
    }
    assert orjson.loads(said.attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}
    ]


def test_content_off():
    """Without content, no text that went in or came out is said anywhere."""
    for kind in ("generation", "response", "function", "custom", "mcp_tools", "speech"):
        said = span(
            record(
                kind,
                input=["secret"],
                output=["secret"],
                instructions="secret",
                tools=[{"name": "secret"}],
                data={"result": ["secret"], "other": "secret"},
            ),
            content=False,
        )
        assert "secret" not in repr(said)


@pytest.mark.parametrize(
    ("kind", "fields", "name", "attributes"),
    [
        ("agent", {"data": {"output_type": "Answer", "tools": ["f"]}}, "invoke_agent n",
         {"gen_ai.agent.name": "n", "gen_ai.output.type": "json", "flightlog.agent.tools": ["f"]}),
        ("response", {"model": "m", "data": {"response_id": "r"}}, "chat m",
         {"openai.api.type": "responses", "gen_ai.response.id": "r",
          "gen_ai.provider.name": "openai"}),
        ("function", {"input": '{"a":1}', "output": "ok", "data": {"mcp_data": {"server": "s"}}},
         "execute_tool n",
         {"gen_ai.tool.name": "n", "gen_ai.tool.call.arguments": '{"a":1}',
          "gen_ai.tool.call.result": "ok", "mcp.method.name": "tools/call",
          "flightlog.mcp.server": "s"}),
        ("guardrail", {"data": {"triggered": True}}, "guardrail n",
         {"gen_ai.guardrail.triggered": True, "gen_ai.guardrail.result.value": "true",
          "openinference.span.kind": "GUARDRAIL"}),
        ("handoff", {"data": {"from_agent": "a", "to_agent": "b"}}, "handoff b",
         {"gen_ai.handoff.from_agent": "a", "gen_ai.handoff.to_agent": "b"}),
        ("mcp_tools", {"data": {"server": "s", "result": ["f"]}}, "tools/list",
         {"mcp.method.name": "tools/list", "flightlog.mcp.tools": ["f"]}),
        ("turn", {"data": {"turn": 3, "agent_name": "a", "usage": {"input_tokens": 5}}}, "turn 3",
         {"flightlog.turn": 3, "flightlog.usage.input_tokens": 5, "gen_ai.agent.name": "a"}),
        ("transcription", {"model": "whisper", "output": "hi"}, "transcription whisper",
         {"gen_ai.operation.name": "transcription", "gen_ai.output.type": "text"}),
        ("custom", {"data": {"a": {"b": 1}}}, "n", {"flightlog.data.a": '{"b":1}'}),
    ],
)  # fmt: skip
def test_types(kind, fields, name, attributes):
    """Every type of span has its name and attributes."""
    said = span(record(kind, **fields))

    assert said.name == name
    assert attributes.items() <= said.attributes.items()


def test_usage_once():
    """What a task or turn used is the sum of its calls, so it is no usage of the conventions."""
    said = span(record("task", data={"usage": {"input_tokens": 5}}))

    assert not any(key.startswith("gen_ai.usage") for key in said.attributes)


def test_status():
    """An error has its type and message; a tripped guardrail, or a span that runs, is none."""
    failed = span(record(status="error", error={"message": "boom", "data": {"type": "ValueError"}}))
    unknown = span(record(status="error", error={"message": "boom"}))
    running = span(record(end_ns=None))

    assert (failed.status, failed.message) == (ERROR, "boom")
    assert failed.attributes["error.type"] == "ValueError"
    assert unknown.attributes["error.type"] == "_OTHER"
    assert (running.status, running.end_ns) == (UNSET, running.start_ns)


def test_attributes():
    """What the program set on the span is there, under its own names."""
    said = span(record("agent", attributes={"customer": "7", "gen_ai.agent.name": "x"}))

    assert (said.attributes["customer"], said.attributes["gen_ai.agent.name"]) == ("7", "n")
