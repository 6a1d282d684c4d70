"""How a run is tied to the runs before it: through a session, or through the provider's store."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.awaitable import settle
from runtime.exceptions import UserError
from runtime.items import ItemHelpers, ModelResponse, TResponseInputItem
from runtime.memory.session import Session, SessionInputCallback


@dataclass
class Chain:
    """A conversation the provider keeps, so that only new items are sent.

    `previous_response_id` moves on with every response; `conversation_id` stays.
    """

    previous_response_id: str | None = None
    conversation_id: str | None = None
    automatic: bool = False

    @property
    def kept_by_provider(self) -> bool:
        """Tell whether the provider knows what was said before."""
        return bool(self.previous_response_id or self.conversation_id or self.automatic)

    def follow(self, response: ModelResponse) -> None:
        """Let the next call continue after `response`."""
        if self.kept_by_provider and not self.conversation_id and response.response_id:
            self.previous_response_id = response.response_id


def check_memory(session: Session | None, chain: Chain) -> None:
    """Refuse a session beside a conversation that the provider keeps.

    Raises:
        UserError: If both are given; the history would be sent twice.
    """
    if session is not None and chain.kept_by_provider:
        raise UserError(
            f"The run got a session ({type(session).__name__!r}) together with conversation_id, "
            "previous_response_id or auto_previous_response_id. Only one of them may keep the "
            "history. Leave one out."
        )


async def with_history(
    session: Session | None,
    given: str | list[TResponseInputItem],
    callback: SessionInputCallback | None,
) -> str | list[TResponseInputItem]:
    """Return the input of a run, what its session remembers included.

    Raises:
        UserError: If the callback returns something else than a list.
    """
    if session is None:
        return given if isinstance(given, str) else ItemHelpers.input_to_new_input_list(given)
    # A session still being written may answer None; that is an empty history.
    history = await session.get_items() or []
    new = ItemHelpers.input_to_new_input_list(given)
    if callback is None:
        return [*history, *new]
    combined = await settle(callback(history, new))
    if not isinstance(combined, list):
        raise UserError(
            f"session_input_callback returned a {type(combined).__name__!r}. It must return the "
            "list of items that the run begins with; return one."
        )
    return combined


def without_orphans(items: list[TResponseInputItem]) -> list[TResponseInputItem]:
    """Return `items` without reasoning that lost what it led to.

    The API refuses a reasoning item that is not followed by an output of the model, which is what
    a filter leaves that takes tool calls out.
    """
    kept: list[TResponseInputItem] = []
    led_to_output = False
    for item in reversed(items):
        kind = item.get("type", "message")
        if kind == "reasoning":
            if led_to_output:
                kept.append(item)
            continue
        led_to_output = item.get("role") == "assistant" or str(kind).endswith("_call")
        kept.append(item)
    kept.reverse()
    return kept
