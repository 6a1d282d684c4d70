import pytest

from runtime.testing import openai_stub, text, tool_call
from runtime.testing.request_reading import last_user_text, tool_names, tool_outputs
from runtime.testing.stub import StubRequest

RESPONSES = [
    {"role": "user", "content": "first"},
    {"type": "function_call_output", "call_id": "1", "output": "old"},
    {"role": "user", "content": [{"type": "input_text", "text": "sec"}, {"text": "ond"}]},
    {"type": "function_call", "call_id": "2", "name": "add", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "2", "output": "new"},
]
CHAT = [
    {"role": "user", "content": "second"},
    {"role": "tool", "tool_call_id": "2", "content": "new"},
]


@pytest.mark.parametrize("items", [RESPONSES, CHAT])
def test_both_apis(items):
    """The user's last words and the outputs since then are read from either API."""
    assert last_user_text(items) == "second"
    assert tool_outputs(items) == ["new"]


def test_string():
    """A string is what the user said."""
    assert last_user_text("hi") == "hi"
    assert tool_outputs("hi") == []


def test_tool_names():
    """Functions are known by name, hosted tools by type."""
    tools = [
        {"type": "function", "name": "a"},
        {"type": "function", "function": {"name": "b"}},
        {"type": "web_search"},
    ]

    assert tool_names(tools) == ["a", "b", "web_search"]


def test_one_script_for_both_apis():
    """A request reads the same whichever API it came through."""
    system = {"role": "developer", "content": [{"type": "text", "text": "Go."}]}
    chat = StubRequest("POST", "/v1/chat/completions", {}, {"messages": [system, *CHAT]})
    body = {"instructions": "Go.", "input": RESPONSES, "stream": True, "model": "m"}
    other = StubRequest("POST", "/v1/responses?x=1", {}, body)

    assert chat.is_chat
    assert not other.is_chat
    assert other.streamed
    assert chat.instructions == other.instructions == "Go."
    assert chat.last_user_text == other.last_user_text
    assert chat.tool_outputs == other.tool_outputs


def test_adding_answers():
    """Answers add up to one answer, which keeps the options of the first."""
    both = text("a", delay=0.5) + tool_call("b")

    assert [type(part).__name__ for part in both.parts] == ["Text", "ToolCall"]
    assert both.delay == 0.5
    assert openai_stub([both]).replies_left == 1
