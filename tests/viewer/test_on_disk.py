"""The viewer over the store that it is made for, with traces that a real program recorded."""

from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters import open_store
from viewer import create_app, shapes

lasting = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


@pytest.fixture(scope="module")
def api(recorded, static, serve):
    """A client of a viewer of that store."""
    store = open_store(recorded.store)
    client = serve(create_app(store, static=static)).client
    yield client
    store.close()


def test_list(api, recorded):
    """The list has every trace, newest first, in the shape that is published."""
    page = shapes.TraceList.model_validate(api.get("/api/v1/traces").json())
    meta = shapes.Meta.model_validate(api.get("/api/v1/meta").json())

    assert [trace.status for trace in page.traces] == ["error", "ok", "ok"]
    assert page.traces[0].first_cause.name == "pay"
    assert meta.counts.traces == 3
    assert meta.store.path == str(recorded.store)


def test_pages(api):
    """Pages follow each other until none is left."""
    names, cursor = [], ""
    while cursor is not None:
        page = api.get("/api/v1/traces", params={"limit": 1, "cursor": cursor}).json()
        names += [trace["name"].split()[0] for trace in page["traces"]]
        cursor = page["next_cursor"]

    assert names == ["refund", "quiet", "support"]


def test_spans(api):
    """Every span of the skeleton can be had whole."""
    trace_id = api.get("/api/v1/traces?name=support").json()["traces"][0]["trace_id"]
    skeleton = shapes.Skeleton.model_validate(api.get(f"/api/v1/traces/{trace_id}/spans").json())
    assert skeleton.columns.name == ["triage", "lookup"]
    assert skeleton.columns.parent == [-1, 0]
    for span_id in skeleton.columns.span_id:
        answer = api.get(f"/api/v1/traces/{trace_id}/spans/{span_id}")
        span = shapes.Span.model_validate(answer.json())

    assert span.output == "shipped"
    assert api.get("/api/v1/traces/last/spans/nope").status_code == 404


def test_sql(api):
    """A query is answered, with values that need care made fit for JSON."""
    query = "SELECT $1 AS a, 9007199254740993 AS b, 'nan'::DOUBLE AS c, now() AS d, 1.5 AS e"
    answer = shapes.SqlAnswer.model_validate(
        api.post("/api/v1/sql", json={"sql": query, "params": ["x"]}).json()
    )

    assert [column.name for column in answer.columns] == ["a", "b", "c", "d", "e"]
    assert answer.rows[0][:3] == ["x", "9007199254740993", None]
    assert answer.rows[0][4] == 1.5


words = st.text(max_size=12) | st.integers().map(str) | st.sampled_from(["ok,error", "1~x", "-1"])
queries = st.dictionaries(
    st.sampled_from(["status", "q", "group", "name", "since_us", "until_us", "limit", "cursor"]),
    words,
    max_size=4,
)


@lasting
@given(queries)
def test_any_search(api, query):
    """No search makes the server or the store fail."""
    answer = api.get("/api/v1/traces", params=httpx.QueryParams(query))

    assert answer.status_code in (200, 400)


@lasting
@given(st.text(min_size=1, max_size=12).filter(lambda text: text.strip(".")))
def test_any_id(api, text):
    """No id makes the server or the store fail."""
    name = quote(text, safe="")

    assert api.get(f"/api/v1/traces/{name}/spans").status_code in (200, 400, 404)
    assert api.get(f"/api/v1/traces/last/spans/{name}").status_code in (200, 400, 404)


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


@lasting
@given(
    st.sampled_from(["SELECT $1", "SELECT * FROM traces WHERE name = $1", "SELECT $a", "SELECT 1"])
    | st.text(max_size=20),
    st.lists(values | st.lists(values), max_size=2)
    | st.dictionaries(st.sampled_from("ab"), values, max_size=2),
)
def test_any_question(api, query, params):
    """No question makes the server or the store fail."""
    answer = api.post("/api/v1/sql", json={"sql": query, "params": params})

    assert answer.status_code in (200, 400)
