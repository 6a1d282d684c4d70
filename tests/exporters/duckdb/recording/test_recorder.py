"""The recorder: every trace and span in the store, whole, whoever traced it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import agents
import pytest

from exporters.duckdb import recorder
from exporters.duckdb.recording.content import OVERSIZE
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.recorder import Recorder
from exporters.duckdb.schema import LINE_LIMIT
from tracer import (
    DefaultTraceProvider,
    custom_span,
    function_span,
    generation_span,
    response_span,
    trace,
)
from tracer.encoding import as_text
from tracer.losses import losses
from tracer.setup import set_trace_provider

Read = Callable[[Path], Any]


@pytest.fixture
def recording(store: Path) -> Iterator[Recorder]:
    """A recorder to the store that is told of everything."""
    made = Recorder(Journal(store, fallback=None))
    set_trace_provider(DefaultTraceProvider([made]))
    yield made
    made.shutdown()


def test_mistaken_setting(store: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    """A setting that cannot be followed costs its own effect, not the record."""
    monkeypatch.setenv("FLIGHTLOG_SYNC", "sometimes")
    made = recorder(store)
    set_trace_provider(DefaultTraceProvider([made]))
    with trace("t"), custom_span("s"):
        pass

    assert read(store).span("s")["status"] == "ok"


def test_whole(store: Path, recording: Recorder, read: Read) -> None:
    """What a span was given is what the store has, shared content put back in."""
    messages = [{"role": "user", "content": f"question {n} — 你好 \x00"} for n in range(5)]
    with (
        trace("support", group_id="chat-1", metadata={"tier": "gold"}),
        generation_span(input=messages, model="m", usage={"input_tokens": 3}) as span,
    ):
        span.span_data.output = [{"role": "assistant", "content": "answer"}]
        span.set(tenant="acme", score=0.5)

    found = read(store)
    row = found.span("m")
    assert found.content(row["input"]) == messages
    assert found.content(row["output"]) == [{"role": "assistant", "content": "answer"}]
    assert (row["trace_name"], row["group_id"], row["metadata"]) == (
        "support",
        "chat-1",
        {"tier": "gold"},
    )
    assert row["attributes"] == {"tenant": "acme", "score": "0.5"}
    assert (row["model"], row["input_tokens"], row["status"]) == ("m", 3, "ok")
    assert row["owner"] == recording.owner
    assert sorted(found.ended.values()) == [1, 1]


def test_running(store: Path, recording: Recorder, read: Read) -> None:
    """A span is in the store while it runs, with what it was given so far."""
    with trace("t"), function_span("look_up", input='{"id": 7}'):
        found = read(store)

        row = found.span("look_up")
        assert row["status"] == "running"
        assert found.content(row["input"]) == '{"id": 7}'
        assert {key[0] for key in found.open} == {"trace", "span"}
    assert read(store).open == set()


def test_history_once(store: Path, recording: Recorder) -> None:
    """Fifty turns of one conversation write each message once."""
    history: list[dict[str, str]] = []
    with trace("loop"):
        for turn in range(50):
            history.append({"role": "user", "content": f"{turn} " + "x" * 1000})
            with generation_span(input=list(history), model="m"):
                pass

    (segment,) = (store.with_name("traces.duckdb.d") / "hot").glob("1*.ndjson")
    data = segment.read_bytes()
    assert data.count(b'"k":"item"') == 50
    assert len(data) < 400_000


def test_snapshot(store: Path, recording: Recorder, read: Read) -> None:
    """What the program does with its lists after a span's end does not change the record."""
    messages = [{"role": "user", "content": "before"}]
    with trace("t"), generation_span(input=messages, model="m"):
        pass
    messages[0]["content"] = "after"

    found = read(store)
    assert found.content(found.span("m")["input"]) == [{"role": "user", "content": "before"}]


def test_errors(store: Path, recording: Recorder, read: Read) -> None:
    """An exception is in the record of its span, with its type and stack."""
    with pytest.raises(ValueError, match="no such order"), trace("t"), function_span("refund"):
        raise ValueError("no such order")

    error = read(store).span("refund")["error"]
    assert "no such order" in error["message"]
    assert "ValueError" in error["data"]["type"]
    assert "test_errors" in error["data"]["stack"]


def test_large_values(store: Path, recording: Recorder, read: Read) -> None:
    """Values of megabytes are recorded whole, where the line would be too long as items."""
    big = "y" * 3_000_000
    with trace("t"), custom_span("big", {"blob": big}):
        pass
    with trace("t"), function_span("tool", input=big, output=[big, big]):
        pass

    found = read(store)
    assert found.items[found.span("big")["data"]["$ref"]] == {"blob": big}
    assert found.content(found.span("tool")["output"]) == [big, big]
    assert losses.totals() == {}


def test_too_large(store: Path, recording: Recorder, read: Read) -> None:
    """A value over the limit of a line is marked, and counted once for its trace."""
    with trace("t", trace_id="trace_big"), function_span("tool", input="z" * LINE_LIMIT):
        pass
    recording.force_flush()

    found = read(store)
    assert found.content(found.span("tool")["input"])["flightlog.lost"] == OVERSIZE
    assert found.losses == {OVERSIZE: 1}
    assert {loss.trace_id for loss in losses.totals()} == {"trace_big"}


def test_strange_values(store: Path, recording: Recorder, read: Read) -> None:
    """Objects, cycles, lone surrogates and infinities are recorded as well as they can be."""
    cycle: dict[str, Any] = {"inf": float("inf"), "text": "\ud800", "object": object()}
    cycle["self"] = cycle
    with trace("\udfff"), custom_span("odd \ud800", cycle) as span:
        span.set(**{"k\ud800": "\udfff"})

    row = read(store).span(as_text("odd \ud800"))
    assert row["trace_name"] == as_text("\udfff")
    assert row["data"]["self"] == "<cycle>"
    assert row["attributes"] == {as_text("k\ud800"): as_text("\udfff")}
    assert losses.totals() == {}


def test_shutdown(store: Path, recording: Recorder, read: Read) -> None:
    """Recording after shutdown starts again."""
    with trace("first"):
        pass
    recording.shutdown()
    recording.shutdown()
    with trace("second"):
        pass

    assert len(read(store).ended) == 2


def test_encoding_fails(
    store: Path, recording: Recorder, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    """A span that cannot be read is counted and logged once; the next ones are recorded."""

    class Broken:
        trace_id = "trace_x"

    for _ in range(3):
        recording.on_span_end(Broken())  # type: ignore[arg-type]
    with trace("fine"):
        pass

    assert sum(losses.totals().values()) == 3
    assert len(caplog.records) == 1
    assert len(read(store).ended) == 1


def test_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    """One recorder serves a store, named or from the settings, however often it is asked for."""
    monkeypatch.setenv("FLIGHTLOG_STORE", str(tmp_path / "a.duckdb"))

    assert recorder() is recorder(tmp_path / "a.duckdb")
    assert recorder(tmp_path / "b.duckdb") is not recorder()
    assert recorder().store == tmp_path / "a.duckdb"


def test_bad_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, read: Read
) -> None:
    """A store that cannot be is one line in the log; the program and recording go on."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = recorder(tmp_path)
    set_trace_provider(DefaultTraceProvider([made]))
    for number in range(5):
        with trace("t"), custom_span(f"s{number}"):
            pass
    made.shutdown()

    (message,) = [record.getMessage() for record in caplog.records]
    assert "is a folder" in message
    (fallback,) = (tmp_path / "state" / "flightlog" / "fallback").glob("*.d")
    assert fallback.name in message + ".d'" or str(fallback)[:-2] in message
    assert len(read(Path(str(fallback)[:-2])).ended) == 10


_DELIVERING = """
import sys
from exporters.duckdb import recorder
from tracer import BatchTraceProcessor, TracingExporter, custom_span, set_trace_processors, trace
class Remote(TracingExporter):
    def export(self, items):
        if any(getattr(item, "name", "") == "bad" for item in items):
            raise TimeoutError
set_trace_processors([recorder(sys.argv[1]), BatchTraceProcessor(Remote(), max_batch_size=2)])
for name in ("good", "bad"):
    with trace(name), custom_span("s"):
        pass
"""


def test_deliveries(store: Path, read: Read, python: Callable[..., subprocess.Popen[str]]) -> None:
    """What exporters deliver while the program ends is in the store, in the same segment."""
    process = python(_DELIVERING, store)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    found = read(store)
    assert found.deliveries == {
        ("Remote", "delivered", None): 2,
        ("Remote", "failed", "export raised TimeoutError"): 2,
    }
    assert found.losses == {"export raised": 2}
    assert len(list((store.with_name("traces.duckdb.d") / "hot").glob("1*"))) == 1


def test_light() -> None:
    """Recording loads neither DuckDB nor Arrow nor the web framework."""
    program = (
        "import sys\n"
        "from tracer import trace, custom_span\n"
        "with trace('t'), custom_span('s'): pass\n"
        "import exporters.duckdb\n"
        "heavy = {'duckdb', 'pyarrow', 'fastapi', 'pandas', 'numpy', 'openai'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from exporters.duckdb import recorder\n"
        "print(recorder().owner)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.fixture
def foreign(store: Path) -> Iterator[Recorder]:
    """A recorder that another package's tracer tells of its traces."""
    made = Recorder(Journal(store, fallback=None))
    agents.set_trace_processors([made])  # type: ignore[list-item]
    agents.set_tracing_disabled(False)
    yield made
    agents.set_trace_processors([])
    made.shutdown()


def test_foreign(store: Path, foreign: Recorder, read: Read) -> None:
    """Traces and spans of openai-agents are recorded whole, with the names of their trace."""
    messages = [{"role": "user", "content": "hello"}]
    with agents.trace("their work", group_id="g", metadata={"k": "v"}):
        with agents.agent_span("Triage", handoffs=["Refund"], tools=["look_up"]):
            with agents.generation_span(
                input=messages, output=[{"role": "assistant", "content": "hi"}], model="m"
            ):
                pass
            with agents.function_span("look_up", input="{}", output="found") as span:
                span.set_error({"message": "broke", "data": {"code": 1}})
        running = read(store)

    found = read(store)
    assert len(running.open) == 1
    assert len(found.ended) == 4
    (whole,) = [row for key, row in found.rows.items() if key[0] == "trace"]
    assert (whole["name"], whole["group_id"], whole["status"]) == ("their work", "g", "ok")
    assert whole["start_ns"] < whole["end_ns"]
    row = found.span("m")
    assert found.content(row["input"]) == messages
    assert (row["trace_name"], row["group_id"], row["metadata"]) == ("their work", "g", {"k": "v"})
    assert whole["start_ns"] <= row["start_ns"] + 1000 <= whole["end_ns"]
    assert row["parent_id"] == found.span("Triage")["span_id"]
    failed = found.span("look_up")
    assert failed["status"] == "error"
    assert failed["error"]["message"] == "broke"
    assert found.content(failed["output"]) == "found"


def test_foreign_bounded(store: Path, foreign: Recorder, read: Read, monkeypatch: Any) -> None:
    """Traces of others that never end do not fill the memory."""
    monkeypatch.setattr(sys.modules[Recorder.__module__], "_FOREIGN_LIMIT", 10)
    for number in range(30):
        agents.trace(f"t{number}").start()

    assert len(foreign._foreign) == 10
    assert len(read(store).open) == 30


def test_response(store: Path, recording: Recorder, read: Read) -> None:
    """A response without a model is recorded like any span."""
    with trace("t"), response_span():
        pass

    assert json.loads(json.dumps(read(store).span("response")))["type"] == "response"
