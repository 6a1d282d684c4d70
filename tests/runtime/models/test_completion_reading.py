import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from runtime.exceptions import ModelBehaviorError
from runtime.models.completion_reading import CompletionReading
from runtime.models.fake_id import FAKE_RESPONSES_ID


def chunk(delta=None, finish_reason=None, **fields):
    """A chunk as the client builds it: without validation."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    return construct_type(value={"choices": [choice], **fields}, type_=ChatCompletionChunk)


def called(index, name=None, arguments="", call_id=None):
    """A delta of a tool call."""
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


def read(*chunks):
    """The response that chunks add up to."""
    reading = CompletionReading("gpt-test", {})
    reading.start()
    for piece in chunks:
        reading.read_chunk(piece)
    reading.finish()
    return reading.response


def test_interleaved_calls():
    """Arguments of parallel calls may come in turns."""
    response = read(
        chunk(called(0, "add", "", "c0")),
        chunk(called(1, "sub", "", "c1")),
        chunk(called(0, arguments='{"a"')),
        chunk(called(1, arguments='{"b"')),
        chunk(called(0, arguments=": 1}")),
        chunk(called(1, arguments=": 2}"), "tool_calls"),
    )

    assert [(c.name, c.call_id, c.arguments) for c in response.output] == [
        ("add", "c0", '{"a": 1}'),
        ("sub", "c1", '{"b": 2}'),
    ]


def test_repeated_name():
    """A provider that repeats the name in every delta still makes one call."""
    response = read(
        chunk(called(0, "add", "{", "c0")), chunk(called(0, "add", "}", "c0"), "tool_calls")
    )

    assert [call.arguments for call in response.output] == ["{}"]


def test_one_index_for_all():
    """A provider that sends whole calls under one index makes as many calls as there are ids."""
    response = read(
        chunk(called(0, "add", "{}", "c0")), chunk(called(0, "add", "{}", "c1"), "tool_calls")
    )

    assert [call.call_id for call in response.output] == ["c0", "c1"]


def test_missing_call_id():
    """A call without an id gets one, because its output must name it."""
    response = read(chunk(called(0, "add", "{}")), chunk({}, "tool_calls"))

    assert response.output[0].call_id.startswith("call_")


def test_arguments_without_name():
    """Arguments of a call that was never opened are refused."""
    with pytest.raises(ModelBehaviorError, match="before its name"):
        read(chunk(called(0, arguments="{}")))


def test_text_then_call():
    """Ids are the fake one, which no provider takes for its own."""
    response = read(chunk({"content": "Wait."}), chunk(called(0, "add", "{}", "c"), "tool_calls"))

    assert [item.type for item in response.output] == ["message", "function_call"]
    assert {item.id for item in response.output} == {FAKE_RESPONSES_ID}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_fields(field):
    """Reasoning is read from where providers put it."""
    response = read(chunk({field: "Hm."}), chunk({"content": "Yes."}), chunk({}, "stop"))

    assert response.output[0].summary[0].text == "Hm."


def test_logprobs():
    """Log probabilities that were asked for arrive with the text."""
    token = {"token": "hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "hi"}, "logprobs": {"content": [token]}}
    piece = construct_type(value={"choices": [choice]}, type_=ChatCompletionChunk)
    response = read(piece, chunk({}, "stop"))

    (logprob,) = response.output[0].content[0].logprobs
    assert (logprob.token, logprob.logprob) == ("hi", -0.1)


def test_no_end():
    """A stream that just stops is no answer, however much it said."""
    with pytest.raises(ModelBehaviorError, match="before the answer was complete"):
        read(chunk({"content": "The answer is"}))


def test_gateway_error():
    """An error sent with status 200 names its reason."""
    with pytest.raises(ModelBehaviorError, match="no credits"):
        read(construct_type(value={"error": {"message": "no credits"}}, type_=ChatCompletionChunk))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "message", "delta", "content", "tool_calls", "function", "usage"),
                    *("name", "arguments", "id", "index", "finish_reason", "refusal", "error"),
                    *("prompt_tokens", "completion_tokens", "logprobs", "reasoning_content"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "choices": st.lists(
                st.fixed_dictionaries({"message": _JSON, "delta": _JSON}), max_size=2
            )
        },
        optional={"usage": _JSON, "error": _JSON},
    )
    | st.dictionaries(st.sampled_from(["choices", "usage"]), _JSON)
)
def test_any_answer(answer):
    """Whatever a server sends, it is read or refused as the model's fault."""
    completion = construct_type(value=answer, type_=ChatCompletion)
    piece = construct_type(value=answer, type_=ChatCompletionChunk)
    for attempt in (
        lambda: CompletionReading("m", {}).read_whole(completion),
        lambda: read(piece, chunk({}, "stop")),
    ):
        try:
            response = attempt()
        except ModelBehaviorError:
            continue
        assert response.output
        assert response.status == "completed"


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=10))
def test_whole_equals_streamed(pieces):
    """An answer in pieces adds up to the same items as the answer whole."""
    message = {"role": "assistant", "content": "".join(pieces)}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    whole = CompletionReading("m", {}).read_whole(
        construct_type(value=answer, type_=ChatCompletion)
    )

    streamed = read(*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"))
    assert streamed.output == whole.output
