"""Prices of model calls: the list that ships, a user's file before it, and where both are kept.

A price is found by the name that a call's model has. A row's name also stands for its snapshots
(the SQL of `cost.sql` strips a date or `latest` from the end), for the name after its provider's
(`openai/gpt-4.1`), and, where it ends in `*`, for all that begin so. Nothing else is a match:
`gpt-4.1-custom` and `ft:gpt-4.1:…` have prices of their own or none.

The list that the views count with is a file in the store's folder, because SQL over the catalog
can read files and no settings. The reader takes it from here, so that it is never stale.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from exporters.duckdb.layout import Layout
from exporters.duckdb.parts import quoted
from exporters.store import StoreError
from tracer.config import Settings, usable_settings
from tracer.losses import losses

SHIPPED = Path(__file__).with_name("prices.csv")
_LONGEST = 1_000_000  # bytes of a user's file
_TYPES = (
    "VARCHAR", "VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE", "BIGINT", "DATE", "VARCHAR",
)  # fmt: skip
_NEEDED = ("model", "input", "output")
_COLUMNS = (
    "provider", "model", "input", "cached_input", "cache_write", "output", "above", "since",
    "source",
)  # fmt: skip
# What the names of a provider's models may begin with; its own name always may.
_ALIASES = {
    "anthropic": ("claude",),
    "cohere": ("cohere_chat",),
    "google": ("gemini", "google-gla", "google-vertex", "vertex_ai"),
    "mistral": ("mistralai",),
    "moonshot": ("moonshotai",),
    "openai": ("openai-chat", "openai-responses"),
    "xai": ("x-ai", "grok"),
}


class PriceError(StoreError):
    """A user's file of prices cannot be followed."""


class Price(NamedTuple):
    """A row of the list: US dollars for a million tokens.

    `above` is the number of input tokens beyond which the row holds, for the whole call; `since`
    the day from which it does. Of the rows of a model the one that asks for most holds.
    """

    provider: str
    model: str
    input: float
    cached_input: float | None
    cache_write: float | None
    output: float
    above: int = 0
    since: date | None = None
    source: str = ""


class Tariff(NamedTuple):
    """A price under one of the names that calls find it by; a row of the store's list."""

    name: str
    provider: str
    input: float
    cached_input: float | None
    cache_write: float | None
    output: float
    above: int
    since: date | None
    source: str


class PriceList(NamedTuple):
    """What views count with, and what is wrong with the user's file, if anything is."""

    tariffs: tuple[Tariff, ...]
    problem: str | None = None
    path: Path | None = None


def current(settings: Settings | None = None) -> PriceList:
    """The prices as files and settings say now; never fails.

    Where the user's file cannot be followed it is left out whole, `problem` says why, and it is
    logged once: recording and viewing go on with what ships.
    """
    path = user_file(settings or usable_settings())
    try:
        own = read(path) if path is not None else ()
    except PriceError as error:
        losses.warn("prices", str(error))
        return PriceList(_named(shipped()), str(error), path)
    return PriceList(_named(merge(own, shipped())) if own else _shipped_tariffs(), None, path)


def user_file(settings: Settings) -> Path | None:
    """The user's file: the one that is set, else `prices.csv` in the home if there is one."""
    if settings.prices is not None:
        return settings.prices
    path = settings.home / "prices.csv"
    return path if path.exists() else None


@cache
def shipped() -> tuple[Price, ...]:
    """The prices that ship with flightlog."""
    return read(SHIPPED)


def read(path: Path) -> tuple[Price, ...]:
    """The rows of a file of prices.

    Raises:
        PriceError: With the line and the rule, if it cannot be followed.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise PriceError(
                f"The prices in {str(path)!r} take {path.stat().st_size} bytes. They may take "
                f"{_LONGEST}. Name a file of prices with FLIGHTLOG_PRICES, or unset it."
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PriceError(
            f"The prices in {str(path)!r} cannot be read ({error.strerror}). FLIGHTLOG_PRICES "
            f"names a CSV file. Correct it, or unset it to count with the prices that ship."
        ) from error
    except UnicodeDecodeError as error:
        raise PriceError(
            f"The prices in {str(path)!r} are no text in UTF-8. A file of prices is CSV. "
            f"Save it as such."
        ) from error
    return tuple(_rows(text, path))


def merge(own: Sequence[Price], ours: Sequence[Price]) -> tuple[Price, ...]:
    """A user's rows before ours: whatever model they speak of, ours no longer do.

    A row without a provider is about that model by whatever provider ours have it.
    """
    providers = {price.model: price.provider for price in reversed(ours)}
    filled = [
        price if price.provider else price._replace(provider=providers.get(price.model, ""))
        for price in own
    ]
    exact = {(price.provider, price.model) for price in filled}
    prefixes = [(p.provider, p.model[:-1]) for p in filled if p.model.endswith("*")]
    return (
        *filled,
        *(
            price
            for price in ours
            if (price.provider, price.model) not in exact
            and not any(
                provider in ("", price.provider) and price.model.startswith(prefix)
                for provider, prefix in prefixes
            )
        ),
    )


def write(layout: Layout, tariffs: Iterable[Tariff]) -> bool:
    """Keep the list in the store for SQL over the catalog; says whether it changed.

    Raises:
        OSError: If the store cannot be written.
    """
    lines = ["|".join(Tariff._fields), *("|".join(map(_text, tariff)) for tariff in tariffs)]
    text = "".join(f"{line}\n" for line in lines).encode()
    with contextlib.suppress(OSError):
        if layout.prices.read_bytes() == text:
            return False
    draft = layout.tmp / f"prices-{secrets.token_hex(8)}.csv"
    try:
        draft.write_bytes(text)
        os.replace(draft, layout.prices)
    finally:
        draft.unlink(missing_ok=True)
    return True


def table(tariffs: Iterable[Tariff]) -> Iterator[str]:
    """The statement that makes the table `_prices`, for a reader."""
    rows = [
        dict(zip(Tariff._fields, (value if value != "" else None for value in row), strict=True))
        for row in tariffs
    ]
    shape = json.dumps([dict(zip(Tariff._fields, _TYPES, strict=True))])
    # One text, as the same rows as values take ten times as long to parse.
    yield (
        f"create table _prices as select row.* from (select unnest(from_json("
        f"{quoted(json.dumps(rows, default=str))}, {quoted(shape)})) as row)"
    )


@cache
def _shipped_tariffs() -> tuple[Tariff, ...]:
    return _named(shipped())


def _named(prices: Sequence[Price]) -> tuple[Tariff, ...]:
    """The list by the names that calls have. A bare name is its first provider's alone."""
    first: dict[str, str] = {}
    for price in prices:
        first.setdefault(price.model, price.provider)
    return tuple(
        Tariff(name, price.provider, *price[2:])
        for price in prices
        for name in _names(price, first)
    )


def _names(price: Price, first: dict[str, str]) -> Iterator[str]:
    if first[price.model] == price.provider:
        yield price.model
    if price.provider:
        for alias in (price.provider, *_ALIASES.get(price.provider, ())):
            yield f"{alias}/{price.model}"


def _rows(text: str, path: Path) -> Iterator[Price]:
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        return
    header = [name.strip().lower() for name in next(csv.reader([lines[0][1]]))]
    wrong = [name for name in header if name not in _COLUMNS]
    missing = [name for name in _NEEDED if name not in header]
    if wrong or missing or len(set(header)) < len(header):
        raise PriceError(
            f"Line {lines[0][0]} of {str(path)!r} is {lines[0][1][:200]!r}. It has to name columns "
            f"of {', '.join(_COLUMNS)}, each once, and {', '.join(_NEEDED)} among them. Correct "
            f"that line."
        )
    seen: set[tuple[str, str, int, date | None]] = set()
    for number, line in lines[1:]:
        try:
            (cells,) = csv.reader([line], strict=True)
            price = _price(header, [cell.strip() for cell in cells])
            key = (price.provider, price.model, price.above, price.since)
            if key in seen:
                raise ValueError("each model stands once, or once for each above and since")
        except (ValueError, csv.Error) as error:
            raise PriceError(
                f"Line {number} of {str(path)!r} is {line[:200]!r}. In it {error}. Correct that "
                f"line; until then the prices that ship are counted with."
            ) from error
        seen.add(key)
        yield price


def _price(header: Sequence[str], cells: Sequence[str]) -> Price:
    """A row.

    Raises:
        ValueError: With the rule that it breaks.
    """
    if len(cells) != len(header):
        raise ValueError(f"there have to be {len(header)} values, and there are {len(cells)}")
    said = dict(zip(header, cells, strict=True))
    model = said["model"].lower()
    if not model or "|" in "".join(cells) or "*" in model[:-1]:
        raise ValueError("model has to be a name, and only its last character may be a *")
    since = said.get("since", "")
    try:
        day = date.fromisoformat(since) if since else None
    except ValueError:
        raise ValueError(f"since is {since!r} and has to be a day such as 2026-01-31") from None
    above = said.get("above") or "0"
    if not above.isdecimal() or len(above) > 12:
        raise ValueError(f"above is {above!r} and has to be a number of tokens")
    return Price(
        provider=said.get("provider", "").lower(),
        model=model,
        input=_dollars("input", said["input"]),
        cached_input=_dollars_or_none("cached_input", said.get("cached_input", "")),
        cache_write=_dollars_or_none("cache_write", said.get("cache_write", "")),
        output=_dollars("output", said["output"]),
        above=int(above),
        since=day,
        source=said.get("source", ""),
    )


def _dollars_or_none(name: str, text: str) -> float | None:
    return _dollars(name, text) if text else None


def _dollars(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {text!r} and has to be dollars for a million tokens")
    return value


def _text(value: object) -> str:
    return "" if value is None else str(value)
