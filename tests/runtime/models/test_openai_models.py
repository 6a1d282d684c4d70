"""Both model classes, streaming and not, through the real client against the stub."""

import asyncio
import json

import openai
import pytest
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
)
from openai.types.shared import Reasoning
from pydantic import BaseModel

from runtime.agent_output import AgentOutputSchema
from runtime.exceptions import ModelBehaviorError
from runtime.handoffs import Handoff
from runtime.items import ModelResponse
from runtime.model_settings import ModelSettings
from runtime.testing import (
    TokenCounts,
    disconnect,
    error,
    error_event,
    failed,
    garbage,
    hang,
    openai_stub,
    reasoning,
    refusal,
    structured,
    text,
    tool_call,
    tool_calls,
)
from runtime.tool import function_tool


class Weather(BaseModel):
    city: str
    degrees: float


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _refuse_handoff(_context: object, _arguments: str) -> None:
    raise NotImplementedError


REFUNDS = Handoff(
    tool_name="transfer_to_refunds",
    tool_description="Refunds.",
    input_json_schema={"type": "object", "properties": {}, "additionalProperties": False},
    on_invoke_handoff=_refuse_handoff,
    agent_name="Refunds",
)


def said(response: ModelResponse) -> str:
    """The text of an answer that is one message."""
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    return message.content[0].text


def test_text(ask):
    """Text comes back as one message, whatever the API and however it travelled."""
    with openai_stub([text("The weather is fine today, and warm.")]) as stub:
        response = ask(stub.client())

    assert said(response) == "The weather is fine today, and warm."
    assert response.output[0].status == "completed"


def test_empty_history_is_sent_as_it_is(ask):
    """An agent without instructions sends none."""
    with openai_stub([text("hi")]) as stub:
        ask(stub.client(), system_instructions=None, input=[{"role": "user", "content": "hey"}])

    (request,) = stub.requests
    assert request.instructions == ""
    assert request.items == [{"role": "user", "content": "hey"}]


def test_asked(ask):
    """Instructions, the user's words and the model's name reach the server."""
    with openai_stub([text("hi")]) as stub:
        ask(stub.client(), system_instructions="Be brief.", input="What is up?")

    (request,) = stub.requests
    assert request.model == "gpt-test"
    assert request.instructions == "Be brief."
    assert request.last_user_text == "What is up?"
    assert request.streamed is ask.streamed
    assert request.headers["authorization"] == "Bearer stub"


def test_tool_call(ask):
    """A call of a tool keeps its name, its arguments and its id."""
    with openai_stub([tool_call("add", {"a": 1, "b": 2}, call_id="call_1")]) as stub:
        (call,) = ask(stub.client(), tools=[add]).output

    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.call_id) == ("add", "call_1")
    assert json.loads(call.arguments) == {"a": 1, "b": 2}
    assert stub.requests[0].tool_names == ["add"]


def test_several_calls(ask):
    """Several calls of one answer keep their order."""
    calls = [("add", {"a": number, "b": 0}) for number in range(5)]
    with openai_stub([text("One moment.") + tool_calls(calls)]) as stub:
        message, *made = ask(stub.client(), tools=[add]).output

    assert message.content[0].text == "One moment."
    assert [json.loads(call.arguments)["a"] for call in made] == [0, 1, 2, 3, 4]
    assert len({call.call_id for call in made}) == 5


def test_broken_arguments(ask):
    """Arguments that are not JSON arrive as they were sent; judging them is the tool's work."""
    with openai_stub([tool_call("add", '{"a": 1, "b"')]) as stub:
        (call,) = ask(stub.client(), tools=[add]).output

    assert call.arguments == '{"a": 1, "b"'


def test_structured(ask):
    """An output type is sent as a strict JSON schema and its JSON comes back as text."""
    schema = AgentOutputSchema(Weather)
    with openai_stub([structured(Weather(city="Rome", degrees=21.5))]) as stub:
        response = ask(stub.client(), output_schema=schema)

    assert schema.validate_json(said(response)) == Weather(city="Rome", degrees=21.5)
    body = stub.requests[0].body
    sent = body["text"]["format"] if ask.api == "responses" else body["response_format"]
    described = sent if ask.api == "responses" else sent["json_schema"]
    assert sent["type"] == "json_schema"
    assert described["schema"] == schema.json_schema()
    assert described["strict"] is True


def test_refusal(ask):
    """A refusal is a part of the message, not text."""
    with openai_stub([refusal("I will not do that.")]) as stub:
        (message,) = ask(stub.client()).output

    assert [part.type for part in message.content] == ["refusal"]
    assert message.content[0].refusal == "I will not do that."


def test_reasoning(ask):
    """Reasoning comes before what it led to."""
    with openai_stub([reasoning("They greet me.") + text("Hello!")]) as stub:
        thought, message = ask(stub.client()).output

    assert isinstance(thought, ResponseReasoningItem)
    assert thought.summary[0].text == "They greet me."
    assert message.content[0].text == "Hello!"


def test_usage(ask):
    """Usage keeps its details: cached and reasoning tokens."""
    counts = TokenCounts(input_tokens=100, output_tokens=20, cached_tokens=64, reasoning_tokens=7)
    with openai_stub([text("hi", usage=counts)]) as stub:
        usage = ask(stub.client()).usage

    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (1, 100, 20)
    assert usage.total_tokens == 120
    assert usage.input_tokens_details.cached_tokens == 64
    assert usage.output_tokens_details.reasoning_tokens == 7


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_error_status(ask, status, kind):
    """An error status passes through as the client's own error."""
    with openai_stub([error(status, "No luck.")]) as stub, pytest.raises(kind, match="No luck"):
        ask(stub.client())


def test_retry_after(ask):
    """A client that retries waits for as long as the server asks, then gets its answer."""
    with openai_stub([error(429, retry_after=0.01), text("hi")]) as stub:
        response = ask(stub.client(max_retries=1))

    assert said(response) == "hi"
    assert len(stub.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        garbage(),
        garbage("<html>", content_type="text/html"),
        garbage("{}"),
        garbage("[]"),
        garbage('"text"'),
        garbage("null"),
        garbage('{"output": null, "choices": null}'),
        garbage('{"output": [], "choices": []}'),
        garbage('{"output": [{}], "choices": [{}]}'),
        garbage('{"output": 3, "choices": 3, "type": 3}'),
        text("cut", incomplete="max_output_tokens"),
        text("cut", incomplete="content_filter"),
    ],
)
def test_rubbish(ask, reply):
    """An answer that makes no sense is the model's fault, and the message says what to do."""
    with (
        openai_stub([reply]) as stub,
        pytest.raises(ModelBehaviorError, match=r"'gpt-test' .*Run again; if it happens"),
    ):
        ask(stub.client())


@pytest.mark.parametrize("reply", [failed("Out of coal."), error_event("Out of coal.")])
def test_failure(ask, reply):
    """A failure inside an answer names its reason."""
    kinds = (ModelBehaviorError, openai.APIError)
    with openai_stub([reply]) as stub, pytest.raises(kinds, match="Out of coal"):
        ask(stub.client())


def test_hang(ask):
    """A server that never answers ends in the client's time-out."""
    with openai_stub([hang()]) as stub, pytest.raises(openai.APITimeoutError):
        ask(stub.client(timeout=0.1))


@pytest.mark.parametrize("after", [0, 1, 5])
def test_disconnect(ask, after):
    """A connection cut in the middle is an error, never a shorter answer."""
    reply = disconnect("A long answer that will never come to its end.", after=after)
    with openai_stub([reply]) as stub, pytest.raises(openai.APIConnectionError):
        ask(stub.client())


def test_handoff_is_a_tool(ask):
    """A handoff is offered as a function."""
    with openai_stub([tool_call("transfer_to_refunds")]) as stub:
        ask(stub.client(), tools=[add], handoffs=[REFUNDS])

    tools = stub.requests[0].body["tools"]
    functions = tools if ask.api == "responses" else [tool["function"] for tool in tools]
    assert [function["name"] for function in functions] == ["add", "transfer_to_refunds"]
    assert functions[0]["parameters"] == add.params_json_schema
    assert functions[1]["parameters"] == REFUNDS.input_json_schema
    assert all(function["strict"] for function in functions)


SETTINGS = ModelSettings(
    temperature=0.5,
    top_p=0.9,
    frequency_penalty=0.1,
    presence_penalty=0.2,
    tool_choice="add",
    parallel_tool_calls=False,
    truncation="auto",
    max_tokens=77,
    reasoning=Reasoning(effort="low"),
    verbosity="high",
    metadata={"team": "a"},
    store=False,
    response_include=["reasoning.encrypted_content"],
    top_logprobs=2,
    extra_query={"q": "1"},
    extra_body={"top_k": 5},
    extra_headers={"x-team": "a"},
    extra_args={"user": "u1"},
)


def test_settings(ask):
    """Every setting that an API has is sent, under the name it has there."""
    with openai_stub([text("hi")]) as stub:
        ask(stub.client(), tools=[add], model_settings=SETTINGS)

    (request,) = stub.requests
    body = request.body
    alike = {"temperature": 0.5, "top_p": 0.9, "metadata": {"team": "a"}, "store": False}
    alike |= {"top_logprobs": 2, "top_k": 5, "user": "u1", "parallel_tool_calls": False}
    assert alike.items() <= body.items()
    assert request.headers["x-team"] == "a"
    assert request.path.endswith("?q=1")
    if ask.api == "responses":
        assert body["max_output_tokens"] == 77
        assert body["reasoning"] == {"effort": "low"}
        assert body["text"] == {"verbosity": "high"}
        assert body["truncation"] == "auto"
        assert body["tool_choice"] == {"type": "function", "name": "add"}
        wanted = ["reasoning.encrypted_content", "message.output_text.logprobs"]
        assert body["include"] == wanted
    else:
        assert body["max_tokens"] == 77
        assert body["reasoning_effort"] == "low"
        assert body["verbosity"] == "high"
        assert body["logprobs"] is True
        assert body["frequency_penalty"] == 0.1
        assert body["presence_penalty"] == 0.2
        assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}


def test_nothing_unset_is_sent(ask):
    """What is not set is left to the provider."""
    with openai_stub([text("hi")]) as stub:
        ask(stub.client())

    expected = {"model", "stream"} if ask.streamed or ask.api == "responses" else {"model"}
    expected |= {"instructions", "input"} if ask.api == "responses" else {"messages"}
    if ask.streamed and ask.api == "chat":
        expected.add("stream_options")
    assert set(stub.requests[0].body) == expected


def test_events_in_order(api, events_of):
    """A stream numbers its events, opens before it fills, and ends with the whole response."""
    reply = reasoning("Hm.") + text("Let me see.") + tool_calls([("add", {"a": 1, "b": 2})] * 2)
    with openai_stub([reply]) as stub:
        events = events_of(api, stub.client(), tools=[add])

    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_item.added") == 4
    assert kinds.count("response.output_item.done") == 4
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == "Let me see."
    done = [e.item for e in events if e.type == "response.output_item.done"]
    assert done == events[-1].response.output


def test_stream_closed_early(api, open_stream):
    """Leaving a stream before its end closes the connection and leaves nothing behind."""

    async def take_one():
        with openai_stub([text("word " * 500, delta_delay=0.005)]) as stub:
            stream = open_stream(api, stub.client())
            async for _ in stream:
                break
            await stream.aclose()
            await asyncio.sleep(0)  # the client ends its own generator in a task
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(take_one()) == set()


def test_cancelled(ask):
    """A cancelled call ends at once and leaves no task behind."""

    async def cancel():
        with openai_stub([hang()]) as stub:
            task = asyncio.create_task(ask.answer(stub.client()))
            await asyncio.to_thread(stub.wait_for_requests, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(cancel()) == set()


def test_history_round_trip(ask):
    """What a model answered can be sent back with the output of its calls."""
    replies = [reasoning("Hm.") + text("Wait.") + tool_call("add", {"a": 1, "b": 2}, "call_1")]
    with openai_stub([*replies, text("3")]) as stub:
        first = ask(stub.client(), tools=[add])
        output = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
        history = [{"role": "user", "content": "1+2?"}, *first.to_input_items(), output]
        ask(stub.client(), tools=[add], input=history)

    second = stub.requests[1]
    assert second.tool_outputs == ["3"]
    if ask.api == "chat":
        roles = [message["role"] for message in second.body["messages"]]
        assert roles == ["system", "user", "assistant", "tool"]
        assistant = second.body["messages"][2]
        assert assistant["content"] == "Wait."
        assert [call["id"] for call in assistant["tool_calls"]] == ["call_1"]
    else:
        kinds = [item.get("type", item.get("role")) for item in second.items]
        expected = ["user", "reasoning", "message", "function_call", "function_call_output"]
        assert kinds == expected


@pytest.mark.parametrize(("include", "asked"), [(None, True), (True, True), (False, False)])
def test_usage_of_chunks(events_of, include, asked):
    """A stream of chunks is asked for its usage, unless the settings say no."""
    with openai_stub([text("hi")]) as stub:
        settings = ModelSettings(include_usage=include)
        events = events_of("chat", stub.client(), model_settings=settings)

    assert ("stream_options" in stub.requests[0].body) is asked
    assert (events[-1].response.usage is not None) is asked
