"""The cost of a call stands in SQL and in Python, and the two say the same."""

from __future__ import annotations

import contextlib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from exporters.duckdb.local import DuckDBStore
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.views import cost
from exporters.duckdb.views.cost import written_to_cache

MODELS = (
    "gpt-4.1", "GPT-4.1", "gpt-4.1-2025-04-14", "gpt-4.1-latest", "openai/gpt-4.1", "gpt-4o",
    "gpt-4o-2024-05-13", "litellm/openai/gpt-4.1", "openrouter/litellm/gpt-4.1-mini",
    "azure/gpt-4.1", "claude-haiku-4-5@20251001", "claude-sonnet-4-5", "gemini-2.5-pro",
    "vertex_ai/gemini-2.5-flash", "models/gemini-2.5-pro", "o3", "deepseek-chat", "mine",
    "Mine-20250101", "ft:gpt-4o:acme::1", "ft:gpt-4o:acme:smaller", "ft:gpt-4o:acme", "tiered",
    "gpt-4.1-custom", "gpt-4.1\n", "*", "", None,
)  # fmt: skip
TOKENS = (
    (None, None, None, None), (5, None, None, None), (None, 5, 1, None), (0, 0, None, None),
    (1000, 10, None, None), (1000, 10, 400, None), (1000, 10, 4000, 7), (100, 3, 50, 75),
    (300_000, 1, 250_000, 60_000), (200_001, 77_777, None, 12),
)  # fmt: skip
DAYS = (0, -500)
OWN = (
    "model,input,output,cached_input,cache_write,above,since\nmine,3,4,,6,,\n"
    "ft:gpt-4o:acme:*,7,7,,,,\nft:gpt-4o:acme:small*,3,3,1,,,\n"
    "tiered,1,1,,,,\ntiered,2,2,,,999,\ntiered,5,5,,,,2025-06-01\ntiered,6,6,,,999,2025-06-01\n"
)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's file of prices, with all that one may say."""
    path = tmp_path / "own.csv"
    path.write_text(OWN, encoding="utf-8")
    monkeypatch.setenv("FLIGHTLOG_PRICES", str(path))
    return path


def is_same(ours: float | None, views: Any) -> bool:
    """Whether two costs are the same to the last digit that anyone is shown."""
    if ours is None or views is None:
        return ours is views
    return ours == pytest.approx(float(views), rel=1e-9, abs=1e-9)


def test_same(spool: Any, rows: Any, own: Path) -> None:
    """Whatever the model's name, the tokens and the day: rows have the cost that the views have."""
    calls = []
    for number, (model, counts, day) in enumerate(product(MODELS, TOKENS, DAYS)):
        sent, received, cached, written = counts
        details = {} if written is None else {"cache_write_tokens": written}
        row = rows.span(
            f"t{number % 7}", f"s{number}", type="generation", model=model, input_tokens=sent,
            output_tokens=received, cached_tokens=cached,
            data={"usage": {"input_tokens_details": details}},
        )  # fmt: skip
        row["start_ns"] += day * 86_400_000_000_000
        row["end_ns"] += day * 86_400_000_000_000
        calls.append(row)
    spool.segment(calls)
    with contextlib.closing(Reader(spool.layout)) as reader:
        reader.refresh()
        by_call = dict(reader.query("SELECT span_id, cost_usd FROM generations"))
        by_trace = reader.query("SELECT trace_id, cost_usd, unpriced_calls FROM traces")

    with contextlib.closing(DuckDBStore(spool.layout.catalog)) as store:
        found = {span.span_id: span for n in range(7) for span in store.spans(f"t{n}")}
        traces = [store.get(trace_id) for trace_id, _, _ in by_trace]

    assert len(by_call) == len(calls) == len(found)
    for key, dollars in by_call.items():
        assert is_same(found[key].cost_usd, dollars), calls[int(key[1:])]
    assert len({dollars for dollars in by_call.values() if dollars is not None}) > 50
    for row, (_, dollars, unpriced) in zip(traces, by_trace, strict=True):
        assert is_same(row.cost_usd, dollars)
        assert row.unpriced_calls == unpriced


def test_fresh(own: Path) -> None:
    """A price that is changed is followed, and one that is not is not read again."""
    spent = cost.Spent(1_000_000, 0)
    before = cost.current()
    assert before.dollars("mine", spent, start_ns=0) == 3
    assert cost.current() is before

    own.write_text("model,input,output\nmine,30,40\n", encoding="utf-8")

    assert cost.current().dollars("mine", spent, start_ns=0) == 30


@pytest.mark.parametrize(
    "data", [None, {}, {"usage": None}, {"usage": {"input_tokens_details": []}}, "text", [1]]
)
def test_odd_data(data: Any) -> None:
    """Data that does not say what was written to a cache says nothing of it."""
    assert written_to_cache(data) is None
