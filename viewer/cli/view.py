"""`flightlog view`."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser

from exporters.store import TraceStore
from viewer.app import create_app
from viewer.cli.opening import opened, store_path
from viewer.cli.ports import USUAL, ViewerRunsError, address, listen
from viewer.cli.terminal import say, terminal
from viewer.cli.upkeep import compacting
from viewer.cli.usage import whole_number
from viewer.security import is_loopback
from viewer.server import Server

EXAMPLE = "flightlog view --port 8080 --no-browser"
_PATIENCE = 0.2  # seconds that threads have to end in once the server has
_CONSOLE_BROWSERS = frozenset({"www-browser", "links", "elinks", "lynx", "w3m"})


def add_arguments(parser: argparse.ArgumentParser, /) -> None:
    """What `view` takes."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to answer at; any but loopback asks visitors for a token "
        "(default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        metavar="N",
        help=f"port to answer at, 0 for any (default: {USUAL}, or the next that is free)",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name to be asked for by, beside localhost and addresses",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    browser = not args.no_browser
    with opened(args, new=True) as store:
        try:
            listener = listen(args.host, args.port, store=store.info().path)
        except ViewerRunsError as running:
            say("A viewer of this store is running already:")
            _announce(running.address, browser=browser)
            return 0
        with listener, compacting(store_path(args)):
            _serve(store, listener, args)
        _leave_at_once_if_busy()
    return 0


def _serve(store: TraceStore, listener: socket.socket, args: argparse.Namespace) -> None:
    token = None if is_loopback(args.host) else secrets.token_urlsafe(24)
    names = [] if token is None else [args.host, socket.gethostname()]
    app = create_app(store, token=token, allowed_hosts=[*names, *args.allow_host])
    place = address(args.host, listener.getsockname()[1], token=token)

    def ready() -> None:
        _announce(place, browser=not args.no_browser)
        say("Ctrl-C stops it.")

    # Ctrl-C is how the viewer is meant to end, so it is no failure.
    with contextlib.suppress(KeyboardInterrupt):
        Server(app, on_ready=ready).run(sockets=[listener])


def _leave_at_once_if_busy() -> None:
    """Ends the process where a question still runs that nobody waits for any more.

    The interpreter would wait for its thread; as the viewer only reads, there is nothing to lose.
    """
    deadline = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                sys.stdout.flush()
                os._exit(0)


def _announce(place: str, *, browser: bool) -> None:
    print(place, flush=True)
    if browser and terminal().width is not None and _has_desktop():
        # The thread is there because some browsers stay until their window is closed.
        threading.Thread(target=webbrowser.open, args=(place,), daemon=True).start()


def _has_desktop() -> bool:
    """Whether a browser with windows can be had: one in the terminal would take it over."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    return getattr(browser, "name", "") not in _CONSOLE_BROWSERS
