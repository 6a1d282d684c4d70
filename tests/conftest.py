"""What protects every test: a clean environment, no network, a fresh tracer."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from exporters.duckdb.recording import journal
from tracer import context, setup
from tracer.deliveries import deliveries
from tracer.losses import losses

_SCRUBBED_PREFIXES = ("FLIGHTLOG_", "OPENAI_", "OTEL_", "XDG_")
_SCRUBBED_SUFFIXES = ("_API_KEY", "_PROXY", "_proxy")

# A busy machine makes an honest example slow, so none has a deadline of its own.
settings.register_profile("flightlog", deadline=None)
settings.load_profile("flightlog")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--torture` runs the long forms of the tests that kill, race and fill disks."""
    parser.addoption("--torture", action="store_true", help="run long tests in full")


@pytest.fixture(scope="session")
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether long tests run in full; else in a form of some seconds."""
    return bool(request.config.getoption("--torture"))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Ctrl-C is heeded, also where a shell started the tests in the background, which ignores it.

    What is ignored here would be ignored by every process that a test starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment says nothing about us, and user data lands in the test's own folder."""
    for name in list(os.environ):
        if name.startswith(_SCRUBBED_PREFIXES) or name.endswith(_SCRUBBED_SUFFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLIGHTLOG_HOME", str(tmp_path))


@pytest.fixture(autouse=True)
def fresh_tracer(clean_env: None) -> Iterator[None]:
    """Each test has a default provider of its own, nothing current, and no losses."""
    before = setup._provider
    token = context.put(None)
    setup._provider = None
    losses.reset()
    deliveries.reset()
    yield
    used, setup._provider = setup._provider, before
    if used is not None:
        used.shutdown()
    losses.reset()
    deliveries.reset()
    context.undo(token)


@pytest.fixture(autouse=True)
def nobody_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a recorder here ends, nobody makes the catalog or compacts beside the test.

    They would be at work in its store at some moment or other, for a second and more. Programs
    that a test starts have them, and so has a test that starts them itself.
    """
    monkeypatch.setattr(journal, "start_helper", lambda layout: False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sockets reach this machine only; who tries further is refused, and the test fails."""
    tried: list[str] = []
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), tried))
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_far(host, tried)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    if tried:
        pytest.fail(f"The test tried to reach {tried[0]!r}; tests reach this machine only.")


def _guarded(method: Callable[..., Any], tried: list[str]) -> Callable[..., Any]:
    """The socket method, which refuses an address on another machine."""

    def call(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if args else None
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            _refuse_far(address[0], tried)
        return method(self, *args)

    return call


def _refuse_far(host: Any, tried: list[str]) -> None:
    if not _near(host):
        tried.append(str(host))
        raise ConnectionRefusedError(f"{host!r} is not this machine; tests reach no other.")


def _near(host: Any) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost", "testserver"):
        return True
    try:
        address = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
