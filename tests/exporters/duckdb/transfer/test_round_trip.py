"""Out of a store into a file, and from there into another store: the views show the same."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporters.duckdb.transfer.exporting import FORMATS, export_file
from exporters.duckdb.transfer.importing import import_files
from exporters.record import CountRecord, Kept, content_of
from tracer.encoding import encode
from tracer.snapshot import SpanRecord, TraceRecord, Usage

BASE_NS = 1_763_700_000_000_000_000
OWNER = "elsewhere-7-00000007"
TRACES = ("trace_" + "0" * 20 + "00000000000a", "trace_" + "b7" * 16, "mine, ü and \u2028")
SPANS = ("span_" + "1" * 24, "span_" + "0" * 23 + "2", "span_" + "Ab" * 12, "s", "é\x00\n")
TYPES = ("generation", "response", "function", "agent", "guardrail", "handoff", "custom", "turn",
         "task", "mcp_tools", "speech", "odd")  # fmt: skip

texts = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
    st.just("long " * 14_000),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=6,
).filter(lambda value: b"\\ud" not in encode(value))
objects = st.dictionaries(texts, values, max_size=3)
counts = st.one_of(st.none(), st.integers(0, 2**40))
starts = st.integers(BASE_NS, BASE_NS + 10**12)
ends = st.one_of(st.none(), st.integers(BASE_NS + 10**12, BASE_NS + 2 * 10**12))
errors = st.one_of(
    st.none(),
    st.builds(lambda message, data: {"message": message, "data": data}, texts, st.none() | objects),
)


def _encoded(value: Any) -> bytes | None:
    return None if value is None else encode(value)


@st.composite
def traces(draw: st.DrawFn, trace_id: str, known: dict[str, Any]) -> TraceRecord:
    """A trace, ended or not."""
    end = draw(ends)
    return TraceRecord(
        trace_id=trace_id,
        name=known["trace_name"],
        group_id=known["group_id"],
        metadata=known["metadata"],
        start_ns=draw(starts),
        end_ns=end,
        status="running" if end is None else draw(st.sampled_from(["ok", "error", "cancelled"])),
        error=_encoded(draw(errors)),
        input=_encoded(draw(values)),
        output=_encoded(draw(values)),
    )


@st.composite
def spans(draw: st.DrawFn, trace_id: str, span_id: str, known: dict[str, Any]) -> SpanRecord:
    """A span, ended or not, of any type and with any parent."""
    end = draw(ends)
    kind = draw(st.sampled_from(TYPES))
    messages = st.lists(values, max_size=3) | st.just([{"role": "user", "content": "m"}] * 70)
    return SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=draw(st.none() | st.sampled_from((*SPANS, "span_of nowhere"))),
        **known,
        name=draw(texts),
        type=kind,
        start_ns=draw(starts),
        end_ns=end,
        status="running" if end is None else draw(st.sampled_from(["ok", "error", "cancelled"])),
        error=_encoded(draw(errors)),
        model=draw(st.none() | texts),
        usage=Usage(*(draw(counts) for _ in range(4))),
        input=content_of(draw(values | messages), kind),
        output=content_of(draw(values | messages), kind),
        instructions=_encoded(draw(values)),
        tools=content_of(draw(st.none() | messages), kind),
        data=encode(draw(objects | st.just({"triggered": True, "from_agent": "a", "turn": 3}))),
        attributes=draw(st.dictionaries(texts, texts, max_size=2)),
        first_token_ns=draw(st.none() | st.just(BASE_NS + 7)),
    )


class Records(list[Kept]):
    """Records, which are too long to be shown."""

    def __repr__(self) -> str:
        text = super().__repr__()
        return text if len(text) < 2000 else f"<{len(self)} records, {len(text)} characters>"


@st.composite
def records(draw: st.DrawFn) -> Records:
    """Records of some traces: with and without their own, orphans, losses and deliveries."""
    found: list[Any] = []
    for trace_id in draw(st.lists(st.sampled_from(TRACES), min_size=1, unique=True)):
        known = {
            "trace_name": draw(texts),
            "group_id": draw(st.none() | texts),
            "metadata": _encoded(draw(objects) or None),
        }
        if draw(st.booleans()):
            found.append(draw(traces(trace_id, known)))
        for span_id in draw(st.lists(st.sampled_from(SPANS), unique=True, max_size=3)):
            found.append(draw(spans(trace_id, span_id, known)))
        if draw(st.booleans()):
            found.append(CountRecord("loss", trace_id, "duckdb", "why", 3, BASE_NS, BASE_NS))
    if draw(st.booleans()):
        found.append(CountRecord("loss", None, "otlp", "queue full", 2, BASE_NS, BASE_NS))
    return Records(Kept(record, OWNER, number) for number, record in enumerate(found, 1))


stores = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds: none is made smaller
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)


@pytest.mark.timeout(300)
@stores
@given(found=records())
def test_equal(found: list[Kept], new_store: Any, shown: Any) -> None:
    """Views show the same of every format: in another store that has the file, and in the file.

    What is imported twice, or where it came from, changes nothing.
    """
    source = new_store(found)
    before = shown(source)
    for format in FORMATS:
        file = source.with_name(f"export.{format}")
        export_file(source, file, format)
        if format == "duckdb":
            assert tables(file, list(before)) == before
        target = new_store()
        done = import_files(target, [file])
        assert (done.bad, done.known_traces, done.known_spans) == ([], 0, 0)
        assert shown(target) == before
        again = import_files(target, [file])
        assert (again.parts, again.new_traces, again.new_spans) == ([], 0, 0)
    assert import_files(source, [file.with_suffix(".jsonl")]).parts == []
    assert shown(source) == before


@pytest.mark.parametrize("format", FORMATS)
def test_reference(format: Any, make: Any, new_store: Any, shown: Any) -> None:
    """What is large has the same hash again, however its numbers were written on the way."""
    metadata = encode({"large": 1e100, "text": "long " * 14_000})
    source = new_store([make.trace(metadata=metadata), make.span(metadata=metadata)])
    file = source.with_name(f"export.{format}")
    export_file(source, file, format)
    target = new_store()
    import_files(target, [file])

    assert "$ref" in shown(source)["traces"][0]
    assert shown(target) == shown(source)


def plain(value: Any) -> Any:
    """A value of a row; a JSON text in one form, as some characters can be written in two."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.dumps(orjson.loads(value))
    return value


def tables(file: Path, names: list[str]) -> dict[str, list[str]]:
    """Every row of some tables, as `shown` gives those of views."""
    with duckdb.connect(str(file), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        found = {}
        for name in names:
            result = con.execute(f"from {name}")
            columns = [column[0] for column in result.description or ()]
            found[name] = sorted(
                repr({key: plain(value) for key, value in zip(columns, row, strict=True)
                      if key != "source"})
                for row in result.fetchall()
            )  # fmt: skip
        return found
