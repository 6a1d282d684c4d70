"""A store in memory, and a real server on loopback to ask."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from exporters.store import (
    Changes,
    FirstCause,
    NotFoundError,
    QueryError,
    SpanDetail,
    SpanRow,
    SqlResult,
    Stop,
    StoreError,
    StoreInfo,
    TracePage,
    TraceQuery,
    TraceRow,
)
from viewer.app import create_app
from viewer.server import Server

PROGRAM = """
import tracer

with tracer.trace("support", group_id="chat", metadata={"user": "u1"}):
    with tracer.agent_span("triage"):
        with tracer.function_span("lookup", input='{"order": 7}') as span:
            span.span_data.output = "shipped"
with tracer.trace("quiet"):
    with tracer.custom_span("work", {"a": 1}):
        pass
try:
    with tracer.trace("refund \\x1b]0;owned\\x07"):
        with tracer.custom_span("pay"):
            raise RuntimeError("card was declined\\nby the bank \\x1b[31m")
except RuntimeError:
    pass
"""

START = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


class ScriptedStore:
    """A store that holds what a test puts in, and counts how often it is followed."""

    def __init__(self) -> None:
        self.traces: dict[str, TraceRow] = {}
        self.details: dict[str, list[SpanDetail]] = {}
        self.changed: list[str] = []
        self.follows = 0
        self.failing: Exception | None = None
        self.answer: SqlResult | None = None
        self._lock = threading.Lock()

    def put(self, trace: TraceRow, *details: SpanDetail) -> None:
        """Record a trace with its spans; a change to all who follow."""
        with self._lock:
            self.traces[trace.trace_id] = trace
            self.details[trace.trace_id] = list(details)
            self.changed.append(trace.trace_id)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing

    def info(self) -> StoreInfo:
        self._check()
        return StoreInfo(
            path="/data/traces.duckdb",
            size_bytes=12,
            schema=1,
            trace_count=len(self.traces),
            span_count=sum(map(len, self.details.values())),
            losses={"queue_full": 3},
        )

    def search(self, query: TraceQuery, /) -> TracePage:
        self._check()
        if query.cursor is not None and not query.cursor.isdigit():
            raise StoreError(f"The cursor {query.cursor!r} is none of a page.")
        rows = sorted(self.traces.values(), key=lambda row: -row.start_ns)
        rows = [row for row in rows if not query.status or row.status in query.status]
        rows = [row for row in rows if query.name in (None, row.name)]
        rows = [row for row in rows if query.group_id in (None, row.group_id)]
        wanted = (query.text or "").lower()
        rows = [row for row in rows if wanted in f"{row.name} {row.trace_id} {row.input}".lower()]
        start = int(query.cursor or 0)
        end = start + query.limit
        return TracePage(traces=rows[start:end], next_cursor=str(end) if end < len(rows) else None)

    def get(self, trace_id: str, /) -> TraceRow:
        self._check()
        if trace_id == "last" and self.traces:
            return max(self.traces.values(), key=lambda row: row.start_ns)
        if trace_id not in self.traces:
            raise NotFoundError(f"No trace has the id {trace_id!r}. List them: flightlog list")
        return self.traces[trace_id]

    def spans(self, trace_id: str, /) -> Sequence[SpanRow]:
        self.get(trace_id)
        return [detail.row for detail in self.details[trace_id]]

    def span(self, trace_id: str, span_id: str, /) -> SpanDetail:
        self.get(trace_id)
        for detail in self.details[trace_id]:
            if detail.row.span_id == span_id:
                return detail
        raise NotFoundError(f"No span has the id {span_id!r}.")

    def sql(
        self,
        query: str,
        /,
        *,
        params: Sequence[Any] | Mapping[str, Any] = (),
        limit: int = 1000,
        timeout: float = 10.0,
        stop: Stop | None = None,
    ) -> SqlResult:
        self._check()
        if self.answer is None or "select" not in query.lower():
            raise QueryError(f"The query is broken: {query[:20]!r}", position=7)
        return self.answer

    def follow(self, cursor: str | None, /) -> Changes:
        self.follows += 1
        self._check()
        with self._lock:
            end = len(self.changed)
            if cursor is None:
                return Changes(cursor=str(end), trace_ids=())
            if not cursor.isdigit():
                raise StoreError(f"The cursor {cursor!r} is not of this store.")
            ids = list(dict.fromkeys(self.changed[int(cursor) :]))
            return Changes(cursor=str(end), trace_ids=ids)

    def close(self) -> None:
        pass


def trace_row(trace_id: str, **changes: Any) -> TraceRow:
    """A trace that went well."""
    row = TraceRow(
        trace_id=trace_id,
        name="support",
        status="ok",
        start_ns=START,
        end_ns=START + 2 * SECOND,
        duration_ms=2000.0,
        span_count=1,
        error_count=0,
        handled_errors=0,
    )
    return replace(row, **changes)


def span_detail(span_id: str, trace_id: str = "trace_1", **changes: Any) -> SpanDetail:
    """A span; names of a row's fields go to the row, the others to the detail."""
    row = SpanRow(
        span_id=span_id,
        parent_id=None,
        name=span_id,
        type="custom",
        status="ok",
        start_ns=START,
        end_ns=START + SECOND,
    )
    detail = SpanDetail(
        row=row,
        trace_id=trace_id,
        trace_name="support",
        input=None,
        output=None,
        error=None,
        usage=None,
        data={},
        attributes={},
    )
    rest = {key: value for key, value in changes.items() if hasattr(detail, key)}
    of_row = {key: value for key, value in changes.items() if key not in rest}
    if rest.get("error"):
        of_row["error"] = rest["error"]["message"]
    return replace(detail, row=replace(row, **of_row), **rest)


def filled_store() -> ScriptedStore:
    """A store with one failed trace of an agent, its tool and a lost parent."""
    store = ScriptedStore()
    cause = FirstCause(span_id="span_tool", name="lookup", type="function", message="no such order")
    store.put(
        trace_row(
            "trace_1",
            status="error",
            span_count=3,
            error_count=1,
            first_cause=cause,
            input="Where is my order?",
            metadata={"user": "u1"},
            models=("gpt-5",),
            input_tokens=1200,
            output_tokens=34,
        ),
        span_detail("span_agent", type="agent", name="triage"),
        span_detail(
            "span_tool",
            type="function",
            name="lookup",
            parent_id="span_agent",
            start_ns=START + 1000,
            status="error",
            error={"message": "no such order", "data": {"stack": "Traceback …"}},
            input={"order": 7, "ratio": float("nan")},
            output="x" * 100,
            attributes={"key": "value"},
        ),
        span_detail("span_lost", parent_id="span_gone", start_ns=START + 2000, end_ns=None),
    )
    return store


@pytest.fixture(scope="module")
def store() -> ScriptedStore:
    """A filled store that a module's tests share, so none changes it."""
    return filled_store()


@pytest.fixture
def own_store() -> ScriptedStore:
    """A filled store for a test that changes it."""
    return filled_store()


@dataclass(frozen=True)
class Served:
    """A server that runs, and a client of it."""

    app: FastAPI
    server: Server
    url: str
    client: httpx.Client
    thread: threading.Thread

    def stop(self) -> None:
        """End it as a signal would."""
        self.server.should_exit = True
        self.thread.join(60)


Serve = Callable[[FastAPI], Served]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Starts real servers, and ends them after the module's tests."""
    with contextlib.ExitStack() as stack:

        def start(app: FastAPI) -> Served:
            # Named as TCP, else asyncio leaves Nagle's algorithm on: 40 ms an answer.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            ready = threading.Event()
            server = Server(app, on_ready=ready.set)
            thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
            thread.start()
            assert ready.wait(60)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            client = stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=60))
            served = Served(app, server, url, client, thread)
            stack.callback(served.stop)
            return served

        yield start


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page, with a secret beside its folder."""
    place = tmp_path_factory.mktemp("page")
    folder = place / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>flightlog</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {};")
    (place / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def served(store: ScriptedStore, static: Path, serve: Serve) -> Served:
    """The viewer of the store."""
    return serve(create_app(store, static=static))


@pytest.fixture(scope="module")
def client(served: Served) -> httpx.Client:
    """A client of the viewer."""
    return served.client


@dataclass(frozen=True)
class Recorded:
    """A folder of user data with a store in it."""

    home: Path

    @property
    def store(self) -> Path:
        """The store's catalog file."""
        return self.home / "traces.duckdb"

    def environ(self, home: Path | None = None, **changes: str) -> dict[str, str]:
        """The environment of a process that finds this folder, or another, and no other."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FLIGHTLOG_")}
        place = str(home or self.home)
        return kept | {"FLIGHTLOG_HOME": place, "HOME": place} | changes


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A store with three traces: one that went well, one without much, one that failed."""
    recorded = Recorded(tmp_path_factory.mktemp("home"))
    command = [sys.executable, "-c", PROGRAM]
    subprocess.run(command, env=recorded.environ(), check=True, timeout=120)
    return recorded
