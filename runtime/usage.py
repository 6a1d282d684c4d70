"""What the model calls of a run consumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails


def no_input_details() -> InputTokensDetails:
    """Return input token details in which everything is zero."""
    return InputTokensDetails(cached_tokens=0, cache_write_tokens=0)


def no_output_details() -> OutputTokensDetails:
    """Return output token details in which everything is zero."""
    return OutputTokensDetails(reasoning_tokens=0)


def input_details(details: InputTokensDetails | PromptTokensDetails | None) -> InputTokensDetails:
    """Return details in the Responses shape, whatever the provider sent or left out."""
    # Providers build these objects without validation, so any number may be missing or None.
    return InputTokensDetails(
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        cache_write_tokens=getattr(details, "cache_write_tokens", 0) or 0,
    )


def output_details(
    details: OutputTokensDetails | CompletionTokensDetails | None,
) -> OutputTokensDetails:
    """Return details in the Responses shape, whatever the provider sent or left out."""
    return OutputTokensDetails(reasoning_tokens=getattr(details, "reasoning_tokens", 0) or 0)


@dataclass
class RequestUsage:
    """What one request consumed; prices differ per request, so totals alone are not enough."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens_details: OutputTokensDetails


@dataclass
class Usage:
    """What one or many requests consumed together."""

    requests: int = 0
    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = field(default_factory=no_input_details)
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = field(default_factory=no_output_details)
    total_tokens: int = 0
    request_usage_entries: list[RequestUsage] = field(default_factory=list)
    """One entry for each request that consumed anything, in order."""

    def __post_init__(self) -> None:
        self.input_tokens_details = input_details(self.input_tokens_details)
        self.output_tokens_details = output_details(self.output_tokens_details)

    def add(self, other: Usage) -> None:
        """Add what `other` consumed to this usage, keeping one entry per request."""
        self.requests += other.requests or 0
        self.input_tokens += other.input_tokens or 0
        self.output_tokens += other.output_tokens or 0
        self.total_tokens += other.total_tokens or 0
        mine, theirs = self.input_tokens_details, input_details(other.input_tokens_details)
        self.input_tokens_details = InputTokensDetails(
            cached_tokens=mine.cached_tokens + theirs.cached_tokens,
            cache_write_tokens=mine.cache_write_tokens + theirs.cache_write_tokens,
        )
        self.output_tokens_details = OutputTokensDetails(
            reasoning_tokens=self.output_tokens_details.reasoning_tokens
            + output_details(other.output_tokens_details).reasoning_tokens
        )
        self.request_usage_entries.extend(other.request_usage_entries or other.as_entries())

    def as_entries(self) -> list[RequestUsage]:
        """Return this usage as the entry of a single request, or nothing if it is not one."""
        if self.requests != 1 or not self.total_tokens:
            return []
        entry = RequestUsage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            total_tokens=self.total_tokens,
            input_tokens_details=self.input_tokens_details,
            output_tokens_details=self.output_tokens_details,
        )
        return [entry]
