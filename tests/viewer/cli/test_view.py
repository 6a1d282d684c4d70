import http.client
import json
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from viewer.cli import ports
from viewer.cli.ports import ViewerRunsError, address, listen
from viewer.cli.usage import CommandError


def get(url):
    """Status and text of an address."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@contextmanager
def viewing(environ, *words):
    """A viewer that runs, and its address; it is ended after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "viewer", "view", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert select.select([process.stdout], [], [], 60)[0]
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_view(recorded_environment):
    """The viewer prints its address and nothing else, answers there, and ends on Ctrl-C."""
    with viewing(recorded_environment, "--port", "0") as (process, url):
        status, text = get(url + "api/v1/traces")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert status == 200
    assert len(json.loads(text)["traces"]) == 3
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stops_with_pages_open(recorded_environment, stop):
    """Open pages do not hold up the end: their streams end first."""
    with viewing(recorded_environment, "--port", "0") as (process, url):
        streams = [urllib.request.urlopen(url + "api/v1/events", timeout=60) for _ in range(3)]
        for stream in streams:
            assert stream.readline().startswith(b"retry")
        process.send_signal(stop)
        process.wait(60)
        for stream in streams:
            stream.read()
            stream.close()

    assert process.returncode in (0, -signal.SIGTERM)


def test_running_query(recorded_environment):
    """A question that still runs does not hold up the end, and is told that it did not finish."""
    query = "SELECT count(*) FROM range(100000000000) a, range(1000000)"
    question = json.dumps({"sql": query, "timeout_ms": 60_000})
    with viewing(recorded_environment, "--port", "0") as (process, url):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        connection.request("POST", "/api/v1/sql", question, {"content-type": "application/json"})
        assert get(url + "api/v1/traces")[0] == 200
        process.send_signal(signal.SIGINT)
        answer = connection.getresponse()
        code = json.loads(answer.read())["code"]
        connection.close()
        process.wait(60)
        errors = process.stderr.read()

    assert (answer.status, code) == (503, "stopping")
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_port_in_use(flightlog):
    """A port that somebody has is one message with what to do, and 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = flightlog("view", "--port", str(port))

    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {port} of '127.0.0.1' is in use" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "x" * 300])
def test_wrong_host(flightlog, host):
    """A host that is none of this machine's is one message, and 1."""
    done = flightlog("view", "--port", "0", "--host", host)

    assert (done.returncode, done.stdout) == (1, "")
    assert "--host" in done.stderr
    assert "Traceback" not in done.stderr


def test_token(recorded_environment):
    """Open to the network, the viewer asks for the token that its address has."""
    with viewing(recorded_environment, "--host", "0.0.0.0", "--port", "0") as (_, url):
        parts = urlsplit(url)
        here = f"http://127.0.0.1:{parts.port}/"

        assert get(here)[0] == 401
        assert get(f"{here}api/v1/traces")[0] == 401
        assert get(f"{here}?{parts.query}")[0] == 303


@pytest.fixture
def usual(monkeypatch):
    """A usual port that is free, as the real one may be somebody's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr(ports, "USUAL", port)
    return port


def test_usual_port(usual):
    """The usual port is taken when it is free, else the next that is."""
    with listen("127.0.0.1", None, store="s") as first, listen("127.0.0.1", None, store="s") as two:
        assert first.getsockname()[1] == usual
        assert usual < two.getsockname()[1] < usual + 20


def test_same_store(recorded, recorded_environment, usual):
    """Where a viewer of the same store answers at the usual port, it is the one to open."""
    with viewing(recorded_environment, "--port", str(usual)) as (_, url):
        with pytest.raises(ViewerRunsError) as running:
            listen("127.0.0.1", None, store=str(recorded.store))
        with listen("127.0.0.1", None, store="/another") as other:
            assert other.getsockname()[1] != usual

    assert running.value.address == url


def test_no_port_left(usual, monkeypatch):
    """Twenty taken ports are enough of looking."""
    monkeypatch.setattr(ports, "_TRIED", 1)
    with listen("127.0.0.1", None, store="s"), pytest.raises(CommandError, match="--port 0"):
        listen("127.0.0.1", None, store="s")


def test_address():
    """The address can be opened: a host for all is this machine's name, IPv6 has brackets."""
    assert address("127.0.0.1", 1) == "http://127.0.0.1:1/"
    assert address("::1", 1) == "http://[::1]:1/"
    assert address("0.0.0.0", 1, token="t") == f"http://{socket.gethostname()}:1/?token=t"
