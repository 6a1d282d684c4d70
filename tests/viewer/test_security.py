import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.app import create_app
from viewer.security import host_allowed, host_name, is_loopback

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@pytest.mark.parametrize(
    "path", ["/", "/t/trace_1", "/assets/no.js", "/api/v1/meta", "/api/v1/no", "/api/v1/traces/no"]
)
def test_headers(client, path):
    """Every answer carries the policy, failures included, and names no other host."""
    answer = client.get(path)

    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4780", "", "a b", "127.0.0.1.evil"])
def test_rebinding(client, host):
    """A name that somebody pointed at this machine is refused, for pages and data."""
    for path in ("/", "/api/v1/traces", "/api/v1/events"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code in (400, 403)
        assert "trace_1" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:4780"])
def test_own_names(client, host):
    """Localhost and addresses are answered."""
    assert client.get("/api/v1/health", headers={"host": host}).status_code == 200


def test_allowed_host(store, static, serve):
    """A name that was allowed is answered, others still are not."""
    client = serve(create_app(store, static=static, allowed_hosts=["Box.local"])).client

    assert client.get("/api/v1/health", headers={"host": "box.local:80"}).status_code == 200
    assert client.get("/api/v1/health", headers={"host": "box.lan"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_foreign_origin(client, headers):
    """A page of another site cannot ask in SQL."""
    answer = client.post("/api/v1/sql", json={"sql": "select 1"}, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["code"] == "origin_refused"


def test_own_origin(served, client):
    """The viewer's own pages, and programs, can."""
    headers = {"origin": served.url, "sec-fetch-site": "same-origin"}

    assert client.post("/api/v1/sql", json={"sql": "x"}, headers=headers).status_code == 400
    assert client.post("/api/v1/sql", json={"sql": "x"}).status_code == 400


MOST = 1024 * 1024


def chunks(size):
    """A body of `size` bytes, sent in pieces without a word of its length."""
    while size > 0:
        yield b"x" * min(size, 65536)
        size -= 65536


@pytest.mark.parametrize("path", ["/api/v1/sql", "/api/v1/no", "/"])
def test_large_body(client, path):
    """A body that says it is over a mebibyte is refused, wherever it is sent."""
    answer = client.post(path, content=b"x" * (MOST + 1))

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.json()["code"] == "too_large"


def test_large_body_unread(served):
    """It is refused by its announced length: no byte of it has to come."""
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        connection.sendall(
            b"POST /api/v1/sql HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 300000000\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_large_chunks(client):
    """A body that does not say how long it is is counted as it comes."""
    answer = client.post("/api/v1/sql", content=chunks(MOST + 1))

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_longest_body(client):
    """A body of a mebibyte is read, with its length or without."""
    for content in (b"x" * MOST, chunks(MOST)):
        answer = client.post("/api/v1/sql", content=content)
        assert answer.status_code == 400


@pytest.fixture(scope="module")
def secured(store, static, serve):
    """A viewer that asks for a token."""
    return serve(create_app(store, static=static, token="s3cret"))


@pytest.fixture
def guarded(secured):
    """The same, asked by somebody who was never there."""
    secured.client.cookies.clear()
    return secured


@pytest.mark.parametrize("path", ["/", "/t/trace_1", "/api/v1/traces", "/api/v1/health"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no"}, {"cookie": "a=b"}])
def test_no_token(guarded, path, headers):
    """Without the token nothing is told, not even a page."""
    answer = guarded.client.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer s3cret"}, {"x-flightlog-token": "s3cret"}]
)
def test_token_header(guarded, headers):
    """A program sends the token in a header."""
    assert guarded.client.get("/api/v1/traces", headers=headers).status_code == 200


def test_token_once(guarded):
    """A browser brings the token in the address once, then has a cookie and a clean address."""
    first = guarded.client.get("/t/trace_1?view=x&token=s3cret")

    assert first.status_code == 303
    assert first.headers["location"] == "/t/trace_1?view=x"
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "s3cret" not in cookie
    assert guarded.client.get("/t/trace_1").status_code == 200
    assert guarded.client.get("/api/v1/traces").status_code == 200


def test_no_open_redirect(guarded):
    """The way back after the token leads to this viewer only."""
    answer = guarded.client.get(httpx.URL(guarded.url + "//evil.example/?token=s3cret"))

    assert answer.headers["location"] == "/evil.example/"


def test_is_loopback():
    """Only addresses of this machine go without a token."""
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.2", "example.org", ""]))


@given(st.text() | st.from_regex(r"\[?[0-9a-f:.]{0,40}\]?(:\d+)?", fullmatch=True))
def test_any_host(authority):
    """Whatever a Host says, there is an answer; what has no name has none of ours."""
    if host_name(authority) is None:
        assert not host_allowed(authority, {"*"})
    else:
        assert host_allowed(authority, {"*"})
