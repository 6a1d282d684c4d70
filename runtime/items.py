"""What a run is made of: items of the Responses API, each with the agent that made it."""

from __future__ import annotations

import copy
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

from openai.types.responses import (
    Response,
    ResponseCodeInterpreterToolCall,
    ResponseComputerToolCall,
    ResponseFileSearchToolCall,
    ResponseFunctionToolCall,
    ResponseFunctionWebSearch,
    ResponseInputItemParam,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseStreamEvent,
)
from openai.types.responses.response_input_item_param import (
    ComputerCallOutput,
    FunctionCallOutput,
    LocalShellCallOutput,
    McpApprovalResponse,
)
from openai.types.responses.response_output_item import (
    ImageGenerationCall,
    LocalShellCall,
    McpApprovalRequest,
    McpCall,
    McpListTools,
)
from pydantic import BaseModel

from runtime.tool_output import as_call_output
from runtime.usage import Usage

if TYPE_CHECKING:
    from runtime.agent import Agent

TResponse = Response
TResponseInputItem = ResponseInputItemParam
"""A plain dict: an input item of the Responses API."""
TResponseOutputItem = ResponseOutputItem
TResponseStreamEvent = ResponseStreamEvent

TRaw = TypeVar("TRaw")


def plain(item: Any) -> TResponseInputItem:
    """Return an item, model or dict, as the dict that can be sent to a model again.

    The dict is new all the way down, so that nobody's later change reaches what was recorded.
    """
    if isinstance(item, BaseModel):
        return cast(TResponseInputItem, item.model_dump(mode="json", exclude_unset=True))
    return cast(TResponseInputItem, copy.deepcopy(dict(item)))


@dataclass
class RunItemBase(ABC, Generic[TRaw]):
    """An item that a run produced."""

    agent: Agent[Any]
    """The agent whose turn produced the item."""

    raw_item: TRaw
    """The item as the model sent it, or as it will be sent to the model."""

    def to_input_item(self) -> TResponseInputItem:
        """Return the item in the form a model takes as input."""
        if not isinstance(self.raw_item, BaseModel | Mapping):
            raise TypeError(
                f"{type(self).__name__}.raw_item is a {type(self.raw_item).__name__!r}. Only "
                "Responses items, as models or dicts, can be sent to a model; build the item "
                "from one of these."
            )
        return plain(self.raw_item)


@dataclass
class MessageOutputItem(RunItemBase[ResponseOutputMessage]):
    """A message of the model."""

    raw_item: ResponseOutputMessage
    type: Literal["message_output_item"] = "message_output_item"


@dataclass
class HandoffCallItem(RunItemBase[ResponseFunctionToolCall]):
    """The model asked to hand off."""

    raw_item: ResponseFunctionToolCall
    type: Literal["handoff_call_item"] = "handoff_call_item"


@dataclass
class HandoffOutputItem(RunItemBase[TResponseInputItem]):
    """A handoff took place."""

    raw_item: TResponseInputItem
    source_agent: Agent[Any]
    target_agent: Agent[Any]
    type: Literal["handoff_output_item"] = "handoff_output_item"


ToolCallItemTypes: TypeAlias = (
    ResponseFunctionToolCall
    | ResponseComputerToolCall
    | ResponseFileSearchToolCall
    | ResponseFunctionWebSearch
    | McpCall
    | ResponseCodeInterpreterToolCall
    | ImageGenerationCall
    | LocalShellCall
    | dict[str, Any]
)


@dataclass
class ToolCallItem(RunItemBase[ToolCallItemTypes]):
    """The model called a tool, ours or one that its provider runs."""

    raw_item: ToolCallItemTypes
    type: Literal["tool_call_item"] = "tool_call_item"


ToolCallOutputTypes: TypeAlias = FunctionCallOutput | ComputerCallOutput | LocalShellCallOutput


@dataclass
class ToolCallOutputItem(RunItemBase[ToolCallOutputTypes]):
    """A tool answered."""

    raw_item: ToolCallOutputTypes
    output: Any
    """What the tool returned, before it was made into an item."""

    type: Literal["tool_call_output_item"] = "tool_call_output_item"


@dataclass
class ReasoningItem(RunItemBase[ResponseReasoningItem]):
    """The model reasoned."""

    raw_item: ResponseReasoningItem
    type: Literal["reasoning_item"] = "reasoning_item"


@dataclass
class MCPListToolsItem(RunItemBase[McpListTools]):
    """A hosted MCP server listed its tools."""

    raw_item: McpListTools
    type: Literal["mcp_list_tools_item"] = "mcp_list_tools_item"


@dataclass
class MCPApprovalRequestItem(RunItemBase[McpApprovalRequest]):
    """A hosted MCP server asks leave to run a tool."""

    raw_item: McpApprovalRequest
    type: Literal["mcp_approval_request_item"] = "mcp_approval_request_item"


@dataclass
class MCPApprovalResponseItem(RunItemBase[McpApprovalResponse]):
    """The answer to a hosted MCP server that asked leave."""

    raw_item: McpApprovalResponse
    type: Literal["mcp_approval_response_item"] = "mcp_approval_response_item"


RunItem: TypeAlias = (
    MessageOutputItem
    | HandoffCallItem
    | HandoffOutputItem
    | ToolCallItem
    | ToolCallOutputItem
    | ReasoningItem
    | MCPListToolsItem
    | MCPApprovalRequestItem
    | MCPApprovalResponseItem
)


@dataclass
class ModelResponse:
    """What one model call answered."""

    output: list[TResponseOutputItem]
    usage: Usage
    response_id: str | None
    """Lets the next call refer to this one; only the Responses API gives it."""

    request_id: str | None = None
    """The provider's id of the HTTP request, for their support."""

    def to_input_items(self) -> list[TResponseInputItem]:
        """Return the output in the form a model takes as input."""
        return [plain(item) for item in self.output]


class ItemHelpers:
    """Reads texts out of items, and builds items out of texts."""

    @classmethod
    def extract_last_content(cls, message: TResponseOutputItem) -> str:
        """Return the last text or refusal of a message, or `""`."""
        if not isinstance(message, ResponseOutputMessage) or not message.content:
            return ""
        last = message.content[-1]
        return (last.refusal if isinstance(last, ResponseOutputRefusal) else last.text) or ""

    @classmethod
    def extract_last_text(cls, message: TResponseOutputItem) -> str | None:
        """Return the last text of a message; None if it has none or ends in a refusal."""
        if not isinstance(message, ResponseOutputMessage) or not message.content:
            return None
        last = message.content[-1]
        return last.text if isinstance(last, ResponseOutputText) else None

    @classmethod
    def extract_text(cls, message: TResponseOutputItem) -> str | None:
        """Return all texts of a message joined; None if there are none."""
        if not isinstance(message, ResponseOutputMessage):
            return None
        return _texts(message) or None

    @classmethod
    def input_to_new_input_list(
        cls, input: str | list[TResponseInputItem]
    ) -> list[TResponseInputItem]:
        """Return `input` as a new list of items; a text becomes one user message."""
        if isinstance(input, str):
            return [{"content": input, "role": "user"}]
        return [plain(item) for item in input]

    @classmethod
    def text_message_outputs(cls, items: list[RunItem]) -> str:
        """Return the texts of all message items, joined."""
        return "".join(
            cls.text_message_output(item) for item in items if isinstance(item, MessageOutputItem)
        )

    @classmethod
    def text_message_output(cls, message: MessageOutputItem) -> str:
        """Return the texts of one message item, joined."""
        return _texts(message.raw_item)

    @classmethod
    def tool_call_output_item(
        cls, tool_call: ResponseFunctionToolCall, output: Any
    ) -> FunctionCallOutput:
        """Return the item that answers `tool_call` with what the tool returned.

        Texts, images and files (`ToolOutputText` and its siblings, as objects or dicts, alone or
        in a list) go to the model as such; everything else goes as `str(output)`.
        """
        return {
            "call_id": tool_call.call_id,
            "output": as_call_output(output),
            "type": "function_call_output",
        }


def _texts(message: ResponseOutputMessage) -> str:
    # Some gateways send None where the API promises a text.
    return "".join(
        part.text or "" for part in message.content if isinstance(part, ResponseOutputText)
    )
