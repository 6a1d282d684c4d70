"""Handoffs themselves."""

from __future__ import annotations

import asyncio

import pytest

from runtime import Agent, HandoffInputData, RunContextWrapper, UserError, handoff

CONTEXT = RunContextWrapper(None)
BILLING = Agent("Billing agent", handoff_description="Money.")


def test_defaults():
    """Name and description of the tool come from the agent."""
    way = handoff(BILLING)

    assert way.tool_name == "transfer_to_billing_agent"
    assert way.tool_description == (
        "Handoff to the Billing agent agent to handle the request. Money."
    )
    assert way.input_json_schema["additionalProperties"] is False
    assert way.get_transfer_message(BILLING) == '{"assistant": "Billing agent"}'
    assert asyncio.run(way.on_invoke_handoff(CONTEXT, "{}")) is BILLING


def test_overrides():
    """Both can be given."""
    way = handoff(BILLING, tool_name_override="pay", tool_description_override="Pay.")

    assert (way.tool_name, way.tool_description) == ("pay", "Pay.")


def test_callback():
    """on_handoff is called, and awaited if it is async."""
    got = []

    async def note(ctx):
        got.append(ctx)

    asyncio.run(handoff(BILLING, on_handoff=note).on_invoke_handoff(CONTEXT, ""))

    assert got == [CONTEXT]


@pytest.mark.parametrize(
    ("target", "what"), [("y", "'y' (str)"), (Agent, "the class 'Agent'"), (None, "got None")]
)
def test_wrong_target(target, what):
    """Only an agent can take over."""
    with pytest.raises(UserError, match="the agent itself") as caught:
        handoff(target)

    assert what in caught.value.message


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"input_type": int}, "pass on_handoff="),
        ({"on_handoff": "note"}, "cannot be called"),
        ({"on_handoff": lambda: None}, "must take one"),
        ({"on_handoff": lambda ctx: None, "input_type": int}, "must take two"),
    ],
)
def test_wrong_callback(options, hint):
    """A callback that does not fit input_type is refused at once."""
    with pytest.raises(UserError, match=hint):
        handoff(BILLING, **options)


def test_input_data_clone():
    """A clone differs where told."""
    data = HandoffInputData(input_history="go", pre_handoff_items=(), new_items=())

    assert data.clone(input_history="x").input_history == "x"
    assert data.input_history == "go"
