"""Items, and the way from texts to items and back."""

from __future__ import annotations

import pytest
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
)

from runtime import (
    Agent,
    ItemHelpers,
    MessageOutputItem,
    ModelResponse,
    ToolOutputFileContent,
    ToolOutputImage,
    ToolOutputText,
    Usage,
)

CALL = ResponseFunctionToolCall(type="function_call", name="f", arguments="{}", call_id="c")


def message(*parts):
    """A message of the model with these parts."""
    return ResponseOutputMessage(
        id="m", type="message", role="assistant", status="completed", content=list(parts)
    )


def said(content):
    """A part that is text."""
    return ResponseOutputText(type="output_text", text=content, annotations=[])


NO = ResponseOutputRefusal(type="refusal", refusal="no")


@pytest.mark.parametrize(
    ("parts", "content", "last", "whole"),
    [
        ([], "", None, None),
        ([said("a"), said("b")], "b", "b", "ab"),
        ([said("a"), NO], "no", None, "a"),
    ],
)
def test_texts(parts, content, last, whole):
    """The last content counts refusals, the last text does not, the text is all of it."""
    item = message(*parts)

    assert ItemHelpers.extract_last_content(item) == content
    assert ItemHelpers.extract_last_text(item) == last
    assert ItemHelpers.extract_text(item) == whole
    wrapped = MessageOutputItem(agent=Agent("A"), raw_item=item)
    assert ItemHelpers.text_message_outputs([wrapped, wrapped]) == (whole or "") * 2


def test_not_a_message():
    """Other items have no text."""
    assert ItemHelpers.extract_last_content(CALL) == ""
    assert ItemHelpers.extract_last_text(CALL) is None
    assert ItemHelpers.extract_text(CALL) is None


def test_new_input_list():
    """A text becomes a user message, a list becomes a list of its own, all the way down."""
    given = [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]

    copied = ItemHelpers.input_to_new_input_list(given)
    copied[0]["content"][0]["text"] = "changed"

    assert given[0]["content"][0]["text"] == "a"
    assert ItemHelpers.input_to_new_input_list("hi") == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        ("text", "text"),
        (3, "3"),
        ([], "[]"),
        ({"type": "other"}, "{'type': 'other'}"),
        (ToolOutputText(text="a"), [{"type": "input_text", "text": "a"}]),
        ({"type": "text", "text": "a"}, [{"type": "input_text", "text": "a"}]),
        (
            [ToolOutputText(text="a"), ToolOutputImage(image_url="u")],
            [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "u"}],
        ),
        ([ToolOutputFileContent(file_id="f")], [{"type": "input_file", "file_id": "f"}]),
        (["a", ToolOutputText(text="b")], "['a', ToolOutputText(type='text', text='b')]"),
    ],
)
def test_call_output(output, sent):
    """Texts, images and files go as such, everything else as its text."""
    item = ItemHelpers.tool_call_output_item(CALL, output)

    assert item == {"type": "function_call_output", "call_id": "c", "output": sent}


@pytest.mark.parametrize("kind", [ToolOutputImage, ToolOutputFileContent])
def test_output_without_source(kind):
    """An image or file without any source is refused."""
    with pytest.raises(ValueError, match="Give"):
        kind()


def test_response_to_input():
    """What a model said can be sent again."""
    response = ModelResponse(output=[message(said("a")), CALL], usage=Usage(), response_id=None)

    first, second = response.to_input_items()

    assert (first["type"], first["role"]) == ("message", "assistant")
    assert second["call_id"] == "c"


def test_wrong_raw_item():
    """An item that cannot be sent says so."""
    with pytest.raises(TypeError, match="MessageOutputItem"):
        MessageOutputItem(agent=Agent("A"), raw_item="text").to_input_item()
