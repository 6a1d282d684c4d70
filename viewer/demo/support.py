"""A customer-support desk: triage with a guardrail, a handoff, tools, and a structured answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from pydantic import BaseModel

from runtime import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    TResponseInputItem,
    function_tool,
    handoff,
    input_guardrail,
)

ORDERS = {
    "A-1001": {
        "order_id": "A-1001",
        "status": "delivered",
        "carrier": "DHL",
        "promised": "2026-11-12",
        "delivered": "2026-11-18",
        "items": [
            {"sku": "TEA-POT-09", "title": "Cast-iron teapot", "quantity": 1, "price": 64.0},
            {"sku": "CUP-SET-04", "title": "Set of four cups", "quantity": 1, "price": 28.5},
        ],
        "total": 92.5,
        "currency": "EUR",
    }
}
POLICY = """\
# Refunds

1. **Late by more than 5 days**: shipping and 20 % of the total, no questions asked.
2. **Damaged**: the whole price, with a photo.
3. **Changed mind**: within 30 days, unused.

| tier   | goodwill on top |
|--------|-----------------|
| gold   | 10 EUR          |
| silver | 5 EUR           |
"""


class RefundDecision(BaseModel):
    """What the refund agent decides."""

    order_id: str
    decision: Literal["refund", "partial_refund", "refuse"]
    amount: float
    currency: str
    reason: str
    message: str


class CardDeclinedError(Exception):
    """The bank said no."""


@function_tool
async def get_order(order_id: str) -> dict[str, Any]:
    """Look an order up.

    Args:
        order_id: The number on the invoice, such as A-1001.
    """
    await asyncio.sleep(0.18)
    return ORDERS[order_id]


@function_tool
def get_refund_policy(country: str) -> str:
    """Read the refund policy of a country.

    Args:
        country: Two-letter code, such as DE.
    """
    time.sleep(0.3)  # a blocking client, as many are; it runs off the loop
    return POLICY


@function_tool(failure_error_function=None)
async def charge_card(invoice_id: str, amount: float, currency: str) -> str:
    """Charge the card on file.

    Args:
        invoice_id: The invoice to settle.
        amount: How much, in units of the currency.
        currency: ISO code.
    """
    await asyncio.sleep(0.22)
    try:
        raise ConnectionResetError("payments.internal:443 closed the connection (3 of 3 attempts)")
    except ConnectionResetError as error:
        raise CardDeclinedError(
            f"Card of invoice {invoice_id} declined: issuer unavailable"
        ) from error


@input_guardrail
async def stays_on_topic(
    context: RunContextWrapper[Any], agent: Agent[Any], given: str | list[TResponseInputItem]
) -> GuardrailFunctionOutput:
    """Trips on attempts to talk the agent out of its role."""
    await asyncio.sleep(0.12)
    text = given if isinstance(given, str) else str(given[-1].get("content", ""))
    suspicious = "ignore all previous instructions" in text.lower()
    return GuardrailFunctionOutput(
        output_info={"suspicious": suspicious, "rule": "prompt injection", "checked": len(text)},
        tripwire_triggered=suspicious,
    )


def triage_agent() -> Agent[Any]:
    """The desk, from the agent that customers reach first."""
    refunds: Agent[Any] = Agent(
        name="Refund agent",
        handoff_description="Decides on refunds.",
        instructions=(
            "You decide on refunds. Look the order up, read the policy of the customer's country, "
            "then decide. Be generous where the policy leaves room."
        ),
        tools=[get_order, get_refund_policy],
        output_type=RefundDecision,
    )
    return Agent(
        name="Triage agent",
        instructions="You are the first at the support desk. Hand over to the one who can help.",
        handoffs=[handoff(refunds)],
        input_guardrails=[stays_on_topic],
    )


def billing_agent() -> Agent[Any]:
    """An agent whose one tool fails."""
    return Agent(
        name="Billing agent",
        instructions="You settle invoices. Charge the card on file, then confirm.",
        tools=[charge_card],
    )
