"""Questions over HTTP: stopped when nobody waits, cancelled by id, attacked in vain."""

import contextlib
import http.client
import json
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from exporters import open_store
from exporters.store import Stop
from viewer import create_app
from viewer.routes.questions import Asked

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1"
DEAF = "SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))"
CORPUS = Path(__file__).parents[1] / "exporters" / "duckdb" / "sql" / "attacks"
ATTACKS = [
    query
    for name in ("statements", "beyond", "large", "memory", "time")
    for query in (CORPUS / f"{name}.sql").read_text(encoding="utf-8").split("\n----\n")[::8]
]


def until(check):
    """Wait for what has to come true."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the store is."""
    return tmp_path_factory.mktemp("questions")


@pytest.fixture(autouse=True)
def one_home(clean_env, place, monkeypatch):
    """The same home in every test: who answers is kept for whoever's environment is the same."""
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("FLIGHTLOG_HOME", str(place))


@pytest.fixture(scope="module")
def viewer(place, static, serve):
    """A viewer of an empty store."""
    store = open_store(place / "traces.duckdb")
    yield serve(create_app(store, static=static))
    store.close()


def ask(viewer, query, **options):
    """The answer to a question."""
    return viewer.client.post("/api/v1/sql", json={"sql": query, **options}, timeout=120)


@pytest.mark.parametrize("query", ATTACKS)
def test_attacks(viewer, place, query):
    """Attacks are problems and write nothing; the next question is answered."""
    for mark in ("evil", "inside", "secret", "folder", "root"):
        query = query.replace(f"{{{mark}}}", str(place / "evil"))
    answer = ask(viewer, query, timeout_ms=300)

    assert (answer.status_code, answer.json()["code"]) == (400, "query_error")
    assert list(place.iterdir()) == []
    assert ask(viewer, "SELECT 1").json()["rows"] == [[1]]


def test_flood(viewer):
    """Pages and quick questions are answered while sixty slow questions are asked."""
    answers = []

    def flood():
        client = httpx.Client(base_url=viewer.url, trust_env=False, timeout=120)
        with client:
            question = {"sql": ENDLESS, "timeout_ms": 5000}
            answers.append(client.post("/api/v1/sql", json=question))

    threads = [threading.Thread(target=flood) for _ in range(60)]
    for thread in threads:
        thread.start()
    assert ask(viewer, "SELECT 1", timeout_ms=30_000).json()["rows"] == [[1]]
    assert viewer.client.get("/api/v1/traces", timeout=120).status_code == 200
    for thread in threads:
        thread.join()

    assert ["stopped after 5 s" in answer.json()["detail"] for answer in answers] == [True] * 60


@pytest.mark.parametrize("query", [ENDLESS, DEAF])
def test_client_goes(viewer, query):
    """A question whose client has gone away is stopped."""
    stops = viewer.app.state.asked
    connection = http.client.HTTPConnection(urlsplit(viewer.url).netloc, timeout=120)
    with contextlib.closing(connection):
        question = json.dumps({"sql": query, "timeout_ms": 60_000, "id": "gone"})
        connection.request("POST", "/api/v1/sql", question, {"content-type": "application/json"})
        until(lambda: "gone" in stops._stops)

    until(lambda: "gone" not in stops._stops)
    assert ask(viewer, "SELECT 1").json()["rows"] == [[1]]


def test_cancel(viewer):
    """A question is cancelled by the id that its client gave it, which is then free again."""
    answers = []

    def endless():
        with httpx.Client(base_url=viewer.url, trust_env=False, timeout=120) as client:
            question = {"sql": ENDLESS, "timeout_ms": 60_000, "id": "q-1"}
            answers.append(client.post("/api/v1/sql", json=question))

    thread = threading.Thread(target=endless)
    thread.start()
    until(lambda: viewer.app.state.asked._stops)
    second = ask(viewer, "SELECT 1", id="q-1")
    cancelled = viewer.client.delete("/api/v1/sql/q-1")
    thread.join()

    assert (second.status_code, second.json()["code"]) == (400, "bad_request")
    assert (cancelled.status_code, cancelled.content) == (204, b"")
    assert (answers[0].status_code, "cancelled" in answers[0].json()["detail"]) == (400, True)
    assert viewer.client.delete("/api/v1/sql/q-1").status_code == 404
    assert ask(viewer, "SELECT 1", id="no id").status_code == 400


def test_known_as():
    """Questions without an id are not known; those with one are until they end."""
    asked, stop, told = Asked(), Stop(), []

    with stop.heard_by(lambda: told.append(1)):
        with asked.known_as(None, stop):
            assert not asked.cancel("x")
        with asked.known_as("x", stop):
            assert asked.cancel("x")
        assert not asked.cancel("x")

    assert told == [1]
