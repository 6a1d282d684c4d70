"""Turns a scripted answer into the response and the events a server would send."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from openai.types.responses import Response, ResponseUsage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from runtime.models.response_writer import Events, ResponseWriter
from runtime.testing.replies import Answer, Reasoning, Refusal, Text, ToolCall

CHARACTERS_PER_TOKEN = 4

_PIECE = re.compile(r".{1,12}?(?:\s+|$)|.{1,12}", re.DOTALL)
_ECHOED = (
    "instructions",
    "metadata",
    "temperature",
    "top_p",
    "max_output_tokens",
    "previous_response_id",
    "reasoning",
    "text",
    "truncation",
    "top_logprobs",
)


def new_id(prefix: str) -> str:
    """Return an id such as the API gives."""
    return f"{prefix}_{uuid4().hex}"


def pieces(content: str) -> list[str]:
    """Cut text into the pieces it is streamed in; joined they are the text again."""
    return _PIECE.findall(content)


def started_response(request: Mapping[str, Any]) -> Response:
    """Return the response to `request` as it is before its first item."""
    echoed = {name: request[name] for name in _ECHOED if name in request}
    return Response.construct(
        **echoed,
        id=new_id("resp"),
        object="response",
        created_at=float(int(time.time())),
        status="in_progress",
        model=request.get("model", "scripted"),
        output=[],
        parallel_tool_calls=request.get("parallel_tool_calls", True),
        tool_choice=request.get("tool_choice", "auto"),
        tools=request.get("tools", []),
    )


def write_answer(answer: Answer, writer: ResponseWriter, usage: ResponseUsage) -> Iterator[Events]:
    """Write an answer; yields the events of one piece at a time, so that pieces can be paced."""
    yield writer.start()
    for position, part in enumerate(answer.parts):
        match part:
            case Text(content):
                yield from (writer.text(piece) for piece in pieces(content) or [""])
            case Refusal(content):
                yield from (writer.refusal(piece) for piece in pieces(content) or [""])
            case Reasoning(content):
                yield from (writer.reasoning(piece) for piece in pieces(content) or [""])
            case ToolCall(name, arguments, call_id):
                yield writer.call(position, name=name, call_id=call_id)
                yield from (writer.arguments(position, piece) for piece in pieces(arguments))
        yield writer.close()
    if answer.incomplete:
        yield writer.incomplete(answer.incomplete, usage)
    else:
        yield writer.completed(usage)


def whole_response(answer: Answer, request: Mapping[str, Any], usage: ResponseUsage) -> Response:
    """Return the response an answer adds up to."""
    writer = ResponseWriter(started_response(request), new_id)
    for _ in write_answer(answer, writer, usage):
        pass
    return writer.response


def usage_of(answer: Answer, request: Any) -> ResponseUsage:
    """Return the usage an answer reports, estimated where the script gives no number."""
    given = answer.usage
    thought = sum(_tokens(part.text) for part in answer.parts if isinstance(part, Reasoning))
    said = sum(_tokens(_said(part)) for part in answer.parts)
    read = given.input_tokens
    if read is None:
        read = max(_tokens(json.dumps(request, default=str)), given.cached_tokens)
    written = said if given.output_tokens is None else given.output_tokens
    return ResponseUsage(
        input_tokens=read,
        input_tokens_details=InputTokensDetails(
            cached_tokens=given.cached_tokens, cache_write_tokens=0
        ),
        output_tokens=written,
        output_tokens_details=OutputTokensDetails(
            reasoning_tokens=thought if given.reasoning_tokens is None else given.reasoning_tokens
        ),
        total_tokens=read + written,
    )


def _said(part: Text | Refusal | Reasoning | ToolCall) -> str:
    return part.name + part.arguments if isinstance(part, ToolCall) else part.text


def _tokens(content: str) -> int:
    return math.ceil(len(content) / CHARACTERS_PER_TOKEN)
