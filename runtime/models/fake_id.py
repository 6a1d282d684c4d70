"""The id of items that a provider gave no id."""

FAKE_RESPONSES_ID = "__fake_id__"
"""Marks an item made from a Chat Completions answer: the Responses API has never seen it, so it
must not be sent there as a reference."""
