"""The fixtures that protect every test do protect."""

import asyncio
import os
import socket
import threading

import pytest

from tracer import get_current_span, get_current_trace
from tracer.losses import losses

FAR = ("192.0.2.1", 80)


@pytest.fixture(autouse=True)
def forgiven(no_network: None, monkeypatch: pytest.MonkeyPatch):
    """Refusals here are what is tested: they do not fail the test."""
    monkeypatch.setattr(pytest, "fail", lambda reason: None)


def test_refused():
    """A socket does not connect to another machine, nor send there, nor look up its name."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for attempt in (
            lambda: tcp.connect(FAR),
            lambda: tcp.connect_ex(FAR),
            lambda: udp.sendto(b"x", FAR),
            lambda: udp.sendto(b"x", 0, FAR),
            lambda: socket.create_connection(("api.openai.com", 443)),
        ):
            with pytest.raises(ConnectionRefusedError, match="not this machine"):
                attempt()


def test_refused_asyncio():
    """Neither does asyncio."""

    async def main() -> None:
        for host in ("192.0.2.1", "api.openai.com"):
            with pytest.raises(ConnectionRefusedError, match="not this machine"):
                await asyncio.open_connection(host, 443)

    asyncio.run(main())


def test_loopback():
    """This machine is reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=lambda: server.accept()[0].close())
        answering.start()
        socket.create_connection(("localhost", server.getsockname()[1])).close()
        answering.join()
    first, second = socket.socketpair()
    first.close()
    second.close()


def test_clean(tmp_path):
    """The environment holds no key and no setting, and user data stays in the test's folder."""
    assert not [name for name in os.environ if name.endswith("_API_KEY")]
    assert [name for name in os.environ if name.startswith("FLIGHTLOG_")] == ["FLIGHTLOG_HOME"]
    assert os.environ["HOME"] == os.environ["FLIGHTLOG_HOME"] == str(tmp_path)


def test_fresh():
    """Nothing is current and nothing was lost."""
    assert get_current_trace() is get_current_span() is None
    assert losses.totals() == {}
