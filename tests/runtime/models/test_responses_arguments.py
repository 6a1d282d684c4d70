import pytest

from runtime.model_settings import MCPToolChoice, ModelSettings
from runtime.models.fake_id import FAKE_RESPONSES_ID
from runtime.models.model_request import ModelRequest
from runtime.models.responses_arguments import responses_arguments


def arguments(settings=None, **given):
    """The arguments sent for a request."""
    names = ("previous_response_id", "conversation_id", "prompt", "system_instructions")
    rest = dict.fromkeys((*names, "output_schema"))
    fields = {**rest, "input": "hi", "tools": [], "handoffs": []}
    request = ModelRequest(**{**fields, **given}, settings=settings or ModelSettings())
    return responses_arguments("gpt-test", request)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("web_search", {"type": "web_search"}),
        ("mcp", {"type": "mcp"}),
        ("add", {"type": "function", "name": "add"}),
        (
            MCPToolChoice("docs", "find"),
            {"type": "mcp", "server_label": "docs", "name": "find"},
        ),
    ],
)
def test_tool_choice(choice, sent):
    """A tool choice is a word, a hosted tool, or the name of a function."""
    assert arguments(ModelSettings(tool_choice=choice))["tool_choice"] == sent


def test_chaining():
    """The previous response, the conversation and the prompt are passed on."""
    prompt = {"id": "pmpt_1"}
    sent = arguments(previous_response_id="resp_1", conversation_id="conv_1", prompt=prompt)

    assert sent["previous_response_id"] == "resp_1"
    assert sent["conversation"] == "conv_1"
    assert sent["prompt"] == prompt


def test_made_up_ids_stay_here():
    """Items of other providers go without their fake id, and their reasoning not at all."""
    message = {"type": "message", "role": "assistant", "content": [], "id": FAKE_RESPONSES_ID}
    thought = {"type": "reasoning", "summary": [], "id": FAKE_RESPONSES_ID}
    real = {"type": "reasoning", "summary": [], "id": "rs_1"}
    history = [message, thought, real]

    sent = arguments(input=history)["input"]
    assert sent == [{"type": "message", "role": "assistant", "content": []}, real]
    assert history[0]["id"] == FAKE_RESPONSES_ID


def test_parallel_calls_need_tools():
    """Without tools there is nothing to run in parallel, and the API refuses the setting."""
    assert "parallel_tool_calls" not in arguments(ModelSettings(parallel_tool_calls=True))


def test_extras():
    """Extra headers and queries are sent as they are."""
    sent = arguments(ModelSettings(extra_headers={"x-key": "a"}, extra_query={"key": "b"}))

    assert (sent["extra_headers"], sent["extra_query"]) == ({"x-key": "a"}, {"key": "b"})
