import http.client
import json
import threading
import time
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.store import Column, SqlResult, StoreError
from viewer.app import create_app

SECRET = "secret"
lasting = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def until(condition):
    """Waits for a condition, not for long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_health(client):
    """The server answers, with its version."""
    assert client.get("/api/v1/health").json()["status"] == "ok"


def test_search(client):
    """Filters narrow the list."""
    assert len(client.get("/api/v1/traces").json()["traces"]) == 1
    for query in ("status=ok", "q=nothing", "group=g", "name=other", "status=ok,running"):
        assert client.get(f"/api/v1/traces?{query}").json()["traces"] == []
    assert len(client.get("/api/v1/traces?status=ok,error&q=SUPPORT").json()["traces"]) == 1
    assert len(client.get("/api/v1/traces?q=&group=&cursor=").json()["traces"]) == 1


def test_search_words(client):
    """The filter box takes the words that the command line takes; parameters win over them."""

    def found(**params):
        return len(client.get("/api/v1/traces", params=params).json()["traces"])

    name = client.get("/api/v1/traces/trace_1").json()["name"]
    status = client.get("/api/v1/traces/trace_1").json()["status"]
    assert found(q=f'status:{status} name:"{name}"') == 1
    assert found(q="status:cancelled") == found(q="group:other") == found(q="name:other") == 0
    assert found(q="status:cancelled", status=status) == 1
    assert found(q="name:other", name=name) == 1


@pytest.mark.parametrize("trace_id", ["trace_1", "last"])
def test_trace(client, trace_id):
    """A trace, its skeleton and its spans are found by id, or as the last one."""
    base = f"/api/v1/traces/{trace_id}"

    assert client.get(base).json()["trace_id"] == "trace_1"
    assert client.get(f"{base}/spans").json()["trace_id"] == "trace_1"
    assert client.get(f"{base}/spans/span_tool").json()["span_id"] == "span_tool"


def test_skeleton_has_no_payload(client):
    """The skeleton of a trace never carries what was said."""
    assert "xxxx" not in client.get("/api/v1/traces/trace_1/spans").text


def test_etag(client):
    """A span that ended need not be sent twice; one that runs is always new."""
    path = "/api/v1/traces/trace_1/spans/"
    first = client.get(path + "span_tool")
    again = client.get(
        path + "span_tool", headers={"if-none-match": f'"x", W/{first.headers["etag"]}'}
    )

    assert again.status_code == 304
    assert again.content == b""
    assert "etag" not in client.get(path + "span_lost").headers


def test_large_payload(own_store, static, serve):
    """Megabytes come whole."""
    text = "é" * 2_000_000
    detail = own_store.details["trace_1"][1]
    own_store.details["trace_1"][1] = detail.__class__(
        **{name: getattr(detail, name) for name in detail.__slots__} | {"output": text}
    )
    client = serve(create_app(own_store, static=static)).client

    assert client.get("/api/v1/traces/trace_1/spans/span_tool").json()["output"] == text


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/traces/nope", 404, "not_found"),
        ("/api/v1/traces/nope/spans", 404, "not_found"),
        ("/api/v1/traces/trace_1/spans/nope", 404, "not_found"),
        ("/api/v1/nope", 404, "not_found"),
        ("/api", 404, "not_found"),
        ("/api/v1/traces?limit=x", 400, "bad_request"),
        ("/api/v1/traces?limit=0", 400, "bad_request"),
        ("/api/v1/traces?since_us=99999999999999999999", 400, "bad_request"),
        ("/api/v1/traces?status=eror", 400, "bad_request"),
        ("/api/v1/traces?q=status:eror", 400, "bad_request"),
        ("/api/v1/traces?cursor=rubbish", 400, "bad_request"),
        ("/api/v1/sql", 405, "method_not_allowed"),
    ],
)
def test_problem(client, path, status, code):
    """What goes wrong is told as a problem document, with the value that was wrong."""
    answer = client.get(path)
    body = answer.json()

    assert answer.status_code == status == body["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["code"] == code
    assert body["title"]
    assert body["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"sql": 1}', b'{"sql": "x", "no": 1}', b"[" * 5000, b"\xff"]
)
def test_broken_body(client, body):
    """A body that is no question is refused, not repeated."""
    answer = client.post("/api/v1/sql", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_query_error(client):
    """A broken query says where it is broken."""
    answer = client.post("/api/v1/sql", json={"sql": "selct 1"})

    assert answer.status_code == 400
    assert answer.json()["code"] == "query_error"
    assert answer.json()["position"] == 7


def test_sql(own_store, static, serve):
    """A query gives columns and rows."""
    columns = [Column(name="n", type="BIGINT")]
    own_store.answer = SqlResult(columns=columns, rows=[(1,)], truncated=False, elapsed_ms=0.5)
    client = serve(create_app(own_store, static=static)).client

    assert client.post("/api/v1/sql", json={"sql": "select 1"}).json()["rows"] == [[1]]


def test_store_error(own_store, static, serve):
    """A store that cannot be read is a 503 with its own words."""
    own_store.failing = StoreError("The store '/x' is of format 9. Install a newer flightlog.")
    client = serve(create_app(own_store, static=static)).client
    answer = client.get("/api/v1/traces")

    assert answer.status_code == 503
    assert answer.json()["code"] == "store_error"
    assert "format 9" in answer.json()["detail"]


def test_own_fault(own_store, static, serve, caplog):
    """A fault of ours is logged, told without its inside, and carries the headers too."""
    own_store.failing = RuntimeError("inside")
    client = serve(create_app(own_store, static=static)).client
    answer = client.get("/api/v1/traces")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "inside" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "RuntimeError: inside" in caplog.text


def test_openapi(client):
    """The document lists every route, failures as problems, and no page of another host."""
    document = client.get("/api/v1/openapi.json").json()

    assert set(document["paths"]) == {
        f"/api/v1{path}"
        for path in (
            "/health",
            "/meta",
            "/traces",
            "/traces/{trace_id}",
            "/traces/{trace_id}/spans",
            "/traces/{trace_id}/spans/{span_id}",
            "/sql",
            "/sql/{id}",
            "/events",
        )
    }
    responses = document["paths"]["/api/v1/traces"]["get"]["responses"]
    assert set(responses) == {"200", "400", "401", "503"}
    assert list(responses["400"]["content"]) == ["application/problem+json"]
    assert "text/html" in client.get("/docs").headers["content-type"]  # the page, no document


@pytest.mark.parametrize("path", ["/", "/t/trace_1", "/t/a.b", "/g/x/y", "/index.html", "/docs"])
def test_page(client, path):
    """Every address that is not the API's is the page, asked for anew each time."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert "<title>flightlog" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    assert client.head(path).status_code == 200


def test_assets(client):
    """Hashed files are kept for ever; a missing one is no page."""
    found = client.get("/assets/index-abc123.js")

    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in found.headers["content-type"]
    assert client.get("/assets/index-gone.js").status_code == 404
    assert client.get("/assets/").status_code == 404


def test_no_page(store, tmp_path, serve):
    """Where the page was never built, one says how to build it, and the API works."""
    client = serve(create_app(store, static=tmp_path / "none")).client

    assert client.get("/").status_code == 503
    assert "make frontend" in client.get("/").text
    assert client.get("/assets/x.js").status_code == 404
    assert client.get("/api/v1/health").status_code == 200


def raw_get(served, path):
    """Asks for a path that no client would send."""
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=60)
    try:
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


TRAVERSALS = [
    "/assets/../../secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets/..\\..\\secret.txt",
    "/assets//etc/passwd",
    "/assets/%00",
    "/../secret.txt",
    "/..%2fsecret.txt",
    "//secret.txt",
    "/assets/....//....//secret.txt",
    "/assets/" + "a" * 5000,
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_traversal(served, path):
    """No path leads out of the page's folder."""
    status, text = raw_get(served, path)

    assert status in (200, 400, 404)
    assert text.strip() != SECRET
    assert "root:" not in text


paths = st.lists(
    st.sampled_from(["api", "v1", "traces", "spans", "assets", "events", "sql", "..", "."])
    | st.text(max_size=8),
    max_size=6,
)
words = st.text(max_size=12) | st.integers().map(str) | st.sampled_from(["ok,error", "1e5", "-1"])
queries = st.dictionaries(
    st.sampled_from(["status", "q", "group", "name", "since_us", "until_us", "limit", "cursor"])
    | st.text(max_size=5),
    words,
    max_size=4,
)


@lasting
@given(paths, queries)
def test_any_address(client, parts, query):
    """No address makes the server fail, and all but the API's are the page."""
    encoded = "/".join(quote(part, safe="", errors="replace") for part in parts)
    path = "/" + encoded.lstrip("/")
    if path == "/api/v1/events":
        return
    answer = client.get(httpx.URL(path, params=httpx.QueryParams(query)))

    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.text)["status"] == answer.status_code


@lasting
@given(queries)
def test_any_search(client, query):
    """No search makes the server fail."""
    answer = client.get("/api/v1/traces", params=httpx.QueryParams(query))

    assert answer.status_code in (200, 400)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@lasting
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sql": json_values,
            "params": json_values,
            "limit": json_values,
            "timeout_ms": json_values,
        },
    )
    | json_values
)
def test_any_question(client, body):
    """No body makes the server fail."""
    answer = client.post("/api/v1/sql", json=body)

    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_request", "query_error")


def events(lines):
    """The events of a stream, each as its fields."""
    fields = {}
    for line in lines:
        if line:
            key, _, value = line.partition(": ")
            fields[key] = value
        elif fields:
            yield fields
            fields = {}


def test_events(own_store, static, serve):
    """A browser that listens hears of a change, and the looking ends when it leaves."""
    served = serve(create_app(own_store, static=static))
    with served.client.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        incoming = events(answer.iter_lines())
        assert next(incoming)["event"] == "ping"
        own_store.put(own_store.get("trace_1"))
        change = next(incoming)

    assert change["event"] == "change"
    assert json.loads(change["data"]) == {"trace_ids": ["trace_1"]}
    until(lambda: not served.app.state.live.watching)


def test_events_resume(own_store, static, serve):
    """A browser that comes back sends the id it had, and gets what it missed."""
    client = serve(create_app(own_store, static=static)).client
    with client.stream("GET", "/api/v1/events", headers={"last-event-id": "0"}) as answer:
        incoming = events(answer.iter_lines())
        next(incoming)
        assert next(incoming)["event"] == "change"


def test_shutdown(own_store, static, serve):
    """A server that is told to stop ends its streams itself, however many listen."""
    served = serve(create_app(own_store, static=static))
    greeted, ended = threading.Barrier(6), threading.Barrier(6)

    def listen():
        with httpx.stream(
            "GET", served.url + "/api/v1/events", trust_env=False, timeout=60
        ) as answer:
            incoming = events(answer.iter_lines())
            next(incoming)
            greeted.wait(60)
            assert list(incoming) == []
        ended.wait(60)

    for _ in range(5):
        threading.Thread(target=listen, daemon=True).start()
    greeted.wait(60)
    served.stop()
    ended.wait(60)

    assert not served.thread.is_alive()
