"""Real input that is not ours: programs of `openai-agents`, recorded by one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporters import open_store
from exporters.search import preview
from exporters.store import SpanDetail, TraceQuery, TraceStore

PROGRAM = Path(__file__).with_name("program.py")


@pytest.fixture
def flown(tmp_path: Path) -> tuple[list[dict[str, Any]], TraceStore]:
    """What the peer said of its spans, and the store they were recorded to."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), open_store()


def test_every_span_is_recorded(flown: tuple[list[dict[str, Any]], TraceStore]) -> None:
    """Every span of the peer is in the store, under its ids, with its times, error and payload."""
    said, store = flown
    traces = store.search(TraceQuery()).traces

    assert len(said) >= 25
    assert sum(trace.span_count for trace in traces) == len(said)
    for span in said:
        detail = store.span(span["trace_id"], span["id"])
        assert detail.row.parent_id == span["parent_id"]
        assert detail.row.type == span["type"]
        assert (detail.row.end_ns or 0) >= detail.row.start_ns
        assert detail.error == span["error"]
        check_payload(detail, span)


def check_payload(detail: SpanDetail, span: dict[str, Any]) -> None:
    """The store's payload equals what the peer's span held."""
    data = span["span_data"]
    if span["type"] == "response" and "response" in span:
        response = span["response"]
        assert detail.input == span["input"]
        assert detail.output == response["output"]
        assert detail.usage == response["usage"]
        assert detail.data["response_id"] == response["id"]
        assert detail.data["tools"] == response["tools"]
    elif span["type"] == "generation":
        assert detail.input == data["input"]
        assert detail.output == data["output"]
        assert detail.row.model == data["model"]
        assert detail.usage == data["usage"]
        assert detail.data["model_config"] == data["model_config"]
    elif span["type"] == "function":
        assert detail.row.name == data["name"]
        assert detail.input == data["input"]
        assert str(detail.output) == str(data["output"])
    elif span["type"] == "guardrail":
        assert detail.data["triggered"] == data["triggered"]
    elif span["type"] == "handoff":
        assert (detail.data["from_agent"], detail.data["to_agent"]) == (
            data["from_agent"],
            data["to_agent"],
        )
    elif span["type"] == "agent":
        assert detail.row.name == data["name"]
        assert detail.data["tool_names"] == data["tools"]
    elif span["type"] in ("task", "turn"):
        inner = {key: value for key, value in data["data"].items() if key != "sdk_span_type"}
        kept = {**detail.data, "name": detail.row.name, "usage": detail.usage}
        assert all(kept[key] == value for key, value in inner.items() if key in kept)


def test_traces_of_the_peer(flown: tuple[list[dict[str, Any]], TraceStore]) -> None:
    """Names, groups, metadata and statuses are those of the peer's runs."""
    traces = sorted(flown[1].search(TraceQuery()).traces, key=lambda trace: trace.start_ns)

    assert [trace.status for trace in traces] == ["ok", "blocked", "ok", "ok"]
    assert (traces[0].name, traces[0].group_id) == ("Peer workflow", "peer-group")
    assert traces[0].metadata == {"user": "u_1"}
    assert traces[0].handled_errors == 1
    assert traces[1].first_cause is not None
    assert traces[1].first_cause.type == "guardrail"


def test_same_in_sql(flown: tuple[list[dict[str, Any]], TraceStore]) -> None:
    """What the peer's runs were asked and answered is in SQL what it is in the list."""
    _, store = flown
    listed = {row.trace_id: (row.input, row.output) for row in store.search(TraceQuery()).traces}
    rows = store.sql("SELECT trace_id, input, output FROM traces", timeout=60).rows

    said = {key: tuple(each and preview(json.loads(each)) for each in pair) for key, *pair in rows}
    assert said == listed
    assert "How warm is Oslo?" in {question for question, _ in listed.values()}
