"""Writes an answer that arrives in pieces as the event stream of the Responses API.

The Chat Completions model uses it to speak like the Responses API, and the testing kit to play
the server; so the order of events is written down once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseInProgressEvent,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningSummaryPartAddedEvent,
    ResponseReasoningSummaryPartDoneEvent,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseReasoningSummaryTextDoneEvent,
    ResponseRefusalDeltaEvent,
    ResponseRefusalDoneEvent,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response import IncompleteDetails
from pydantic import BaseModel

Events: TypeAlias = list[ResponseStreamEvent]
NewId: TypeAlias = Callable[[str], str]
"""Makes the id of an item from its prefix: `msg`, `rs` or `fc`."""
IncompleteReason: TypeAlias = Literal["max_output_tokens", "content_filter"]
_PartKind: TypeAlias = Literal["output_text", "refusal"]
_Event = TypeVar("_Event", bound=BaseModel)


class _Part:
    """One piece of content of the message being written."""

    def __init__(self, kind: _PartKind, index: int) -> None:
        self.kind = kind
        self.index = index
        self.pieces: list[str] = []
        self.logprobs: list[dict[str, Any]] = []

    def content(self) -> ResponseOutputText | ResponseOutputRefusal:
        text = "".join(self.pieces)
        if self.kind == "refusal":
            return ResponseOutputRefusal(type="refusal", refusal=text)
        part = {"type": "output_text", "text": text, "annotations": []}
        return ResponseOutputText.model_validate({**part, "logprobs": self.logprobs})


class _Message:
    """The message being written."""

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.parts: list[_Part] = []

    def item(self, *, done: bool) -> ResponseOutputMessage:
        return ResponseOutputMessage(
            id=self.id,
            type="message",
            role="assistant",
            status="completed" if done else "in_progress",
            content=[part.content() for part in self.parts],
        )


class _Reasoning:
    """The reasoning summary being written."""

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.pieces: list[str] = []

    def item(self, *, done: bool) -> ResponseReasoningItem:
        part = {"type": "summary_text", "text": "".join(self.pieces)}
        record = {"id": self.id, "type": "reasoning", "summary": [part] if done else []}
        return ResponseReasoningItem.model_validate(record)


class _Call:
    """A function call being written."""

    def __init__(self, item_id: str, index: int, name: str, call_id: str) -> None:
        self.id = item_id
        self.index = index
        self.name = name
        self.call_id = call_id
        self.pieces: list[str] = []

    def item(self, *, done: bool) -> ResponseFunctionToolCall:
        return ResponseFunctionToolCall(
            id=self.id,
            type="function_call",
            name=self.name,
            call_id=self.call_id,
            arguments="".join(self.pieces),
            status="completed" if done else "in_progress",
        )


class ResponseWriter:
    """Turns pieces of an answer into events, and keeps the response they add up to.

    Every method returns the events to send now. `start` comes first, `completed` or `incomplete`
    last. Text, refusals and reasoning open their item themselves and close the one before; calls
    are opened by name and stay open until something other than a call follows, because some
    providers interleave the arguments of parallel calls.
    """

    def __init__(self, response: Response, new_id: NewId) -> None:
        self.response = response
        """The response so far; `output` holds the items that are complete."""
        self._new_id = new_id
        self._sequence = 0
        self._opened = 0
        self._prose: _Message | _Reasoning | None = None
        self._calls: dict[object, _Call] = {}

    def start(self) -> Events:
        """Announce the response."""
        now = self.response.model_copy()
        return [
            self._event(ResponseCreatedEvent, type="response.created", response=now),
            self._event(ResponseInProgressEvent, type="response.in_progress", response=now),
        ]

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = ()) -> Events:
        """Write a piece of text."""
        events, message, part = self._message_part("output_text")
        part.pieces.append(delta)
        part.logprobs.extend(logprobs)
        place = _place(message, content_index=part.index)
        piece = {"delta": delta, "logprobs": list(logprobs), **place}
        kind = "response.output_text.delta"
        return [*events, self._event(ResponseTextDeltaEvent, type=kind, **piece)]

    def refusal(self, delta: str) -> Events:
        """Write a piece of a refusal."""
        events, message, part = self._message_part("refusal")
        part.pieces.append(delta)
        place = _place(message, content_index=part.index)
        kind = "response.refusal.delta"
        return [*events, self._event(ResponseRefusalDeltaEvent, type=kind, delta=delta, **place)]

    def reasoning(self, delta: str) -> Events:
        """Write a piece of a reasoning summary."""
        events: Events = []
        if not isinstance(self._prose, _Reasoning):
            events += self.close()
            self._prose = _Reasoning(self._new_id("rs"), self._next_index())
            place = _place(self._prose, summary_index=0)
            kind = "response.reasoning_summary_part.added"
            part = {"type": "summary_text", "text": ""}
            events += [
                self._added(self._prose),
                self._event(ResponseReasoningSummaryPartAddedEvent, type=kind, part=part, **place),
            ]
        self._prose.pieces.append(delta)
        place = _place(self._prose, summary_index=0)
        kind = "response.reasoning_summary_text.delta"
        event = self._event(ResponseReasoningSummaryTextDeltaEvent, type=kind, delta=delta, **place)
        return [*events, event]

    def call(self, key: object, *, name: str, call_id: str) -> Events:
        """Open a function call; `key` names it for `arguments`."""
        events = self._close_prose()
        call = _Call(self._new_id("fc"), self._next_index(), name, call_id)
        self._calls[key] = call
        return [*events, self._added(call)]

    def has_call(self, key: object) -> bool:
        """Tell whether the call `key` is open."""
        return key in self._calls

    def arguments(self, key: object, delta: str) -> Events:
        """Write a piece of the arguments of the open call `key`."""
        call = self._calls[key]
        call.pieces.append(delta)
        kind = "response.function_call_arguments.delta"
        place = _place(call)
        return [
            self._event(ResponseFunctionCallArgumentsDeltaEvent, type=kind, delta=delta, **place)
        ]

    def close(self) -> Events:
        """Complete every item that is open."""
        events = self._close_prose()
        for call in self._calls.values():
            kind = "response.function_call_arguments.done"
            given = {"arguments": "".join(call.pieces), "name": call.name}
            events += [
                self._event(
                    ResponseFunctionCallArgumentsDoneEvent, type=kind, **given, **_place(call)
                ),
                self._done(call),
            ]
        self._calls.clear()
        return events

    def completed(self, usage: ResponseUsage | None) -> Events:
        """Complete the response."""
        events = self.close()
        self._end("completed", usage)
        kind = "response.completed"
        return [*events, self._event(ResponseCompletedEvent, type=kind, response=self.response)]

    def incomplete(self, reason: IncompleteReason, usage: ResponseUsage | None) -> Events:
        """End the response before its time."""
        events = self.close()
        self._end("incomplete", usage)
        self.response.incomplete_details = IncompleteDetails(reason=reason)
        kind = "response.incomplete"
        return [*events, self._event(ResponseIncompleteEvent, type=kind, response=self.response)]

    def _end(self, status: Literal["completed", "incomplete"], usage: ResponseUsage | None) -> None:
        # A copy, because the events sent at the start hold the response as it was then.
        self.response = self.response.model_copy(update={"status": status, "usage": usage})

    def _message_part(self, kind: _PartKind) -> tuple[Events, _Message, _Part]:
        """Return the part to write to, opening the message and the part where needed."""
        events: Events = []
        if not isinstance(self._prose, _Message):
            events += self.close()
            self._prose = _Message(self._new_id("msg"), self._next_index())
            events.append(self._added(self._prose))
        message = self._prose
        if not message.parts or message.parts[-1].kind != kind:
            events += self._close_part(message)
            part = _Part(kind, len(message.parts))
            place = _place(message, content_index=part.index)
            added = "response.content_part.added"
            events.append(
                self._event(ResponseContentPartAddedEvent, type=added, part=part.content(), **place)
            )
            message.parts.append(part)
        return events, message, message.parts[-1]

    def _close_part(self, message: _Message) -> Events:
        if not message.parts:
            return []
        part = message.parts[-1]
        content = part.content()
        place = _place(message, content_index=part.index)
        if isinstance(content, ResponseOutputText):
            kind = "response.output_text.done"
            whole = {"text": content.text, "logprobs": part.logprobs}
            done: Any = self._event(ResponseTextDoneEvent, type=kind, **whole, **place)
        else:
            kind = "response.refusal.done"
            done = self._event(
                ResponseRefusalDoneEvent, type=kind, refusal=content.refusal, **place
            )
        kind = "response.content_part.done"
        return [
            done,
            self._event(ResponseContentPartDoneEvent, type=kind, part=content, **place),
        ]

    def _close_prose(self) -> Events:
        prose, self._prose = self._prose, None
        if prose is None:
            return []
        if isinstance(prose, _Message):
            return [*self._close_part(prose), self._done(prose)]
        text = "".join(prose.pieces)
        place = _place(prose, summary_index=0)
        kind = "response.reasoning_summary_text.done"
        part = {"type": "summary_text", "text": text}
        return [
            self._event(ResponseReasoningSummaryTextDoneEvent, type=kind, text=text, **place),
            self._event(
                ResponseReasoningSummaryPartDoneEvent,
                type="response.reasoning_summary_part.done",
                part=part,
                **place,
            ),
            self._done(prose),
        ]

    def _added(self, opened: _Message | _Reasoning | _Call) -> ResponseStreamEvent:
        return self._event(
            ResponseOutputItemAddedEvent,
            type="response.output_item.added",
            item=opened.item(done=False),
            output_index=opened.index,
        )

    def _done(self, closed: _Message | _Reasoning | _Call) -> ResponseStreamEvent:
        item: ResponseOutputItem = closed.item(done=True)
        self.response = self.response.model_copy(update={"output": [*self.response.output, item]})
        return self._event(
            ResponseOutputItemDoneEvent,
            type="response.output_item.done",
            item=item,
            output_index=closed.index,
        )

    def _next_index(self) -> int:
        self._opened += 1
        return self._opened - 1

    def _event(self, kind: type[_Event], **fields: Any) -> _Event:
        self._sequence += 1
        return kind(sequence_number=self._sequence - 1, **fields)


def _place(item: _Message | _Reasoning | _Call, **index: int) -> dict[str, Any]:
    """Return the fields that say which item, and which part of it, an event is about."""
    return {"item_id": item.id, "output_index": item.index, **index}
