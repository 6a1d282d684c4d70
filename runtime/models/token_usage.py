"""Usage as the two APIs report it, in our one shape.

The client builds its objects without validation, so any number may be missing.
"""

from __future__ import annotations

from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from runtime.usage import Usage, input_details, output_details


def from_response(usage: ResponseUsage | None) -> Usage:
    """Return the usage of one request to the Responses API."""
    if usage is None:
        return Usage(requests=1)
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return Usage(
        requests=1,
        input_tokens=read,
        input_tokens_details=input_details(getattr(usage, "input_tokens_details", None)),
        output_tokens=written,
        output_tokens_details=output_details(getattr(usage, "output_tokens_details", None)),
        total_tokens=getattr(usage, "total_tokens", None) or read + written,
    )


def from_completion(usage: CompletionUsage | None) -> ResponseUsage | None:
    """Return the usage of one request to the Chat Completions API, as a response reports it."""
    if usage is None:
        return None
    read, written = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return ResponseUsage(
        input_tokens=read,
        input_tokens_details=input_details(getattr(usage, "prompt_tokens_details", None)),
        output_tokens=written,
        output_tokens_details=output_details(getattr(usage, "completion_tokens_details", None)),
        total_tokens=getattr(usage, "total_tokens", None) or read + written,
    )
