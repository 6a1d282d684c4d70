"""Reads what the Chat Completions API answers, whole or in chunks, as a response with its events.

Both ways go through one `ResponseWriter`, so they end in the same items. Providers that only
resemble OpenAI are read generously; what is missing altogether is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn
from uuid import uuid4

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseUsage

from runtime.exceptions import ModelBehaviorError
from runtime.items import ModelResponse
from runtime.models import token_usage
from runtime.models.fake_id import FAKE_RESPONSES_ID
from runtime.models.response_writer import Events, ResponseWriter

_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where providers put the reasoning that OpenAI does not send."""
_SAID_BESIDE = ("model", "system_fingerprint", "service_tier")
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
"""What reading raises where an object lacks what the API gives it."""
_CUT_SHORT = {"length": "max_output_tokens", "content_filter": "content_filter"}


class CompletionReading:
    """One answer being read. Call `read_whole`, or `start`, `read_chunk` and `finish`."""

    def __init__(self, model: str, arguments: Mapping[str, Any]) -> None:
        self._model = model
        self._writer = ResponseWriter(
            _empty_response(model, arguments), lambda _: FAKE_RESPONSES_ID
        )
        self._usage: ResponseUsage | None = None
        self._finish_reason: str | None = None
        self._id: str | None = None
        self.rest: dict[str, Any] = {}
        """What the server said beside its answer."""
        self._keys: dict[int, tuple[int, str]] = {}
        """The call that the deltas of an index belong to."""

    @property
    def response(self) -> Response:
        """The answer so far."""
        return self._writer.response

    def received(self) -> ModelResponse:
        """Return what has been read, for the record; items still open are `incomplete`.

        Never raises. Nothing can be read afterwards.
        """
        closed = len(self.response.output)
        with suppress(*_MISSHAPEN):
            self._writer.close()
        output = self.response.output
        cut = [item.model_copy(update={"status": "incomplete"}) for item in output[closed:]]
        return ModelResponse(
            output=[*output[:closed], *cut],
            usage=token_usage.from_response(self._usage),
            response_id=self._id,
        )

    def read_whole(self, completion: Any) -> Response:
        """Return the response a completion stands for."""
        if not isinstance(completion, ChatCompletion):
            self.refuse("answered with something that is not JSON")
        with self._reading():
            self._check_error(completion)
            choice = completion.choices[0] if completion.choices else None
            message = getattr(choice, "message", None)
            if choice is None or message is None:
                self.refuse("answered without any message")
            self._usage = token_usage.from_completion(completion.usage)
            self._note(completion, choice)
            self._finish_reason = choice.finish_reason or "stop"
            self._read(message, choice.logprobs)
            self.finish()
        return self.response

    def start(self) -> Events:
        """Return the first events of a stream."""
        return self._writer.start()

    def read_chunk(self, chunk: Any) -> Events:
        """Return the events of one chunk."""
        if not isinstance(chunk, ChatCompletionChunk):
            self.refuse("sent a piece of its stream that is no chunk")
        with self._reading():
            self._check_error(chunk)
            if chunk.usage is not None:
                self._usage = token_usage.from_completion(chunk.usage)
            choice = chunk.choices[0] if chunk.choices else None
            self._note(chunk, choice)
            if choice is None:
                return []
            self._finish_reason = choice.finish_reason or self._finish_reason
            return self._read(choice.delta, choice.logprobs)

    def finish(self) -> Events:
        """Return the last events.

        Raises:
            ModelBehaviorError: If the answer is not whole, or says nothing.
        """
        if self._finish_reason is None:
            self.refuse("ended its stream before the answer was complete")
        if reason := _CUT_SHORT.get(self._finish_reason):
            self.refuse(f"stopped before its answer was complete ({reason})")
        events = self._writer.completed(self._usage)
        if not self.response.output:
            self.refuse("answered without any output")
        return events

    def refuse(self, what: str) -> NoReturn:
        """Raise the error of an answer that makes no sense."""
        raise ModelBehaviorError(
            f"Model {self._model!r} {what}. A run needs a whole answer of the Chat Completions"
            " API. Run again; if it happens every time, check the model's settings (max_tokens"
            " above all) and that the server at the client's base_url speaks this API."
        ) from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Refuse what does not have the API's shape.

        The client builds its objects without validation: any field may be missing, or be of any
        type. Validating them all would turn away providers that only leave something out.
        """
        try:
            yield
        except _MISSHAPEN:
            self.refuse("answered in a shape that the Chat Completions API does not have")

    def _note(self, answer: ChatCompletion | ChatCompletionChunk, choice: Any) -> None:
        """Keep what is no part of the answer; the last word of a stream counts."""
        said = {name: getattr(answer, name, None) for name in _SAID_BESIDE}
        said["finish_reason"] = getattr(choice, "finish_reason", None)
        self.rest.update({name: value for name, value in said.items() if value is not None})
        if isinstance(given := getattr(answer, "id", None), str) and given != FAKE_RESPONSES_ID:
            self._id = given or self._id

    def _read(self, piece: Any, logprobs: Any) -> Events:
        """Read a message, or a piece of one."""
        events: Events = []
        if piece is None:
            return events
        if thought := _reasoning(piece):
            events += self._writer.reasoning(thought)
        if piece.content:
            events += self._writer.text(piece.content, _logprobs(logprobs))
        if piece.refusal:
            events += self._writer.refusal(piece.refusal)
        for position, call in enumerate(piece.tool_calls or []):
            events += self._read_call(call, position)
        return events

    def _read_call(self, call: Any, position: int) -> Events:
        function = getattr(call, "function", None)
        if function is None:
            self.refuse(f"called a tool of type {call.type!r}, which is no function")
        index = getattr(call, "index", None)
        index = position if index is None else index
        events: Events = []
        if self._opens_call(index, call):
            call_id = call.id or f"call_{uuid4().hex}"
            key = self._keys[index] = (index, call_id)
            events += self._writer.call(key, name=function.name, call_id=call_id)
        if index not in self._keys:
            self.refuse("sent arguments of a tool call before its name")
        key = self._keys[index]
        if function.arguments and self._writer.has_call(key):
            events += self._writer.arguments(key, function.arguments)
        return events

    def _opens_call(self, index: int, call: Any) -> bool:
        """Tell whether a delta opens a call.

        Some providers repeat the name in every delta, others send several calls under one index.
        """
        if not call.function.name:
            return False
        key = self._keys.get(index)
        return key is None or bool(call.id and call.id != key[1])

    def _check_error(self, answer: ChatCompletion | ChatCompletionChunk) -> None:
        """Refuse an error sent with status 200, as some gateways do."""
        error = getattr(answer, "error", None)
        if error:
            message = error.get("message") if isinstance(error, Mapping) else None
            self.refuse(f"reported an error ({message or 'no reason given'})")


def _empty_response(model: str, arguments: Mapping[str, Any]) -> Response:
    return Response.construct(
        id=FAKE_RESPONSES_ID,
        created_at=time.time(),
        model=model,
        object="response",
        status="in_progress",
        output=[],
        tool_choice=arguments.get("tool_choice", "auto"),
        tools=arguments.get("tools", []),
        parallel_tool_calls=arguments.get("parallel_tool_calls", True),
    )


def _reasoning(piece: Any) -> str | None:
    for name in _REASONING_FIELDS:
        thought = getattr(piece, name, None)
        if isinstance(thought, str) and thought:
            return thought
    return None


def _logprobs(logprobs: Any) -> list[dict[str, Any]]:
    tokens = getattr(logprobs, "content", None) or []
    return [
        {**_logprob(token), "top_logprobs": [_logprob(other) for other in token.top_logprobs or []]}
        for token in tokens
    ]


def _logprob(token: Any) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes or []}
