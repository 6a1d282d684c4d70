"""The port that the viewer answers at."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from typing import Any

from tracer.version import __version__
from viewer.cli.usage import CommandError

USUAL = 4780
_TRIED = 20
_PATIENCE = 0.5  # seconds that whoever has the port gets to say who it is


class PortInUseError(CommandError):
    """Somebody else answers at the port."""


class ViewerRunsError(Exception):
    """A viewer of the same store and version answers at `address` already."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


def listen(host: str, port: int | None, *, store: str) -> socket.socket:
    """A socket at the port that was asked for; else at the usual one, or the next free one.

    Raises:
        CommandError: If there is none.
        ViewerRunsError: If no port was asked for and a viewer of this store runs.
    """
    if port is not None:
        return _bind(host, port)
    for candidate in range(USUAL, USUAL + _TRIED):
        try:
            return _bind(host, candidate)
        except PortInUseError:
            if _is_viewer_of(store, host, candidate):
                raise ViewerRunsError(address(host, candidate)) from None
    raise PortInUseError(
        f"The ports {USUAL} to {USUAL + _TRIED - 1} of {host!r} are all in use. The viewer needs "
        f"a port of its own. Name a free one with --port N, or take any with --port 0."
    )


def address(host: str, port: int, *, token: str | None = None) -> str:
    """What to open in a browser."""
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"The host {host!r} cannot be found ({error}). It has to be an address or a name of "
            f"this machine. Leave --host out to answer at this machine only."
        ) from None
    family, kind, protocol, _, place = found[0]
    # With the protocol, else asyncio leaves Nagle's algorithm on: 40 ms an answer.
    listener = socket.socket(family, kind, protocol)
    try:
        # Else the port of a viewer that just ended is refused for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _refused(error, host, port) from None
    return listener


def _refused(error: OSError, host: str, port: int) -> CommandError:
    match error.errno:
        case errno.EADDRINUSE:
            return PortInUseError(
                f"Port {port} of {host!r} is in use. The viewer needs a port of its own. Name "
                f"another with --port N, take any with --port 0, or stop who has it."
            )
        case errno.EACCES:
            return CommandError(
                f"Port {port} of {host!r} may not be used by you. Ports below 1024 belong to the "
                f"system. Name one above with --port N."
            )
        case _:
            return CommandError(
                f"Nothing can answer at {host!r}, port {port} ({error.strerror}). The host has to "
                f"be an address of this machine. Leave --host out to answer at this machine only."
            )


def _is_viewer_of(store: str, host: str, port: int) -> bool:
    found = _meta(host, port)
    place = found.get("store")
    return (
        found.get("version") == __version__
        and isinstance(place, dict)
        and place.get("path") == store
    )


def _meta(host: str, port: int) -> dict[str, Any]:
    """What a viewer says of itself; nothing if it is none, or keeps it to itself."""
    connection = http.client.HTTPConnection(host or "127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/api/v1/meta")
        found = json.loads(connection.getresponse().read(100_000))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
