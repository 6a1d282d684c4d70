"""Turns a model call into the arguments of `client.chat.completions.create`. Pure.

The other direction is in `completion_reading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from runtime.agent_output import AgentOutputSchemaBase
from runtime.exceptions import UserError
from runtime.items import TResponseInputItem
from runtime.model_settings import MCPToolChoice, ToolChoice
from runtime.models.model_request import ModelRequest, function_definitions, without_none


def completion_arguments(model: str, request: ModelRequest) -> dict[str, Any]:
    """Return what to send for `request`; settings that are `None` are left out.

    Raises:
        UserError: If the call needs what only the Responses API has.
    """
    _refuse_responses_only(request)
    settings = request.settings
    tools = [
        {
            "type": "function",
            "function": {
                "name": function.name,
                "description": function.description,
                "parameters": function.parameters,
                "strict": function.strict,
            },
        }
        for function in function_definitions(request)
    ]
    arguments = {
        "model": model,
        "messages": Converter.items_to_messages(request.items, request.system_instructions),
        "tools": tools or None,
        "tool_choice": Converter.convert_tool_choice(settings.tool_choice),
        "parallel_tool_calls": settings.parallel_tool_calls if tools else None,
        "response_format": Converter.convert_response_format(request.output_schema),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "max_tokens": settings.max_tokens,
        "reasoning_effort": settings.reasoning and settings.reasoning.effort,
        "verbosity": settings.verbosity,
        "metadata": settings.metadata,
        "store": settings.store,
        "logprobs": True if settings.top_logprobs is not None else None,
        "top_logprobs": settings.top_logprobs,
        "extra_headers": settings.extra_headers,
        "extra_query": settings.extra_query,
        "extra_body": settings.extra_body,
        **(settings.extra_args or {}),
    }
    return without_none(arguments)


class Converter:
    """Responses API data as Chat Completions data, one thing at a time."""

    @classmethod
    def items_to_messages(
        cls, items: str | Iterable[TResponseInputItem], system_instructions: str | None = None
    ) -> list[dict[str, Any]]:
        """Return a history as messages.

        Calls become part of the assistant's message they belong to, and what the assistant says
        beside a call joins it, because a call must be followed by its output. Reasoning items
        have no counterpart and are left out.

        Raises:
            UserError: If an item is of a kind that messages cannot carry.
        """
        if isinstance(items, str):
            items = [{"role": "user", "content": items}]
        thread = _Thread(system_instructions)
        for item in items:
            try:
                thread.add(item)
            except (AttributeError, KeyError, TypeError):
                _refuse("an item that lacks a field or has one of the wrong type", item)
        return thread.messages

    @classmethod
    def convert_tool_choice(cls, choice: ToolChoice | None) -> Any:
        """Return a tool choice in the words of this API."""
        match choice:
            case None | "auto" | "required" | "none":
                return choice
            case MCPToolChoice():
                _refuse(f"the tool choice {choice!r}")
            case _:
                return {"type": "function", "function": {"name": choice}}

    @classmethod
    def convert_response_format(cls, schema: AgentOutputSchemaBase | None) -> Any:
        """Return the form the answer must have, or `None` for plain text."""
        if schema is None or schema.is_plain_text():
            return None
        described = {
            "name": "final_output",
            "schema": schema.json_schema(),
            "strict": schema.is_strict_json_schema(),
        }
        return {"type": "json_schema", "json_schema": described}


class _Thread:
    """The messages so far, the last of which may still take calls."""

    def __init__(self, system_instructions: str | None) -> None:
        self.messages: list[dict[str, Any]] = []
        self._assistant: dict[str, Any] | None = None
        """The assistant's last message, as long as nobody else has spoken."""
        if system_instructions:
            self._say({"role": "system", "content": system_instructions})

    def add(self, item: Any) -> None:
        if not isinstance(item, Mapping):
            _refuse(f"an item of type {type(item).__name__!r}")
        kind = item.get("type") or ("message" if "role" in item else None)
        match kind:
            case "message" if item.get("role") == "assistant":
                self._add_assistant(item.get("content"))
            case "message":
                content = _user_content(item.get("content"))
                self._say({"role": item.get("role"), "content": content})
            case "function_call":
                self._add_call(item)
            case "function_call_output":
                content = _output_text(item.get("output"))
                message = {"role": "tool", "tool_call_id": item["call_id"], "content": content}
                self._say(message)
            case "reasoning":
                pass
            case _:
                _refuse(f"an item of type {kind!r}")

    def _say(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._assistant = message if message["role"] == "assistant" else None

    def _add_assistant(self, content: Any) -> None:
        said, refused = _assistant_content(content)
        assistant = self._assistant
        if assistant is None or "tool_calls" not in assistant:
            message: dict[str, Any] = {"role": "assistant", "content": said}
            if refused:
                message["refusal"] = refused
            self._say(message)
            return
        if said:
            assistant["content"] = (assistant["content"] or "") + said
        if refused:
            assistant["refusal"] = assistant.get("refusal", "") + refused

    def _add_call(self, item: Mapping[str, Any]) -> None:
        if self._assistant is None:
            self._say({"role": "assistant", "content": None})
        assert self._assistant is not None
        function = {"name": item["name"], "arguments": item.get("arguments") or "{}"}
        call = {"id": item["call_id"], "type": "function", "function": function}
        self._assistant.setdefault("tool_calls", []).append(call)


def _user_content(content: Any) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [_part(part) for part in content or []]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    match kind:
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": part["text"]}
        case "input_image" if part.get("image_url"):
            image = without_none({"url": part["image_url"], "detail": part.get("detail")})
            return {"type": "image_url", "image_url": image}
        case "input_audio":
            return {"type": "input_audio", "input_audio": part["input_audio"]}
        case "input_file" if part.get("file_data") or part.get("file_id"):
            names = ("file_data", "file_id", "filename")
            return {"type": "file", "file": without_none({name: part.get(name) for name in names})}
        case _:
            _refuse(f"a piece of content of type {kind!r} with {_keys(part)}")


def _assistant_content(content: Any) -> tuple[str | None, str | None]:
    """Return what an assistant's message says, and what it refuses."""
    if isinstance(content, str):
        return content, None
    said: list[str] = []
    refused: list[str] = []
    for part in content or []:
        if part.get("type") == "refusal":
            refused.append(part["refusal"])
        elif part.get("type") in ("output_text", "text", "input_text"):
            said.append(part["text"])
        else:
            _refuse(f"a piece of content of type {part.get('type')!r} in an assistant's message")
    return ("".join(said) if said else None), ("".join(refused) if refused else None)


def _output_text(output: Any) -> str | list[dict[str, Any]]:
    """Return a tool's output; tool messages carry text only."""
    if isinstance(output, str):
        return output
    parts = [_part(part) for part in output or []]
    for part in parts:
        if part["type"] != "text":
            _refuse(f"a tool output of type {part['type']!r}")
    return parts


def _keys(part: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, part))) or "nothing in it"


def _refuse_responses_only(request: ModelRequest) -> None:
    for name in ("previous_response_id", "conversation_id", "prompt"):
        if getattr(request, name) is not None:
            _refuse(name)


def _refuse(what: str, item: Any = None) -> NoReturn:
    if isinstance(item, Mapping):
        what += f" (its fields: {_keys(item)})"
    raise UserError(
        f"The Chat Completions API cannot be sent {what}. It takes text, images, audio and files"
        " of users, text of assistants, and function calls with text outputs."
        " Use OpenAIResponsesModel, or leave it out."
    ) from None
