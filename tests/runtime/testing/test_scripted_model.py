import asyncio

import pytest

from runtime.exceptions import UserError
from runtime.handoffs import Handoff
from runtime.model_settings import ModelSettings
from runtime.models.interface import ModelTracing
from runtime.testing import (
    ScriptedModel,
    ScriptExhaustedError,
    TokenCounts,
    error,
    handoff_to,
    hang,
    raises,
    reasoning,
    text,
    tool_call,
    tool_calls,
)
from runtime.testing.replies import handoff_tool_name
from runtime.tool import function_tool


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def _invoke(_context, _arguments):
    raise NotImplementedError


WAY = Handoff("transfer_to_x", "X.", {"type": "object", "properties": {}}, _invoke, "X")


async def ask(model, streamed=False, **given):
    """The response of a model, by either way."""
    defaults = {
        "system_instructions": "Be kind.",
        "input": "hi",
        "model_settings": ModelSettings(),
        "tools": [add],
        "output_schema": None,
        "handoffs": [WAY],
        "tracing": ModelTracing.DISABLED,
    }
    if not streamed:
        return await model.get_response(**{**defaults, **given})
    events = [event async for event in model.stream_response(**{**defaults, **given})]
    return events[-1].response


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    """Both ways to ask."""
    return request.param


def test_answers(streamed):
    """The same script gives the same items, whole and in pieces."""
    model = ScriptedModel(
        [reasoning("Hm.") + text("Yes."), tool_calls([("add", {}), ("add", "{")])]
    )

    first = asyncio.run(ask(model, streamed)).output
    second = asyncio.run(ask(model, streamed)).output
    assert [item.type for item in first] == ["reasoning", "message"]
    assert first[1].content[0].text == "Yes."
    assert [call.arguments for call in second] == ["{}", "{"]
    assert model.replies_left == 0


def test_calls_are_recorded(streamed):
    """A call keeps what the model was asked, as it was then."""
    history = [{"role": "user", "content": "hi"}]
    model = ScriptedModel(["ok"])
    asyncio.run(ask(model, streamed, input=history))
    history.append({"role": "user", "content": "later"})

    (call,) = model.calls
    assert call.streamed is streamed
    assert call.instructions == "Be kind."
    assert call.last_user_text == "hi"
    assert call.tool_names == ["add", "transfer_to_x"]
    assert call.tool_outputs == []


def test_function_of_the_call(streamed):
    """A function of the call chooses the reply."""
    model = ScriptedModel(lambda call: f"{call.last_user_text} {len(call.tools)}")

    assert asyncio.run(ask(model, streamed)).output[0].content[0].text == "hi 1"


def test_exhausted(streamed):
    """A script that is too short says how long it is and how often it was asked."""
    model = ScriptedModel(["one"])
    asyncio.run(ask(model, streamed))

    with pytest.raises(ScriptExhaustedError, match="asked 2 times, but its script has only 1"):
        asyncio.run(ask(model, streamed))


@pytest.mark.parametrize("script", ["hi", text("hi")])
def test_single_reply(streamed, script):
    """A reply alone is a script of one, also if it is a string."""
    model = ScriptedModel(script)

    assert model.replies_left == 1
    assert asyncio.run(ask(model, streamed)).output[0].content[0].text == "hi"


@pytest.mark.parametrize(
    ("script", "what"), [(None, "It is a 'NoneType'"), (["x", 3], "Its reply 1 is a 'int'")]
)
def test_wrong_script(script, what):
    """What is no script is refused when the model is made."""
    with pytest.raises(UserError, match=what):
        ScriptedModel(script)


def test_raises(streamed):
    """An exception of the script is raised as it is."""
    model = ScriptedModel([raises(KeyError("x"))])

    with pytest.raises(KeyError):
        asyncio.run(ask(model, streamed))


def test_hang(streamed):
    """A model that hangs can be cancelled."""

    async def late():
        async with asyncio.timeout(0.01):
            await ask(ScriptedModel([hang()]), streamed)

    with pytest.raises(TimeoutError):
        asyncio.run(late())


def test_server_reply(streamed):
    """A reply only a server can give is refused with the way out."""
    with pytest.raises(TypeError, match="openai_stub"):
        asyncio.run(ask(ScriptedModel([error(500)]), streamed))


def test_usage():
    """Usage is what the script says."""
    counts = TokenCounts(input_tokens=3, output_tokens=4, cached_tokens=1, reasoning_tokens=2)
    response = asyncio.run(ask(ScriptedModel([text("hi", usage=counts)])))

    usage = response.usage
    assert (usage.requests, usage.total_tokens) == (1, 7)
    assert usage.input_tokens_details.cached_tokens == 1
    assert usage.output_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("name", ["Refunds", "Refund agent", "Größe-1", "a.b"])
def test_handoff_name(name):
    """A handoff by name calls the tool that the runtime gives such a handoff."""

    class Named:
        def __init__(self):
            self.name = name

    assert handoff_tool_name(name) == Handoff.default_tool_name(Named())
    (part,) = handoff_to(Named()).parts
    assert part.name == handoff_tool_name(name)


def test_call_ids_differ():
    """Calls get different ids, also across models that share a history."""
    ids = {tool_call("add").parts[0].call_id for _ in range(100)}

    assert len(ids) == 100
