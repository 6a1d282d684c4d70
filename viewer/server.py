"""The web server that the viewer runs in."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

_PATIENCE = 1  # seconds that requests have to end in once the server is told to stop


class Server(uvicorn.Server):
    """Serves an app of `create_app`, and ends at once however many pages are open.

    `on_ready` is called when the first request can be answered.
    """

    def __init__(self, app: FastAPI, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",  # what is worth telling, we tell: see `problems.Faults`
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=_PATIENCE,
            )
        )
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering; open streams of events end first, as the rest waits for them."""
        self._app.state.live.close()
        await super().shutdown(sockets)
