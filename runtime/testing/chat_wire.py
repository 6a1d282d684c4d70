"""Scripted answers as the Chat Completions API sends them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types.responses import ResponseUsage

from runtime.testing.replies import Answer, Reasoning, Refusal, Text, ToolCall
from runtime.testing.writing import new_id, pieces, usage_of

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


def completion(answer: Answer, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole completion."""
    calls = [_call(part) for part in answer.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _joined(answer, Text),
        "refusal": _joined(answer, Refusal),
        "annotations": [],
    }
    if thought := _joined(answer, Reasoning):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(answer),
    }
    return {
        **_head(request, "chat.completion"),
        "choices": [choice],
        "usage": _usage(usage_of(answer, request)),
    }


def chunks(answer: Answer, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a streamed completion, without the closing `[DONE]`."""
    head = _head(request, "chat.completion.chunk")
    wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    if wants_usage:
        head["usage"] = None

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    called = 0
    for part in answer.parts:
        match part:
            case Text(content):
                yield from (chunk({"content": piece}) for piece in pieces(content))
            case Refusal(content):
                yield from (chunk({"refusal": piece}) for piece in pieces(content))
            case Reasoning(content):
                yield from (chunk({"reasoning_content": piece}) for piece in pieces(content))
            case ToolCall():
                opened = _call(part)
                opened["function"]["arguments"] = ""
                yield chunk({"tool_calls": [{"index": called, **opened}]})
                for piece in pieces(part.arguments):
                    delta = {"index": called, "function": {"arguments": piece}}
                    yield chunk({"tool_calls": [delta]})
                called += 1
    yield chunk({}, _finish_reason(answer))
    if wants_usage:
        yield {**head, "choices": [], "usage": _usage(usage_of(answer, request))}


def _head(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": new_id("chatcmpl"),
        "object": kind,
        "created": int(time.time()),
        "model": request.get("model", "scripted"),
    }


def _joined(answer: Answer, kind: type[Text | Refusal | Reasoning]) -> str | None:
    said = [part.text for part in answer.parts if isinstance(part, kind)]
    return "".join(said) if said else None


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _finish_reason(answer: Answer) -> str:
    if answer.incomplete:
        return _FINISH[answer.incomplete]
    called = any(isinstance(part, ToolCall) for part in answer.parts)
    return "tool_calls" if called else "stop"


def _usage(usage: ResponseUsage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.input_tokens_details.cached_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_tokens_details.reasoning_tokens
        },
    }
