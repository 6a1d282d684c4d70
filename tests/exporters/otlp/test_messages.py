import orjson
from hypothesis import given
from hypothesis import strategies as st

from exporters.otlp.messages import from_messages, from_system, to_messages, to_system, to_tools

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "type", "content", "parts", "text", "image_url", "tool_calls", "function"]
            ),
            inner,
        )
    ),
)


def test_chat():
    """Chat messages become messages of parts, tool calls and results with their ids."""
    items = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]

    assert to_messages(items, role="user") == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "f", "id": "c1", "arguments": {"a": 1}}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "response": "42", "id": "c1"}],
        },
    ]


def test_responses():
    """Items of the Responses API become messages of parts as well."""
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
    ]
    parts = [message["parts"][0] for message in to_messages(items, role="assistant")]

    assert [part["type"] for part in parts] == [
        "reasoning",
        "tool_call",
        "tool_call_response",
        "text",
    ]
    assert [message["role"] for message in to_messages(items, role="user")] == [
        "assistant",
        "assistant",
        "tool",
        "assistant",
    ]


def test_images():
    """An image in place is a blob, one at an address is not."""

    def image(url: str) -> dict[str, object]:
        return {"role": "user", "content": [{"type": "input_image", "image_url": url}]}

    blob, uri = to_messages(
        [image("data:image/png;base64,AAAA"), image("https://x/y")], role="user"
    )

    assert blob["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    ]
    assert uri["parts"] == [{"type": "uri", "modality": "image", "uri": "https://x/y"}]


def test_back():
    """Messages of parts become items: text, calls, and results under either of their names."""
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "thinking", "content": "hm"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "result": "ok"}]},
    ]

    assert from_messages(messages) == [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
    ]


def test_system():
    """Instructions are parts, and a text again."""
    assert to_system("be brief") == [{"type": "text", "content": "be brief"}]
    assert from_system(to_system("be brief")) == "be brief"


def test_tools():
    """Definitions of tools are flat, also where they were nested."""
    nested = [{"type": "function", "function": {"name": "f", "parameters": {}}}]

    assert to_tools(nested) == [{"type": "function", "name": "f", "parameters": {}}]


@given(values)
def test_fuzz(value):
    """Whatever a model was sent becomes messages, and whatever another tool sent becomes items."""
    messages = to_messages(value, role="user")

    assert all(isinstance(message["parts"], list) for message in messages)
    orjson.dumps([messages, to_system(value), to_tools(value)])
    orjson.dumps([from_messages(value), from_system(value)])
