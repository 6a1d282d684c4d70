"""OpenAI's API on loopback, answering from a script.

The real client, its JSON and its streaming all run; only the model is made up.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from openai import AsyncOpenAI
from openai.types.responses import ResponseError

from runtime.models.response_writer import ResponseWriter
from runtime.testing import chat_wire, request_reading
from runtime.testing.loopback import HttpExchange, HttpRequest, LoopbackServer
from runtime.testing.replies import (
    Answer,
    Disconnect,
    Failure,
    Garbage,
    Hang,
    HttpError,
    Raise,
    Reply,
)
from runtime.testing.script import Script, ScriptSource
from runtime.testing.writing import (
    new_id,
    started_response,
    usage_of,
    whole_response,
    write_answer,
)

RESPONSES_PATH = "/v1/responses"
CHAT_PATH = "/v1/chat/completions"

_JSON = "application/json"
_SYSTEM_ROLES = ("system", "developer")

_NamedEvent = tuple[str | None, str]
"""The name of a server-sent event, if it has one, and its data."""


@dataclass(frozen=True)
class StubRequest:
    """A request the stub received; header names are lower case.

    The properties read both APIs, so that one script serves both.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def is_chat(self) -> bool:
        """Whether this came in through the Chat Completions API."""
        return urlsplit(self.path).path == CHAT_PATH

    @property
    def model(self) -> str:
        """The model asked."""
        return str(self.body.get("model", ""))

    @property
    def streamed(self) -> bool:
        """Whether the answer is to be streamed."""
        return bool(self.body.get("stream"))

    @property
    def items(self) -> list[dict[str, Any]]:
        """The history: input items, or messages without the system's."""
        if self.is_chat:
            messages: list[dict[str, Any]] = self.body.get("messages", [])
            return [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
        given = self.body.get("input", [])
        return [{"role": "user", "content": given}] if isinstance(given, str) else given

    @property
    def instructions(self) -> str:
        """The instructions of the agent that asks."""
        if not self.is_chat:
            return self.body.get("instructions") or ""
        first = (self.body.get("messages") or [{}])[0]
        system = first.get("role") in _SYSTEM_ROLES
        return request_reading.content_text(first.get("content")) if system else ""

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools and handoffs offered."""
        return request_reading.tool_names(self.body.get("tools") or [])

    @property
    def last_user_text(self) -> str:
        """The last thing the user said."""
        return request_reading.last_user_text(self.items)

    @property
    def tool_outputs(self) -> list[str]:
        """What tools returned since the user last spoke."""
        return request_reading.tool_outputs(self.items)


class OpenAIStub:
    """The server behind `openai_stub`.

    Requests may come from many tasks, threads and event loops at once. A function given as
    script runs in the server's thread and must not block.
    """

    def __init__(self, script: ScriptSource[StubRequest]) -> None:
        self._script = Script(script)
        self._server = LoopbackServer(self._answer)
        self._arrived = threading.Condition()
        self._requests: list[StubRequest] = []

    def __enter__(self) -> OpenAIStub:
        self._server.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._server.stop()

    @property
    def base_url(self) -> str:
        """What to give to a client as its base URL."""
        return f"http://127.0.0.1:{self._server.port}/v1"

    @property
    def requests(self) -> list[StubRequest]:
        """Every request so far, in the order of arrival."""
        with self._arrived:
            return list(self._requests)

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> None:
        """Block the calling thread until `count` requests have arrived.

        Raises:
            TimeoutError: If they do not arrive in time.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._requests) >= count, timeout):
                raise TimeoutError(
                    f"Only {len(self._requests)} of {count} requests reached the stub within"
                    f" {timeout:g} seconds. Check that the client uses its base_url."
                )

    @property
    def replies_left(self) -> int:
        """How many replies of a script given as a list were not asked for."""
        return self._script.left

    def client(self, **options: Any) -> AsyncOpenAI:
        """Return a real client of this server; it does not retry unless told to."""
        return AsyncOpenAI(
            **{"api_key": "stub", "base_url": self.base_url, "max_retries": 0, **options}
        )

    async def _answer(self, request: HttpRequest, exchange: HttpExchange) -> None:
        path = urlsplit(request.path).path
        if request.method != "POST" or path not in (RESPONSES_PATH, CHAT_PATH):
            message = f"The stub does not serve {request.method} {path!r}."
            await exchange.send_json(404, _error_body(404, message))
            return
        try:
            body = json.loads(request.content)
        except ValueError:
            await exchange.send_json(400, _error_body(400, "The request body is not JSON."))
            return
        received = StubRequest(request.method, request.path, request.headers, body)
        with self._arrived:
            self._requests.append(received)
            self._arrived.notify_all()
        try:
            reply = self._script.next(received)
        except Exception as error:  # noqa: BLE001  (a script's fault must reach the test)
            text = f"The script failed with {type(error).__name__}: {error}"
            await exchange.send_json(400, _error_body(400, text))
            return
        await _send(reply, received, exchange)


def openai_stub(script: ScriptSource[StubRequest]) -> OpenAIStub:
    """Return a server that answers from `script`; use it in a `with` block.

        with openai_stub([text("hello")]) as stub:
            client = stub.client()

    Args:
        script: Replies in order, a single one, or a function `reply(request)` that chooses.
    """
    return OpenAIStub(script)


async def _send(reply: Reply, request: StubRequest, exchange: HttpExchange) -> None:
    match reply:
        case Answer():
            await asyncio.sleep(reply.delay)
            await _send_answer(reply, request, exchange)
        case HttpError(status, message, retry_after, delay):
            await asyncio.sleep(delay)
            headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
            await exchange.send_json(status, _error_body(status, message), headers)
        case Failure():
            await _send_failure(reply, request, exchange)
        case Hang():
            await exchange.client_gone()
        case Garbage(body, content_type):
            stream = "text/event-stream" if request.streamed else content_type
            content = f"data: {body}\n\n" if request.streamed else body
            await exchange.send(200, content, stream)
        case Disconnect(answer, after):
            if request.streamed:
                await _stream(_events(answer, request), exchange, limit=after)
            exchange.cut()
        case Raise():
            message = "raises() is for ScriptedModel; a server sends error(), hang() or garbage()."
            await exchange.send_json(400, _error_body(400, message))


async def _send_answer(answer: Answer, request: StubRequest, exchange: HttpExchange) -> None:
    if request.streamed:
        await _stream(_events(answer, request), exchange, pause=answer.delta_delay)
        await exchange.end_events()
    elif request.is_chat:
        await exchange.send_json(200, chat_wire.completion(answer, request.body))
    else:
        response = whole_response(answer, request.body, usage_of(answer, request.body))
        await exchange.send(200, _json(response), "application/json")


async def _send_failure(failure: Failure, request: StubRequest, exchange: HttpExchange) -> None:
    body = _error_body(500, failure.message)
    response = started_response(request.body)
    response.status = "failed"
    response.error = ResponseError(code="server_error", message=failure.message)
    if not request.streamed:
        await exchange.send(200, json.dumps(body) if request.is_chat else _json(response), _JSON)
        return
    if request.is_chat:
        event: _NamedEvent = (None, json.dumps(body))
    elif failure.event == "error":
        record = {"type": "error", "code": "server_error", "message": failure.message}
        event = ("error", json.dumps({**record, "param": None, "sequence_number": 0}))
    else:
        whole = response.model_dump(mode="json", exclude_unset=True, warnings=False)
        failed = {"type": failure.event, "sequence_number": 0, "response": whole}
        event = (failure.event, json.dumps(failed))
    await _stream([[event]], exchange)
    await exchange.end_events()


async def _stream(
    events: Iterable[list[_NamedEvent]],
    exchange: HttpExchange,
    *,
    pause: float = 0.0,
    limit: int | None = None,
) -> None:
    """Send events piece by piece, `limit` of them at most."""
    await exchange.start_events()
    sent = 0
    for piece in events:
        for name, data in piece:
            if sent == limit:
                return
            await exchange.send_event(data, name)
            sent += 1
        if pause:
            await asyncio.sleep(pause)


def _events(answer: Answer, request: StubRequest) -> Iterator[list[_NamedEvent]]:
    """Yield an answer as server-sent events, those of one piece together."""
    if request.is_chat:
        for chunk in chat_wire.chunks(answer, request.body):
            yield [(None, json.dumps(chunk))]
        yield [(None, "[DONE]")]
        return
    writer = ResponseWriter(started_response(request.body), new_id)
    for piece in write_answer(answer, writer, usage_of(answer, request.body)):
        yield [(event.type, _json(event)) for event in piece]


def _json(model: Any) -> str:
    content: str = model.model_dump_json(exclude_unset=True, by_alias=True, warnings=False)
    return content


def _error_body(status: int, message: str) -> dict[str, Any]:
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
