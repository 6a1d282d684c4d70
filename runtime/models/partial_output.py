"""What a stream has said so far, for the record of a call that ends before its answer does."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

from runtime.items import ModelResponse, TResponseStreamEvent
from runtime.models import token_usage
from runtime.models.fake_id import FAKE_RESPONSES_ID
from runtime.usage import Usage

_PARTS = {
    "response.output_text.delta": ("content", "output_text", "text"),
    "response.refusal.delta": ("content", "refusal", "refusal"),
    "response.reasoning_summary_text.delta": ("summary", "summary_text", "text"),
}
"""For each event with a piece of prose: the item's field, its part's type, the part's field."""
_ARGUMENTS = "response.function_call_arguments.delta"
_MESSAGE = {"type": "message", "role": "assistant"}
_OPENED_WITH = ("id", "type", "role", "name", "call_id")
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class PartialOutput:
    """The items of a stream while they arrive.

    Reads whatever a server sends without complaint: it serves the record only, and what is wrong
    with a stream is told by whoever needs it whole.
    """

    def __init__(self) -> None:
        self._response_id: str | None = None
        self._usage: Any = None
        self._whole: dict[int, Any] = {}
        self._opened: dict[int, Any] = {}
        self._pieces: dict[int, list[tuple[str, str]]] = {}

    def hear(self, event: TResponseStreamEvent) -> None:
        """Take in one event."""
        response = getattr(event, "response", None)
        self._response_id = getattr(response, "id", None) or self._response_id
        self._usage = getattr(response, "usage", None) or self._usage
        index, item = getattr(event, "output_index", 0), getattr(event, "item", None)
        if not isinstance(index, int):
            return
        if event.type == "response.output_item.added":
            self._opened[index] = item
        elif event.type == "response.output_item.done":
            self._whole[index] = item
        elif event.type in _PARTS or event.type == _ARGUMENTS:
            delta = getattr(event, "delta", None)
            self._pieces.setdefault(index, []).append((event.type, str(delta or "")))

    def response(self) -> ModelResponse:
        """Return what there is as a response; items that were still open are `incomplete`."""
        usage = Usage(requests=1)
        output: list[Any] = []
        with suppress(*_UNREADABLE):
            usage = token_usage.from_response(self._usage)
        for index in sorted({*self._whole, *self._opened, *self._pieces}):
            item = self._whole.get(index)
            output.append(self._open_item(index) if item is None else item)
        known = isinstance(self._response_id, str) and self._response_id != FAKE_RESPONSES_ID
        return ModelResponse(
            output=output, usage=usage, response_id=self._response_id if known else None
        )

    def _open_item(self, index: int) -> dict[str, Any]:
        opened = self._opened.get(index)
        known = {name: getattr(opened, name, None) for name in _OPENED_WITH}
        item: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
        item = item or dict(_MESSAGE)
        for kind, pieces in groupby(self._pieces.get(index, []), key=itemgetter(0)):
            said = "".join(delta for _, delta in pieces)
            if kind == _ARGUMENTS:
                item["arguments"] = said
            else:
                field, part, key = _PARTS[kind]
                item[field] = [*item.get(field, []), {"type": part, key: said}]
        return {**item, "status": "incomplete"}
