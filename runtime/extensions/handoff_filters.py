"""Ready-made filters for what the next agent sees after a handoff."""

from __future__ import annotations

from runtime.handoffs import HandoffInputData
from runtime.items import MessageOutputItem, RunItem, TResponseInputItem


def remove_all_tools(handoff_input_data: HandoffInputData) -> HandoffInputData:
    """Leave only messages: no tool calls and answers, no handoffs, and no reasoning about them."""
    history = handoff_input_data.input_history
    return handoff_input_data.clone(
        input_history=history if isinstance(history, str) else _messages(history),
        pre_handoff_items=_message_items(handoff_input_data.pre_handoff_items),
        new_items=_message_items(handoff_input_data.new_items),
    )


def _messages(items: tuple[TResponseInputItem, ...]) -> tuple[TResponseInputItem, ...]:
    # A message may come without a type.
    return tuple(item for item in items if item.get("type", "message") == "message")


def _message_items(items: tuple[RunItem, ...]) -> tuple[RunItem, ...]:
    return tuple(item for item in items if isinstance(item, MessageOutputItem))
