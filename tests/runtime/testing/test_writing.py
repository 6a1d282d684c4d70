from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.models.response_writer import ResponseWriter
from runtime.testing import reasoning, refusal, text, tool_call
from runtime.testing.chat_wire import chunks, completion
from runtime.testing.replies import Reasoning, Text, ToolCall
from runtime.testing.writing import (
    new_id,
    pieces,
    started_response,
    usage_of,
    whole_response,
    write_answer,
)

_PARTS = st.one_of(
    st.builds(text, st.text(max_size=40)),
    st.builds(refusal, st.text(max_size=20)),
    st.builds(reasoning, st.text(max_size=20)),
    st.builds(tool_call, st.sampled_from(["add", "sub"]), st.text(max_size=30)),
)


@st.composite
def answers(draw):
    """An answer of one to five parts."""
    first, *rest = draw(st.lists(_PARTS, min_size=1, max_size=5))
    return sum(rest, start=first)


@settings(deadline=None)
@given(st.text())
def test_pieces(content):
    """Pieces joined are the text again, and none of them is empty."""
    cut = pieces(content)

    assert "".join(cut) == content
    assert all(cut)


@settings(deadline=None)
@given(answers())
def test_events_are_well_formed(answer):
    """Whatever is said, what is opened is closed, in order, and nothing is written outside."""
    writer = ResponseWriter(started_response({}), new_id)
    usage = usage_of(answer, {})
    events = [event for piece in write_answer(answer, writer, usage) for event in piece]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    opened, closed = [], []
    for event in events:
        if event.type == "response.output_item.added":
            opened.append(event.item.id)
            assert event.output_index == len(opened) - 1
        elif event.type == "response.output_item.done":
            closed.append(event.item.id)
        elif hasattr(event, "item_id"):
            assert event.item_id == opened[event.output_index]
            assert event.item_id not in closed
    assert opened == closed
    assert [item.id for item in events[-1].response.output] == opened
    assert len(answer.parts) == len(opened)


@settings(deadline=None)
@given(answers())
def test_all_forms_agree(answer):
    """A response, a completion and its chunks say the same."""
    response = whole_response(answer, {}, usage_of(answer, {}))
    whole = completion(answer, {})["choices"][0]["message"]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(answer, {}) if chunk["choices"]]

    said = "".join(part.text for part in answer.parts if isinstance(part, Text))
    thought = "".join(part.text for part in answer.parts if isinstance(part, Reasoning))
    called = [part.arguments for part in answer.parts if isinstance(part, ToolCall)]
    assert response.output_text == said
    assert (whole["content"] or "") == said
    assert "".join(delta.get("content") or "" for delta in deltas) == said
    assert whole.get("reasoning_content", "") == thought
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == thought
    calls = [item.arguments for item in response.output if item.type == "function_call"]
    assert calls == called
    assert [call["function"]["arguments"] for call in whole.get("tool_calls", [])] == called
