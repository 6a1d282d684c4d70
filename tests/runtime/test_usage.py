"""Usage."""

from __future__ import annotations

from openai.types.completion_usage import PromptTokensDetails
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from runtime import Usage


def one(read, written, cached=0):
    """The usage of one request."""
    return Usage(
        requests=1,
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=1),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
    )


def test_add():
    """Totals and details add up, and each request keeps an entry."""
    total = Usage()
    total.add(one(10, 5, cached=4))
    total.add(one(1, 1))

    assert (total.requests, total.input_tokens, total.output_tokens) == (2, 11, 6)
    assert total.total_tokens == 17
    assert total.input_tokens_details.cached_tokens == 4
    assert total.input_tokens_details.cache_write_tokens == 2
    assert total.output_tokens_details.reasoning_tokens == 4
    assert [entry.total_tokens for entry in total.request_usage_entries] == [15, 2]


def test_add_total():
    """Adding the usage of a whole run keeps its requests apart."""
    run = Usage()
    run.add(one(10, 5))
    run.add(one(1, 1))
    total = Usage()
    total.add(run)

    assert total.requests == 2
    assert len(total.request_usage_entries) == 2


def test_empty_request():
    """A request that consumed nothing that is known leaves no entry."""
    total = Usage()
    total.add(Usage(requests=1))

    assert total.requests == 1
    assert total.request_usage_entries == []


def test_missing_details():
    """Details that a provider left out, or sent in the other API's shape, count as numbers."""
    usage = Usage(
        input_tokens_details=PromptTokensDetails(cached_tokens=None), output_tokens_details=None
    )

    assert usage.input_tokens_details.cached_tokens == 0
    assert usage.output_tokens_details.reasoning_tokens == 0
