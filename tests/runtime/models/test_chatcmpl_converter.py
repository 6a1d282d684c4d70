import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.exceptions import UserError
from runtime.model_settings import MCPToolChoice, ModelSettings
from runtime.models.chatcmpl_converter import Converter, completion_arguments
from runtime.models.model_request import ModelRequest


def call(call_id: str, name: str = "add") -> dict[str, str]:
    """A function call as the history holds it."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def output(call_id: str, text: str = "done") -> dict[str, str]:
    """The output of a function call."""
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def assistant(text: str) -> dict[str, object]:
    """A message of the assistant as the Responses API gives it."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": "m", "content": content}


def roles(messages: list[dict[str, object]]) -> list[object]:
    """Who speaks, in order."""
    return [message["role"] for message in messages]


def test_instructions_first():
    """Instructions become the first message."""
    messages = Converter.items_to_messages("hello", "Be kind.")

    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
    ]


def test_parallel_calls():
    """Calls of one turn share a message, and their outputs follow it."""
    messages = Converter.items_to_messages(
        [assistant("Wait."), call("1"), call("2"), output("1"), output("2")]
    )

    assert roles(messages) == ["assistant", "tool", "tool"]
    assert messages[0]["content"] == "Wait."
    assert [made["id"] for made in messages[0]["tool_calls"]] == ["1", "2"]


def test_calls_one_after_the_other():
    """A call after an output opens a message of its own."""
    messages = Converter.items_to_messages([call("1"), output("1"), call("2"), output("2")])

    assert roles(messages) == ["assistant", "tool", "assistant", "tool"]


def test_text_after_call():
    """What is said after a call joins the message, so that the output still follows the call."""
    messages = Converter.items_to_messages([call("1"), assistant("Wait."), output("1")])

    assert roles(messages) == ["assistant", "tool"]
    assert messages[0]["content"] == "Wait."


def test_two_messages():
    """Two messages without calls stay two."""
    messages = Converter.items_to_messages([assistant("a"), assistant("b")])

    assert [message["content"] for message in messages] == ["a", "b"]


def test_refusal():
    """A refusal stays a refusal."""
    content = [{"type": "refusal", "refusal": "No."}]
    (message,) = Converter.items_to_messages([{"role": "assistant", "content": content}])

    assert message == {"role": "assistant", "content": None, "refusal": "No."}


def test_refusal_beside_a_call():
    """A refusal after a call joins the message of the call too."""
    content = [{"type": "refusal", "refusal": "No."}]
    messages = Converter.items_to_messages(
        [call("1"), {"role": "assistant", "content": content}, output("1")]
    )

    assert roles(messages) == ["assistant", "tool"]
    assert messages[0]["refusal"] == "No."


def test_output_of_texts():
    """A tool's output of several texts stays several texts."""
    texts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    (message,) = Converter.items_to_messages([output("1") | {"output": texts}])

    assert message["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def test_no_tool():
    """What is no tool is refused with the way to make one."""
    with pytest.raises(UserError, match="@function_tool"):
        completion_arguments("m", _request(tools=[len]))


def test_content_parts():
    """Text, images, audio and files of the user are carried over."""
    audio = {"data": "aGk=", "format": "wav"}
    content = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:x", "detail": "low"},
        {"type": "input_audio", "input_audio": audio},
        {"type": "input_file", "file_data": "data:y", "filename": "a.pdf"},
    ]
    (message,) = Converter.items_to_messages([{"role": "user", "content": content}])

    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
        {"type": "input_audio", "input_audio": audio},
        {"type": "file", "file": {"file_data": "data:y", "filename": "a.pdf"}},
    ]


def test_reasoning_is_left_out():
    """Reasoning has no place in messages."""
    reasoning = {"type": "reasoning", "id": "r", "summary": []}

    assert Converter.items_to_messages([reasoning]) == []


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "x"},
        {"type": "web_search_call", "id": "x", "status": "completed"},
        {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
        {"role": "assistant", "content": [{"type": "input_image", "image_url": "u"}]},
        output("1") | {"output": [{"type": "input_image", "image_url": "u"}]},
        {"nothing": True},
        "text",
    ],
)
def test_refused_items(item):
    """What messages cannot carry is refused, with the way out and without the content."""
    with pytest.raises(UserError, match="Use OpenAIResponsesModel"):
        Converter.items_to_messages([item])


@pytest.mark.parametrize("name", ["previous_response_id", "conversation_id", "prompt"])
def test_responses_only(name):
    """What only the Responses API has is refused, never dropped in silence."""
    with pytest.raises(UserError, match=name):
        completion_arguments("m", _request(**{name: "x"}))


def test_mcp_tool_choice():
    """A hosted tool cannot be chosen here."""
    with pytest.raises(UserError, match="MCPToolChoice"):
        Converter.convert_tool_choice(MCPToolChoice("server", "tool"))


_TEXTS = st.text(max_size=20)
_IDS = st.sampled_from(["1", "2", "3"])
_PARTS = st.one_of(
    st.builds(lambda text: {"type": "input_text", "text": text}, _TEXTS),
    st.builds(lambda url: {"type": "input_image", "image_url": "x" + url}, _TEXTS),
)
_ITEMS = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "system", "developer"]),
        st.one_of(_TEXTS, st.lists(_PARTS, max_size=3)),
    ),
    st.builds(assistant, _TEXTS),
    st.builds(call, _IDS),
    st.builds(output, _IDS, _TEXTS),
    st.just({"type": "reasoning", "id": "r", "summary": []}),
)


@settings(deadline=None)
@given(st.lists(_ITEMS, max_size=12))
def test_nothing_is_lost(items):
    """Every call and every output is in the messages, in order; nothing is invented."""
    messages = Converter.items_to_messages(items)

    json.dumps(messages)
    made = [made["id"] for message in messages for made in message.get("tool_calls", [])]
    assert made == [item["call_id"] for item in items if item.get("type") == "function_call"]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    kind = "function_call_output"
    assert answered == [item["call_id"] for item in items if item.get("type") == kind]
    spoken = [message["content"] for message in messages if message["role"] == "assistant"]
    said = [item["content"][0]["text"] for item in items if item.get("role") == "assistant"]
    assert "".join(text or "" for text in spoken) == "".join(said)


_WORDS = st.sampled_from(
    [
        *("message", "function_call", "function_call_output", "reasoning", "user", "assistant"),
        *("input_text", "output_text", "text", "refusal", "input_image", "input_file"),
    ]
)
_KEYS = st.sampled_from(
    ["type", "role", "content", "output", "text", "name", "call_id", "arguments", "image_url"]
)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers(0, 2) | _WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
        max_leaves=10,
    )
)
def test_any_item(item):
    """Whatever is in a history, the answer is messages or a refusal."""
    with contextlib.suppress(UserError):
        Converter.items_to_messages([item])


def _request(**given):
    names = ("previous_response_id", "conversation_id", "prompt", "system_instructions")
    rest = dict.fromkeys((*names, "output_schema"))
    fields = {**rest, "input": "hi", "settings": ModelSettings(), "tools": [], "handoffs": []}
    return ModelRequest(**{**fields, **given})
