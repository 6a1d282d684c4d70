import pytest
from openai._models import construct_type
from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from runtime.models import token_usage


def test_nothing_reported():
    """A provider that reports no usage still made one request."""
    assert token_usage.from_completion(None) is None
    usage = token_usage.from_response(None)
    assert (usage.requests, usage.total_tokens) == (1, 0)


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}])
def test_missing_details(details):
    """Details that a provider leaves out are zero, and a missing total is the sum."""
    raw = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": details}
    usage = token_usage.from_completion(construct_type(value=raw, type_=CompletionUsage))

    assert usage.total_tokens == 7
    assert usage.input_tokens_details.cached_tokens == 0
    assert usage.output_tokens_details.reasoning_tokens == 0


def test_missing_numbers():
    """An empty usage of a response counts as none."""
    usage = token_usage.from_response(construct_type(value={}, type_=ResponseUsage))

    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (1, 0, 0)
