"""What next? The whole judgement of the loop, as pure functions of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseReasoningItem,
)
from openai.types.responses.response_output_item import McpApprovalRequest, McpListTools

from runtime.agent_output import AgentOutputSchemaBase
from runtime.exceptions import ModelBehaviorError
from runtime.handoffs import Handoff
from runtime.items import (
    HandoffCallItem,
    ItemHelpers,
    MCPApprovalRequestItem,
    MCPListToolsItem,
    MessageOutputItem,
    ModelResponse,
    ReasoningItem,
    RunItem,
    ToolCallItem,
)
from runtime.tool import FunctionTool, FunctionToolResult, Tool

if TYPE_CHECKING:
    from runtime.agent import Agent


@dataclass(frozen=True)
class ToolRun:
    """A tool the model called."""

    call: ResponseFunctionToolCall
    tool: FunctionTool


@dataclass(frozen=True)
class HandoffRun:
    """A handoff the model asked for."""

    call: ResponseFunctionToolCall
    handoff: Handoff[Any, Any]


@dataclass(frozen=True)
class Finish:
    """The run is over with this output, if its guardrails agree."""

    output: Any


@dataclass
class Decision:
    """What a response means: its items, and what must be done about them.

    Tools run first, then the first handoff takes place, then the run ends if there is a `finish`.
    With none of the three the model is asked again.
    """

    items: list[RunItem] = field(default_factory=list)
    tool_runs: list[ToolRun] = field(default_factory=list)
    handoff_runs: list[HandoffRun] = field(default_factory=list)
    finish: Finish | None = None
    used_tools: bool = False
    """Whether the model used any tool, those its provider runs included."""


def decide(
    agent: Agent[Any],
    response: ModelResponse,
    tools: Sequence[Tool],
    handoffs: Sequence[Handoff[Any, Any]],
    output_schema: AgentOutputSchemaBase | None,
) -> Decision:
    """Tell what a response means for the run.

    The run is finished when there is a message and nothing is left to do. A refusal counts as the
    text of a plain-text output.

    Raises:
        ModelBehaviorError: If the model called what it does not have, said nothing at all, or sent
            JSON that does not fit the output type.
    """
    decision = Decision()
    functions = {tool.name: tool for tool in tools if isinstance(tool, FunctionTool)}
    ways = {way.tool_name: way for way in handoffs}
    for output in response.output:
        if isinstance(output, ResponseFunctionToolCall):
            _add_call(decision, agent, output, functions, ways)
        else:
            _add_item(decision, agent, output)
    if not decision.tool_runs and not decision.handoff_runs:
        decision.finish = _finish(decision, agent, response, output_schema)
    return decision


def _add_call(
    decision: Decision,
    agent: Agent[Any],
    call: ResponseFunctionToolCall,
    functions: Mapping[str, FunctionTool],
    ways: Mapping[str, Handoff[Any, Any]],
) -> None:
    decision.used_tools = True
    if call.name in ways:
        decision.items.append(HandoffCallItem(agent=agent, raw_item=call))
        decision.handoff_runs.append(HandoffRun(call, ways[call.name]))
    elif call.name in functions:
        decision.items.append(ToolCallItem(agent=agent, raw_item=call))
        decision.tool_runs.append(ToolRun(call, functions[call.name]))
    else:
        known = ", ".join(map(repr, sorted([*functions, *ways]))) or "none"
        raise ModelBehaviorError(
            f"The model called the tool {call.name!r}, which agent {agent.name!r} does not have. "
            f"It may call only what it was offered: {known}. Add the tool, or mend instructions "
            "that speak of it."
        )


def _add_item(decision: Decision, agent: Agent[Any], output: ResponseOutputItem) -> None:
    match output:
        case ResponseOutputMessage():
            decision.items.append(MessageOutputItem(agent=agent, raw_item=output))
        case ResponseReasoningItem():
            decision.items.append(ReasoningItem(agent=agent, raw_item=output))
        case McpListTools():
            decision.items.append(MCPListToolsItem(agent=agent, raw_item=output))
        case McpApprovalRequest():
            decision.items.append(MCPApprovalRequestItem(agent=agent, raw_item=output))
        case _:
            # What the provider ran itself. Unknown kinds too: they must survive in the history.
            decision.used_tools = True
            raw: Any = output
            decision.items.append(ToolCallItem(agent=agent, raw_item=raw))


def _finish(
    decision: Decision,
    agent: Agent[Any],
    response: ModelResponse,
    schema: AgentOutputSchemaBase | None,
) -> Finish | None:
    messages = [item.raw_item for item in decision.items if isinstance(item, MessageOutputItem)]
    if not any(message.content for message in messages) and not decision.used_tools:
        raise ModelBehaviorError(
            f"The model answered agent {agent.name!r} with nothing: no message, no tool call "
            f"(response {response.response_id!r}, {len(response.output)} items). A response must "
            "have one of them. Run again; if it happens often, look at the model call in the trace."
        )
    if schema is None or schema.is_plain_text():
        return Finish(ItemHelpers.extract_last_content(messages[-1]) if messages else "")
    text = ItemHelpers.extract_last_text(messages[-1]) if messages else None
    if text is not None:
        return Finish(schema.validate_json(text))
    if messages:
        raise ModelBehaviorError(
            f"The model refused to give the output {schema.name()!r} that agent {agent.name!r} "
            "asks for. A structured output must be JSON. Look at the message in run_data, and "
            "change the input or the instructions."
        )
    return None


def stops_at(behavior: Any, results: Sequence[FunctionToolResult]) -> Finish | None:
    """Tell whether a `tool_use_behavior` that is plain data ends the run after these tools."""
    if not results or behavior == "run_llm_again":
        return None
    if behavior == "stop_on_first_tool":
        return Finish(results[0].output)
    names = behavior.get("stop_at_tool_names", [])
    return next((Finish(result.output) for result in results if result.tool.name in names), None)
