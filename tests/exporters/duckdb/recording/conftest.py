"""Lines to record, and how to know them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exporters.duckdb.recording.lines import Line


@pytest.fixture
def line() -> Callable[..., Line]:
    """Makes the line of a span, known by its number."""

    def make(number: int, *, ended: bool = True, **items: bytes) -> Line:
        fields = {
            "k": "span",
            "v": 1,
            "rev": int(ended),
            "trace_id": "trace_1",
            "span_id": f"span_{number}",
            "name": f"s{number}",
            "start_ns": 1_700_000_000_000_000_000 + number,
            "end_ns": 1_700_000_000_000_000_000 + number if ended else None,
        }
        return Line(fields, dict(items))

    return make


@pytest.fixture
def spans() -> Callable[[Any], set[int]]:
    """Numbers of the spans that ended, each of them found in one place."""

    def numbers(found: Any) -> set[int]:
        assert set(found.ended.values()) <= {1}
        return {int(key[2].split("_")[1]) for key in found.ended}

    return numbers
