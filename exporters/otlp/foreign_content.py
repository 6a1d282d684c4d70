"""What went into a span of another tool and came out of it, its model and its tokens. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from exporters.otlp.foreign_kind import text
from exporters.otlp.messages import from_messages
from tracer.snapshot import Usage

Attributes = Mapping[str, Any]
_COUNTS = range(2**63)
_INDEXED = re.compile(r"(\d{1,9})\.(.+)")
_MODEL = (
    "langfuse.observation.model.name",
    "gen_ai.request.model",
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
    "ai.model.id",
    "gen_ai.response.model",
    "llm.response.model_name",
)
_USAGE: Mapping[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
    ),
}


def model_of(said: Attributes) -> str | None:
    """The model that was called."""
    return next((found for key in _MODEL if (found := text(said, key))), None)


def usage_of(said: Attributes) -> Usage:
    """Tokens of a model call."""
    counts = {
        name: next((count for key in keys if (count := _count(said.get(key))) is not None), None)
        for name, keys in _USAGE.items()
    }
    reported = value_of(said.get("langfuse.observation.usage_details"))
    if isinstance(reported, Mapping) and counts["input_tokens"] is None:
        counts |= _langfuse(reported)
    return Usage(**counts)


def input_of(said: Attributes) -> Any:
    """What went in; None where nothing tells it."""
    return _first(said, _INPUT)


def output_of(said: Attributes) -> Any:
    """What came out; None where nothing tells it."""
    return _first(said, _OUTPUT)


def tools_of(said: Attributes) -> Any:
    """Definitions of the tools that a model was offered."""
    found = value_of(said.get("gen_ai.tool.definitions"))
    if found is not None:
        return found
    nested = _unflattened(said, "llm.tools.")
    found = [value_of(tool.get("tool.json_schema")) for tool in nested]
    return [tool for tool in found if tool is not None] or None


def value_of(said: Any) -> Any:
    """What a text of JSON says; anything else is itself."""
    if isinstance(said, str) and said[:1] in ("{", "[", '"'):
        try:
            return orjson.loads(said)
        except orjson.JSONDecodeError:
            return said  # cut, or no JSON
    return said


def _first(said: Attributes, rules: tuple[Callable[[Attributes], Any], ...]) -> Any:
    for rule in rules:
        found = rule(said)
        if found is not None and found not in ("", [], {}):
            return found
    return None


def _key(name: str) -> Callable[[Attributes], Any]:
    return lambda said: value_of(said.get(name))


def _parts(name: str) -> Callable[[Attributes], Any]:
    return lambda said: from_messages(value_of(said.get(name)))


def _flat(prefix: str, inner: str) -> Callable[[Attributes], Any]:
    """Messages of attributes such as `llm.input_messages.0.message.role`."""

    def found(said: Attributes) -> Any:
        return [_message(flat, inner) for flat in _unflattened(said, prefix)]

    return found


def _message(flat: Attributes, inner: str) -> dict[str, Any]:
    plain = {key.removeprefix(inner): value for key, value in flat.items()}
    message: dict[str, Any] = {"role": plain.get("role", "user")}
    contents = _unflattened(plain, "contents.")
    if "content" in plain:
        message["content"] = plain["content"]
    elif contents:
        message["content"] = [
            {key.removeprefix("message_content."): value for key, value in part.items()}
            for part in contents
        ]
    for key in ("name", "tool_call_id", "finish_reason"):
        if key in plain:
            message[key] = plain[key]
    calls = [_tool_call(call) for call in _unflattened(plain, "tool_calls.")]
    if calls:
        message["tool_calls"] = calls
    return message


def _tool_call(flat: Attributes) -> dict[str, Any]:
    plain = {key.removeprefix("tool_call."): value for key, value in flat.items()}
    name = plain.get("function.name", plain.get("name"))
    arguments = plain.get("function.arguments", plain.get("arguments"))
    function = {"name": name, "arguments": arguments}
    return {"id": plain.get("id"), "type": "function", "function": function}


def _unflattened(said: Attributes, prefix: str) -> list[dict[str, Any]]:
    """What has `prefix` and a number before the rest of its key, in order of the number.

    A number takes no room of its own, however large it is.
    """
    found: dict[int, dict[str, Any]] = {}
    for key, value in said.items():
        if key.startswith(prefix) and (match := _INDEXED.fullmatch(key, len(prefix))):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[index] for index in sorted(found)]


def _vercel_answer(said: Attributes) -> Any:
    answer = {
        name: value_of(said[f"ai.response.{name}"])
        for name in ("text", "toolCalls", "object")
        if f"ai.response.{name}" in said
    }
    return answer["text"] if answer.keys() == {"text"} else answer


def _langfuse(reported: Attributes) -> dict[str, int | None]:
    """Usage as a server reported it, or in Langfuse's own parts, which add up."""
    given = _count(reported.get("input_tokens", reported.get("prompt_tokens")))
    if given is not None:
        taken = _count(reported.get("output_tokens", reported.get("completion_tokens")))
        return {"input_tokens": given, "output_tokens": taken}
    sums: dict[str, int | None] = {}
    for side in ("input", "output"):
        counts = [
            count
            for key, value in reported.items()
            if key.startswith(side) and (count := _count(value)) is not None
        ]
        if counts:
            sums[f"{side}_tokens"] = sum(counts)
    cached = _count(reported.get("input_cached_tokens"))
    return sums if cached is None else sums | {"cached_tokens": cached}


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _COUNTS:
        return value
    return None


_INPUT = (
    _key("langfuse.observation.input"),
    _parts("gen_ai.input.messages"),
    _flat("llm.input_messages.", "message."),
    _flat("gen_ai.prompt.", ""),
    _key("pydantic_ai.all_messages"),
    _key("ai.prompt.messages"),
    _key("ai.prompt"),
    _key("raw_input"),
    _key("gen_ai.tool.call.arguments"),
    _key("ai.toolCall.args"),
    _key("tool_arguments"),
    _key("input.value"),
    _key("traceloop.entity.input"),
    _key("gen_ai.task.input"),
)
_OUTPUT = (
    _key("langfuse.observation.output"),
    _parts("gen_ai.output.messages"),
    _flat("llm.output_messages.", "message."),
    _flat("gen_ai.completion.", ""),
    _key("final_result"),
    _vercel_answer,
    _key("gen_ai.tool.call.result"),
    _key("ai.toolCall.result"),
    _key("tool_response"),
    _key("output.value"),
    _key("traceloop.entity.output"),
    _key("gen_ai.task.output"),
)
