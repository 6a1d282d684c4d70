"""What a model call costs, for who has the call in hand: the rule of `cost.sql`, in Python.

A list of traces cannot wait for the views, which take longer to plan than the list takes to read.
So the rule stands twice, and `tests/exporters/duckdb/views/test_cost.py` asks both the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from exporters.duckdb.views import prices
from exporters.duckdb.views.prices import Tariff
from tracer.config import usable_settings

DIGITS = 12
"""Digits of a cost after the point: a token costs no less, and what follows is a float's noise."""

_DAY_NS = 86_400_000_000_000
_EPOCH = date(1970, 1, 1)
_PASSED_ON = re.compile(r"^(?:(?:litellm|openrouter|any-llm|models)/)+")
_SNAPSHOT = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-latest)\Z", re.ASCII)


class Spent(NamedTuple):
    """What a price goes by: the tokens that a call reported. What it did not report is None."""

    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class Costs:
    """The prices of a list, ready to be looked up. Safe in any thread."""

    def __init__(self, tariffs: Sequence[Tariff]) -> None:
        tiers: dict[str, list[Tariff]] = {}
        for tariff in tariffs:
            tiers.setdefault(tariff.name, []).append(tariff)
        for some in tiers.values():
            some.sort(key=lambda tariff: (tariff.above, _since_ns(tariff)))
        self._tiers = tiers
        self._patterns = sorted((name for name in tiers if name.endswith("*")), key=len)[::-1]
        self._found: dict[str, Sequence[Tariff]] = {}

    def dollars(self, model: str | None, spent: Spent, *, start_ns: int) -> float | None:
        """What a call cost; None where its model has no price, or its tokens were not counted."""
        sent, received = spent.input_tokens, spent.output_tokens
        if model is None or sent is None or received is None:
            return None
        tier = _tier(self._of(model), sent, start_ns)
        if tier is None:
            return None
        cached = spent.cached_tokens or 0
        written = (spent.cache_write_tokens or 0) if tier.cache_write is not None else 0
        cached_price = tier.input if tier.cached_input is None else tier.cached_input
        dollars = (
            (sent - min(cached + written, sent)) * tier.input
            + min(cached, sent) * cached_price
            + written * (tier.input if tier.cache_write is None else tier.cache_write)
            + received * tier.output
        ) / 1e6
        return round(dollars, DIGITS)

    def _of(self, model: str) -> Sequence[Tariff]:
        """The rows of the name that a model's price is under."""
        found = self._found.get(model)
        if found is None:
            found = self._found[model] = self._look_up(_PASSED_ON.sub("", model.lower()))
        return found

    def _look_up(self, name: str) -> Sequence[Tariff]:
        # A dated snapshot costs what the model does, unless it has a row of its own.
        for each in (name, _SNAPSHOT.sub("", name)):
            if each in self._tiers:
                return self._tiers[each]
        pattern = next((p for p in self._patterns if name.startswith(p[:-1])), None)
        return () if pattern is None else self._tiers[pattern]


def current() -> Costs:
    """The prices as files and settings say now; what has not changed since is not read again."""
    path = prices.user_file(usable_settings())
    try:
        known = None if path is None else os.stat(path)
    except OSError:
        known = None
    return _costs(path, None if known is None else (known.st_ino, known.st_mtime_ns, known.st_size))


@lru_cache(maxsize=4)
def _costs(_path: Path | None, _state: tuple[int, ...] | None) -> Costs:
    return Costs(prices.current().tariffs)


def written_to_cache(data: Any) -> int | None:
    """The tokens that a call wrote to a cache, as the data of its span says."""
    for key in ("usage", "input_tokens_details", "cache_write_tokens"):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, int) and not isinstance(data, bool) else None


def _tier(tiers: Sequence[Tariff], tokens: int, start_ns: int) -> Tariff | None:
    """The last row that holds for so many tokens at that time."""
    holding = (
        tier
        for tier in reversed(tiers)
        if (tier.above == 0 or tier.above < tokens) and _since_ns(tier) <= start_ns
    )
    return next(holding, None)


def _since_ns(tariff: Tariff) -> int:
    return -(2**63) if tariff.since is None else (tariff.since - _EPOCH).days * _DAY_NS
