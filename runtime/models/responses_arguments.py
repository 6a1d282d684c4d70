"""Turns a model call into the arguments of `client.responses.create`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.model_settings import MCPToolChoice, ToolChoice
from runtime.models.fake_id import FAKE_RESPONSES_ID
from runtime.models.model_request import ModelRequest, function_definitions, without_none

HOSTED_TOOLS = frozenset(
    {
        "code_interpreter",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "mcp",
        "web_search",
        "web_search_preview",
    }
)
"""Tools that a `tool_choice` names by their type."""

_LOGPROBS = "message.output_text.logprobs"


def responses_arguments(model: str, request: ModelRequest) -> dict[str, Any]:
    """Return what to send for `request`; settings that are `None` are left out."""
    settings = request.settings
    tools = [
        {
            "type": "function",
            "name": function.name,
            "description": function.description,
            "parameters": function.parameters,
            "strict": function.strict,
        }
        for function in function_definitions(request)
    ]
    arguments = {
        "model": model,
        "instructions": request.system_instructions,
        "input": _sendable(request.items),
        "tools": tools or None,
        "tool_choice": _tool_choice(settings.tool_choice),
        "parallel_tool_calls": settings.parallel_tool_calls if tools else None,
        "text": _text(request),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "truncation": settings.truncation,
        "max_output_tokens": settings.max_tokens,
        "reasoning": settings.reasoning and settings.reasoning.to_dict(mode="json"),
        "metadata": settings.metadata,
        "store": settings.store,
        "include": _include(request),
        "top_logprobs": settings.top_logprobs,
        "previous_response_id": request.previous_response_id,
        "conversation": request.conversation_id,
        "prompt": request.prompt,
        "extra_headers": settings.extra_headers,
        "extra_query": settings.extra_query,
        "extra_body": settings.extra_body,
        **(settings.extra_args or {}),
    }
    return without_none(arguments)


def _sendable(items: list[Any]) -> list[Any]:
    """Return items without what the Responses API has never seen: ids we made up ourselves."""
    sent = []
    for item in items:
        if not isinstance(item, Mapping) or item.get("id") != FAKE_RESPONSES_ID:
            sent.append(item)
        elif item.get("type") != "reasoning":  # reasoning cannot be sent without a real id
            sent.append({name: value for name, value in item.items() if name != "id"})
    return sent


def _tool_choice(choice: ToolChoice | None) -> Any:
    match choice:
        case None | "auto" | "required" | "none":
            return choice
        case MCPToolChoice(server_label, name):
            return {"type": "mcp", "server_label": server_label, "name": name}
        case _ if choice in HOSTED_TOOLS:
            return {"type": choice}
        case _:
            return {"type": "function", "name": choice}


def _text(request: ModelRequest) -> dict[str, Any] | None:
    """Return the form the answer must have."""
    text: dict[str, Any] = {}
    schema = request.output_schema
    if schema is not None and not schema.is_plain_text():
        text["format"] = {
            "type": "json_schema",
            "name": "final_output",
            "schema": schema.json_schema(),
            "strict": schema.is_strict_json_schema(),
        }
    if request.settings.verbosity is not None:
        text["verbosity"] = request.settings.verbosity
    return text or None


def _include(request: ModelRequest) -> list[str] | None:
    wanted = [str(name) for name in request.settings.response_include or []]
    if request.settings.top_logprobs is not None:
        wanted.append(_LOGPROBS)
    return list(dict.fromkeys(wanted)) or None
