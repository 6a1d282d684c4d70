import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.otlp.decode import Rejected, decode_document, is_document
from exporters.otlp.encode import encode_attributes
from exporters.record import Kept, from_json, to_json

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
KEYS = (
    *("resourceSpans", "scopeSpans", "spans", "resource", "attributes", "key", "value", "events"),
    *("traceId", "spanId", "startTimeUnixNano", "stringValue", "intValue", "arrayValue", "values"),
    *("kvlistValue", "status", "code", "name", "kind", "links", "flightlog.k"),
)
rubbish = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        st.sampled_from([TRACE, SPAN, "span", "5"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=30,
)


def document(*spans, resource=None, scope="x"):
    """A document of these spans."""
    about = {"attributes": encode_attributes(resource or {})}
    spans = [{"traceId": TRACE, "spanId": SPAN, "name": "n", "startTimeUnixNano": "5",
              "endTimeUnixNano": "9", **span} for span in spans]  # fmt: skip
    scopes = [{"scope": {"name": scope}, "spans": spans}]
    return {"resourceSpans": [{"resource": about, "scopeSpans": scopes}]}


def span(attributes=None, **fields):
    """A span with these attributes."""
    return {"attributes": encode_attributes(attributes or {}), **fields}


def records(*spans, **options):
    """The records of spans that are all good."""
    found = list(decode_document(document(*spans, **options)))
    assert all(isinstance(record, Kept) for record in found)
    return [record.record for record in found]


def one(attributes, **fields):
    """The record of one span that is not the root of its trace."""
    (record,) = records(span(attributes, parentSpanId="b" * 16, **fields))
    return record


def test_trace():
    """A root gives a trace and stays a span: named by its workflow, grouped by its session."""
    root = span(
        {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "Support",
         "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'},
        name="invoke_workflow Support",
    )  # fmt: skip
    child = span({"session.id": "chat", "user.id": "u"}, spanId="c" * 16, parentSpanId=SPAN)

    trace, first, second = records(child, root)

    assert (trace.name, trace.group_id, trace.status) == ("Support", "chat", "ok")
    assert trace.metadata == b'{"user_id":"u"}'
    assert trace.input == b'[{"role":"user","content":"hi"}]'
    assert (first.span_id, second.parent_id) == (f"span_{SPAN}1c80319c", first.span_id)
    assert (first.trace_name, second.group_id) == ("Support", "chat")
    assert trace.trace_id == f"trace_{TRACE}"


def test_genai():
    """A call by the GenAI conventions has model, tokens, messages, settings and first token."""
    record = one(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.id": "r1",
            "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.cache_read.input_tokens": 2,
            "gen_ai.usage.reasoning.output_tokens": 1,
            "gen_ai.response.time_to_first_chunk": 0.5,
            "gen_ai.system_instructions": '[{"type":"text","content":"be brief"}]',
            "gen_ai.input.messages": [
                {"role": "user", "parts": [{"type": "text", "content": "q"}]}
            ],
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"tool_call",'
            '"id":"c","name":"f","arguments":{"a":1}}]}]',
            "gen_ai.tool.definitions": '[{"type":"function","name":"f"}]',
        },
        kind=3,
    )

    assert (record.type, record.name, record.model) == ("generation", "gpt-5", "gpt-5")
    assert record.usage == (7, 3, 2, 1)
    assert record.input == (b'{"role":"user","content":"q"}',)
    assert orjson.loads(record.output[0])["arguments"] == '{"a":1}'
    assert record.instructions == b'"be brief"'
    assert record.tools == (b'{"type":"function","name":"f"}',)
    assert record.first_token_ns == 500_000_005
    assert orjson.loads(record.data) == {
        "model_config": {"temperature": 0.5},
        "response_id": "r1",
        "provider": "openai",
    }
    assert record.attributes["gen_ai.usage.input_tokens"] == "7"
    assert record.attributes["otel.kind"] == "client"


def test_openinference():
    """A call by OpenInference has its messages, however they were flattened, and its tokens."""
    record = one(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude",
            "llm.token_count.prompt": 5,
            "llm.token_count.completion": 6,
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "hi",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "be brief",
            "llm.input_messages.999999999.message.role": "tool",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            "llm.invocation_parameters": '{"temperature": 1}',
            "llm.tools.0.tool.json_schema": '{"type":"function"}',
        }
    )

    assert (record.type, record.model, record.usage[:2]) == ("generation", "claude", (5, 6))
    assert [orjson.loads(item) for item in record.input] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "tool"},
    ]
    assert orjson.loads(record.output[0])["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert orjson.loads(record.data) == {"model_config": {"temperature": 1}}
    assert record.tools == (b'{"type":"function"}',)


@pytest.mark.parametrize(
    ("attributes", "fields", "kind", "name"),
    [
        ({"langfuse.observation.type": "tool", "gen_ai.tool.name": "f"}, {}, "function", "f"),
        ({"langfuse.observation.type": "chain"}, {}, "custom", "n"),
        ({"openinference.span.kind": "TOOL", "input.value": "a", "output.value": "b"},
         {"name": "handoff to b"}, "handoff", "a → b"),
        ({"openinference.span.kind": "GUARDRAIL"}, {"name": "safe"}, "guardrail", "safe"),
        ({"openinference.span.kind": "chain"}, {"name": "mcp_tools"}, "mcp_tools", "mcp_tools"),
        ({"traceloop.span.kind": "agent", "traceloop.entity.name": "A"}, {}, "agent", "A"),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}, {}, "function", "f"),
        ({"gen_ai.operation.name": "invoke_agent"}, {"name": "invoke_agent B"}, "agent", "B"),
        ({"gen_ai.operation.name": "chat", "openai.api.type": "responses",
          "gen_ai.request.model": "m"}, {}, "response", "m"),
        ({"gen_ai.operation.name": "apply_guardrail"}, {"name": "guardrail g"}, "guardrail", "g"),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m"}, {}, "generation",
         "m"),
        ({"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "F"}, {}, "agent", "F"),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "f"}, {}, "function", "f"),
        ({"llm.request.type": "chat", "gen_ai.response.model": "m"}, {}, "generation", "m"),
        ({"gen_ai.request.model": "m"}, {}, "custom", "n"),
        ({"gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 3}, {}, "generation", "m"),
        ({"http.method": "GET"}, {}, "custom", "n"),
        ({}, {"name": ""}, "custom", "custom"),
    ],
)  # fmt: skip
def test_types(attributes, fields, kind, name):
    """A span of another tool has the type that its attributes tell."""
    record = one(attributes, **fields)

    assert (record.type, record.name) == (kind, name)


def test_logfire():
    """A span that announces another one is left out; templates of logfire tell types."""
    pending = span({"logfire.span_type": "pending_span"}, spanId="d" * 16)
    guard = span(
        {"logfire.msg_template": "Guardrail {name!r} {triggered=}", "name": "safe",
         "triggered": True},
        parentSpanId="b" * 16,
    )  # fmt: skip

    (record,) = records(pending, guard, scope="logfire.openai_agents")

    assert (record.type, record.name, record.data) == ("guardrail", "safe", b'{"triggered":true}')


def test_error():
    """An error has the message and what its exception says; OK and unset are both ok."""
    failed = one(
        {},
        status={"code": 2},
        events=[{"name": "exception", "attributes": encode_attributes(
            {"exception.type": "ValueError", "exception.message": "boom",
             "exception.stacktrace": "line 1"})}],
    )  # fmt: skip

    assert failed.status == "error"
    assert orjson.loads(failed.error) == {
        "message": "boom",
        "data": {"type": "ValueError", "stack": "line 1"},
    }
    assert one({}, status={"code": 1}).status == "ok"
    assert one({}, endTimeUnixNano="0").status == "running"
    assert one({}, endTimeUnixNano=3).end_ns == 5


def test_kept():
    """Nothing that came with a span is lost: resource, scope, events and links are kept."""
    (record,) = records(
        span({"a": [1, {"b": None}]}, parentSpanId="b" * 16, links=[{"traceId": TRACE}],
             events=[{"name": "e", "timeUnixNano": "7"}]),
        resource={"service.name": "shop"},
    )  # fmt: skip

    assert record.attributes["a"] == '[1,{"b":null}]'
    assert record.attributes["resource.service.name"] == "shop"
    assert record.attributes["otel.scope.name"] == "x"
    assert orjson.loads(record.attributes["otel.events"])[0]["name"] == "e"
    assert orjson.loads(record.attributes["otel.links"]) == [{"traceId": TRACE}]


def test_usage_once():
    """Totals that an agent's span repeats are not counted again."""
    record = one({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9})

    assert record.usage.input_tokens is None


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"traceId": ""}, "traceId"),
        ({"spanId": "0" * 16}, "spanId"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano"),
        ({"attributes": {"a": 1}}, "attributes"),
        ({"attributes": [{"key": "a", "value": 1}]}, "attribute"),
        ({"attributes": [{"key": "a", "value": {"arrayValue": {"values": 1}}}]}, "array"),
        ({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, "intValue"),
        ({"attributes": encode_attributes({"flightlog.k": "span", "flightlog.data": "{"})}, "cut"),
        ({"attributes": encode_attributes({"flightlog.k": "x"})}, "'k'"),
    ],
)
def test_rejected(bad, told):
    """What is no span is named by its place, and the others are read."""
    rejected, *rest = list(decode_document(document(bad, span(parentSpanId="b" * 16))))

    assert isinstance(rejected, Rejected)
    assert rejected.place == "span 1"
    assert told in rejected.why
    assert len(rest) == 1


@given(rubbish)
def test_fuzz_document(value):
    """Anything within a document is records, or rejected."""
    for found in decode_document({"resourceSpans": value}):
        assert isinstance(found, Kept | Rejected)


@given(st.dictionaries(st.sampled_from(KEYS), rubbish), st.lists(rubbish, max_size=3))
def test_fuzz_span(fields, listed):
    """Anything within a span is a record that can be written, or rejected."""
    for found in decode_document(document(fields, {"attributes": listed})):
        if isinstance(found, Kept):
            assert from_json(to_json(found)) == found


def test_is_document():
    """A document is told by its key."""
    assert is_document({"resourceSpans": []})
    assert not is_document({"k": "span"})
    assert not is_document([])
