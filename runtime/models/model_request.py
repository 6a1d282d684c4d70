"""One model call as data, and the parts of it that both APIs read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai.types.responses import ResponsePromptParam

from runtime.agent_output import AgentOutputSchemaBase
from runtime.exceptions import UserError
from runtime.handoffs import Handoff
from runtime.items import TResponseInputItem
from runtime.model_settings import ModelSettings
from runtime.tool import FunctionTool, Tool


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """The arguments of `Model.get_response`."""

    system_instructions: str | None
    input: str | list[TResponseInputItem]
    settings: ModelSettings
    tools: Sequence[Tool]
    output_schema: AgentOutputSchemaBase | None
    handoffs: Sequence[Handoff]
    previous_response_id: str | None
    conversation_id: str | None
    prompt: ResponsePromptParam | None

    @property
    def items(self) -> list[TResponseInputItem]:
        """The history as items."""
        if isinstance(self.input, str):
            return [{"role": "user", "content": self.input}]
        return self.input


@dataclass(frozen=True)
class FunctionDefinition:
    """A function offered to the model: a tool, or a handoff in the shape of one."""

    name: str
    description: str
    parameters: dict[str, Any]
    strict: bool


def function_definitions(request: ModelRequest) -> list[FunctionDefinition]:
    """Return what the model may call, tools first.

    Raises:
        UserError: If one of the tools is no function tool.
    """
    tools = [_of_tool(tool) for tool in request.tools]
    return tools + [_of_handoff(way) for way in request.handoffs]


def without_none(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are set; what is left out is the provider's choice."""
    return {name: value for name, value in arguments.items() if value is not None}


def _of_tool(tool: Tool) -> FunctionDefinition:
    if not isinstance(tool, FunctionTool):
        raise UserError(
            f"The agent has the tool {tool!r}. Tools are functions made with function_tool, or"
            " FunctionTool objects. Decorate the function with @function_tool."
        )
    return FunctionDefinition(
        tool.name, tool.description, tool.params_json_schema, tool.strict_json_schema
    )


def _of_handoff(way: Handoff) -> FunctionDefinition:
    return FunctionDefinition(
        way.tool_name, way.tool_description, way.input_json_schema, way.strict_json_schema
    )
