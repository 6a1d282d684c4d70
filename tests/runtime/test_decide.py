"""What next, as a pure function of data."""

from __future__ import annotations

import pytest
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseFunctionWebSearch,
    ResponseOutputMessage,
)
from openai.types.responses.response_output_item import McpApprovalRequest, McpListTools

from runtime import Agent, AgentOutputSchema, FunctionToolResult, function_tool, handoff
from runtime.decide import Finish, decide, stops_at
from runtime.exceptions import ModelBehaviorError
from runtime.items import ModelResponse
from runtime.usage import Usage

AGENT = Agent("A")
WAY = handoff(Agent("B"))


@function_tool
def look() -> str:
    """Look."""
    return "seen"


def message(*texts):
    """A message of the model, one part for each text."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return ResponseOutputMessage.model_validate(
        {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
        | {"content": content}
    )


def call(name):
    """A call of the model."""
    return ResponseFunctionToolCall(
        type="function_call", name=name, arguments="{}", call_id=f"call_{name}"
    )


SEARCH = ResponseFunctionWebSearch.model_validate(
    {"id": "w", "type": "web_search_call", "status": "completed"}
    | {"action": {"type": "search", "query": "tea"}}
)


def decided(*output, schema=None):
    """The decision on a response with this output."""
    response = ModelResponse(output=list(output), usage=Usage(), response_id="r")
    return decide(AGENT, response, [look], [WAY], schema)


def test_message():
    """The last text of the last message is the output."""
    assert decided(message("one"), message("two", "three")).finish == Finish("three")


def test_empty_text():
    """A message may be empty text; a message without any part is no answer."""
    assert decided(message("")).finish == Finish("")
    with pytest.raises(ModelBehaviorError, match="nothing"):
        decided(message())


def test_calls():
    """Calls keep their order and are told apart by name; nothing is finished yet."""
    decision = decided(call("look"), call("transfer_to_b"), message("wait"), call("look"))

    assert [item.type for item in decision.items] == [
        "tool_call_item",
        "handoff_call_item",
        "message_output_item",
        "tool_call_item",
    ]
    assert len(decision.tool_runs) == 2
    assert len(decision.handoff_runs) == 1
    assert decision.finish is None
    assert decision.used_tools


def test_handoff_before_tool():
    """Where a tool and a handoff share a name, the handoff is meant."""
    same = function_tool(lambda: "x", name_override="transfer_to_b")
    response = ModelResponse(output=[call("transfer_to_b")], usage=Usage(), response_id=None)

    assert decide(AGENT, response, [same], [WAY], None).handoff_runs


def test_unknown():
    """A call of nothing known names what is known."""
    with pytest.raises(ModelBehaviorError, match=r"'other'.*'look', 'transfer_to_b'"):
        decided(call("other"))


def test_hosted():
    """What the provider ran is an item; without a message the output is empty text."""
    decision = decided(SEARCH)

    assert decision.items[0].type == "tool_call_item"
    assert decision.finish == Finish("")


def test_hosted_typed():
    """Where an object is asked for, a hosted call without a message means: ask again."""
    assert decided(SEARCH, schema=AgentOutputSchema(list[int])).finish is None


def test_mcp():
    """Items of hosted MCP servers have kinds of their own."""
    listed = McpListTools.model_validate(
        {"id": "l", "type": "mcp_list_tools", "server_label": "s", "tools": []}
    )
    asks = McpApprovalRequest.model_validate(
        {"id": "a", "type": "mcp_approval_request", "server_label": "s"}
        | {"name": "n", "arguments": "{}"}
    )

    assert [item.type for item in decided(listed, asks, message("x")).items] == [
        "mcp_list_tools_item",
        "mcp_approval_request_item",
        "message_output_item",
    ]


def test_stops_at():
    """The behaviors that are data stop at the first tool, at named tools, or never."""
    results = [FunctionToolResult(tool=look, output=n, run_item=None) for n in (1, 2)]

    assert stops_at("run_llm_again", results) is None
    assert stops_at("stop_on_first_tool", results) == Finish(1)
    assert stops_at({"stop_at_tool_names": ["look"]}, results) == Finish(1)
    assert stops_at({"stop_at_tool_names": ["x"]}, results) is None
    assert stops_at("stop_on_first_tool", []) is None
