"""A small HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

START_TIMEOUT = 10.0
LARGEST_HEAD = 1 << 20

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came in; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes


class HttpExchange:
    """The answering side of one request. Every answer closes the connection.

    So a client may be used from several event loops one after the other: no connection of a
    finished loop is left in its pool.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send_json(
        self, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole JSON body."""
        await self.send(status, json.dumps(body), "application/json", headers)

    async def send(
        self, status: int, body: str, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole body."""
        content = body.encode()
        more = {**(headers or {}), "content-length": str(len(content))}
        self._write_head(status, content_type, more)
        self._writer.write(content)
        await self._writer.drain()

    async def start_events(self) -> None:
        """Begin a stream of server-sent events."""
        self._write_head(200, "text/event-stream", {"transfer-encoding": "chunked"})
        await self._writer.drain()

    async def send_event(self, data: str, event: str | None = None) -> None:
        """Send one server-sent event."""
        line = f"event: {event}\n" if event else ""
        content = f"{line}data: {data}\n\n".encode()
        self._writer.write(b"%x\r\n%s\r\n" % (len(content), content))
        await self._writer.drain()

    async def end_events(self) -> None:
        """End the stream as it should end."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def client_gone(self) -> None:
        """Wait until the client closes the connection."""
        while await self._reader.read(4096):
            pass

    def cut(self) -> None:
        """Close the connection in the middle of whatever it carries."""
        self._writer.transport.abort()

    def _write_head(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        lines = [
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Scripted')}",
            f"content-type: {content_type}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["connection: close", "", ""]
        self._writer.write("\r\n".join(lines).encode("latin-1"))


Answerer: TypeAlias = Callable[[HttpRequest, HttpExchange], Awaitable[None]]


class LoopbackServer:
    """Serves requests on a free port of 127.0.0.1 until it is stopped.

    `answer` is called in the server's own event loop, for many requests at once.
    """

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def start(self) -> None:
        """Start listening; the port is known when this returns."""
        self._thread = threading.Thread(target=self._run, name="openai-stub", daemon=True)
        self._thread.start()
        if not self._listening.wait(START_TIMEOUT) or self._failure:
            raise RuntimeError(
                f"The stub server did not start on 127.0.0.1 ({self._failure!r})."
                " It needs a free port of the loopback interface; check that one can be opened."
            ) from self._failure

    def stop(self) -> None:
        """Stop listening, end what is still being answered, and wait for the thread."""
        if self._loop is None or self._stop is None or self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits in start)
            self._failure = error
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=LARGEST_HEAD, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._answer(await _read_request(reader), HttpExchange(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone; there is nobody to tell
        except asyncio.CancelledError:
            pass  # the server stops; asyncio would log the cancelled connection as an error
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _version = request_line.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return HttpRequest(method, path, headers, content)
