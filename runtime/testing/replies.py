"""What a scripted model says: one value for each thing a model or its server can do.

    text("hello")                             an answer
    tool_call("search", {"query": "tea"})     a call of a tool
    reasoning("hm") + tool_call("search", {}) several items in one answer
    error(429, retry_after=2)                 a refusal of the server
    hang(), garbage(), disconnect(after=3)    a server in trouble

Every constructor takes the options of `Options`: latency, pacing and token counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Unpack
from uuid import uuid4

from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """The usage a reply reports; what is `None` is estimated from the text."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int | None = None


class Options(TypedDict, total=False):
    """What every answer takes beside its content."""

    delay: float
    """Seconds before the first byte."""
    delta_delay: float
    """Seconds between two pieces of a stream."""
    usage: TokenCounts
    incomplete: Literal["max_output_tokens", "content_filter"]
    """Makes the answer end before its time, for this reason."""


@dataclass(frozen=True)
class Text:
    """Text of the model."""

    text: str


@dataclass(frozen=True)
class Refusal:
    """A refusal in place of text."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """A summary of the model's reasoning."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool or of a handoff; `arguments` is sent as it is, JSON or not."""

    name: str
    arguments: str
    call_id: str


Part: TypeAlias = Text | Refusal | Reasoning | ToolCall


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer; add two with `+` to say several things in one turn."""

    parts: tuple[Part, ...]
    delay: float = 0.0
    delta_delay: float = 0.0
    usage: TokenCounts = TokenCounts()
    incomplete: Literal["max_output_tokens", "content_filter"] | None = None

    def __add__(self, other: Answer) -> Answer:
        return replace(self, parts=self.parts + other.parts)


@dataclass(frozen=True)
class HttpError:
    """An error status, in the shape of OpenAI's errors."""

    status: int
    message: str
    retry_after: float | None
    delay: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A failure the server reports in an answer of status 200.

    `event` says how a Responses stream reports it: as a `response.failed` or an `error` event.
    """

    message: str
    event: Literal["response.failed", "error"]


@dataclass(frozen=True)
class Hang:
    """No answer at all: the request is read, and then nothing."""


@dataclass(frozen=True)
class Garbage:
    """A body that is no answer, with status 200."""

    body: str
    content_type: str


@dataclass(frozen=True)
class Disconnect:
    """A connection cut after `after` events of `answer`, or before the body of a whole answer."""

    answer: Answer
    after: int


@dataclass(frozen=True)
class Raise:
    """An exception in place of an answer. For `ScriptedModel` only: no server can send it."""

    exception: BaseException


Reply: TypeAlias = Answer | HttpError | Failure | Hang | Garbage | Disconnect | Raise


class Named(Protocol):
    """An agent, or whatever else has a name."""

    name: str


def text(content: str, **options: Unpack[Options]) -> Answer:
    """Answer with text."""
    return Answer(parts=(Text(content),), **options)


def structured(value: BaseModel | Mapping[str, Any], **options: Unpack[Options]) -> Answer:
    """Answer with JSON text, as a model asked for structured output does."""
    content = value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)
    return text(content, **options)


def refusal(content: str, **options: Unpack[Options]) -> Answer:
    """Refuse to answer."""
    return Answer(parts=(Refusal(content),), **options)


def reasoning(summary: str, **options: Unpack[Options]) -> Answer:
    """Think; add what follows: `reasoning("hm") + text("yes")`."""
    return Answer(parts=(Reasoning(summary),), **options)


def tool_call(
    name: str,
    arguments: Mapping[str, Any] | str = "{}",
    call_id: str | None = None,
    **options: Unpack[Options],
) -> Answer:
    """Call one tool. A string is sent as it is, so that broken JSON can be sent too."""
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = ToolCall(name, given, call_id or f"call_{uuid4().hex[:24]}")
    return Answer(parts=(call,), **options)


def tool_calls(
    calls: Sequence[tuple[str, Mapping[str, Any] | str]], **options: Unpack[Options]
) -> Answer:
    """Call several tools in one turn."""
    parts = [part for name, arguments in calls for part in tool_call(name, arguments).parts]
    return Answer(parts=tuple(parts), **options)


def handoff_to(
    agent: Named | str, arguments: Mapping[str, Any] | str = "{}", **options: Unpack[Options]
) -> Answer:
    """Hand over to an agent, given itself or by name, through its default handoff tool."""
    name = agent if isinstance(agent, str) else agent.name
    return tool_call(handoff_tool_name(name), arguments, **options)


def handoff_tool_name(agent_name: str) -> str:
    """Return the name of the tool a handoff to `agent_name` has unless it was given another."""
    return "transfer_to_" + re.sub(r"[^a-zA-Z0-9_]", "_", agent_name).lower()


def error(
    status: int, message: str = "", *, retry_after: float | None = None, delay: float = 0.0
) -> HttpError:
    """Answer with an error status."""
    return HttpError(status, message or f"Scripted error {status}.", retry_after, delay)


def failed(message: str = "Scripted failure.") -> Failure:
    """Fail in the middle of an answer, the way the API reports it."""
    return Failure(message, "response.failed")


def error_event(message: str = "Scripted failure.") -> Failure:
    """Fail in the middle of a stream with an `error` event."""
    return Failure(message, "error")


def hang() -> Hang:
    """Never answer; the connection stays open until the client gives up."""
    return Hang()


def garbage(
    body: str = "<html>It works!</html>", content_type: str = "application/json"
) -> Garbage:
    """Answer with something that is no answer."""
    return Garbage(body, content_type)


def disconnect(content: str = "this never ends", *, after: int = 3) -> Disconnect:
    """Cut the connection after `after` events."""
    return Disconnect(text(content), after)


def raises(exception: BaseException) -> Raise:
    """Raise from the model itself."""
    return Raise(exception)
