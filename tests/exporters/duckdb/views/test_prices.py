"""Prices: which row a call is priced by, what a user's file may say, and where the list is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.views import prices
from exporters.duckdb.views.catalog import ensure_catalog
from exporters.duckdb.views.prices import Price, PriceError, PriceList
from tracer.config import Settings

MILLION = 1_000_000
Ask = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file of prices."""

    def make(text: str) -> Path:
        path = tmp_path / "own.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def cost(spool: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """What a call of a model costs, in dollars, as the views count it."""
    readers: list[Reader] = []

    def ask(model: str | None, *, own: Path | None = None, at: int = 0, **fields: Any) -> Any:
        monkeypatch.setenv("FLIGHTLOG_PRICES", str(own or ""))
        row = rows.span("t", "s", type="generation", model=model, **fields)
        row["start_ns"] += at * 86_400_000_000_000
        row["end_ns"] += at * 86_400_000_000_000
        name = spool.segment([row])
        readers.append(Reader(spool.layout))
        readers[-1].refresh()
        ((found,),) = readers[-1].query("SELECT cost_usd FROM generations")
        (spool.layout.hot / name).unlink()
        return found

    yield ask
    for reader in readers:
        reader.close()


def settings(path: Path | None, home: Path) -> Settings:
    """Settings that name this file of prices."""
    return Settings(home=home, store=home / "traces.duckdb", prices=path)


def test_shipped() -> None:
    """What ships is sound, has the main models, and says where each price is from."""
    found = {price.model: price for price in prices.shipped()}

    assert {"gpt-4.1", "o3", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat"} <= set(found)
    assert (found["gpt-4.1"].input, found["gpt-4.1"].cached_input) == (2.0, 0.5)
    assert all(price.source.startswith("https://") for price in prices.shipped())
    assert not any("*" in price.model for price in prices.shipped())
    assert all(
        price.cached_input is None or price.cached_input <= price.input
        for price in prices.shipped()
    )


def test_once(cost: Ask) -> None:
    """Cached tokens are part of those sent and reasoning of those received: each is priced once."""
    counts = {"input_tokens": 3 * MILLION, "cached_tokens": MILLION,
              "output_tokens": 2 * MILLION, "reasoning_tokens": MILLION}  # fmt: skip

    assert cost("gpt-4.1", **counts) == pytest.approx(2 * 2 + 1 * 0.5 + 2 * 8)


def test_written_to_a_cache(cost: Ask) -> None:
    """Tokens that were written to a cache cost what that costs, where it costs more."""
    details = {"cache_write_tokens": MILLION}
    counts = {"input_tokens": 2 * MILLION, "output_tokens": 0,
              "data": {"usage": {"input_tokens_details": details}}}  # fmt: skip

    assert cost("claude-haiku-4-5", **counts) == pytest.approx(1 * 1 + 1 * 1.25)
    assert cost("gpt-4.1", **counts) == pytest.approx(2 * 2)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.1", "GPT-4.1", "gpt-4.1-2025-04-14", "gpt-4.1-latest", "openai/gpt-4.1",
        "litellm/openai/gpt-4.1", "openrouter/openai/gpt-4.1-2025-04-14", "litellm/gpt-4.1",
    ],
)  # fmt: skip
def test_names(cost: Ask, model: str) -> None:
    """A model is found by its name, a dated one, and after the names of who passes it on."""
    assert cost(model, input_tokens=MILLION, output_tokens=0) == pytest.approx(2)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o-2024-08-06", 2.5), ("gpt-4o-2024-05-13", 5), ("gpt-4.1-mini", 0.4),
        ("claude-sonnet-4-5-20250929", 6), ("litellm/anthropic/claude-opus-4-1-20250805", 15),
        ("vertex_ai/gemini-2.5-flash", 0.3), ("models/gemini-2.5-flash", 0.3),
        ("claude-haiku-4-5@20251001", 1), ("mistral/mistral-large-2411", 2),
    ],
)  # fmt: skip
def test_longest(cost: Ask, model: str, dollars: float) -> None:
    """A snapshot's own row goes before its model's."""
    assert cost(model, input_tokens=MILLION, output_tokens=0) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.1-custom", "gpt-4.1-2025", "ft:gpt-4.1:acme::1", "gpt-4.1-mini-custom",
        "ft:gpt-4.1-2025-04-14:acme::1", "azure/gpt-4.1", "my/gpt-4.1", "gpt", "", None, "*",
    ],
)  # fmt: skip
def test_unknown(cost: Ask, model: str | None) -> None:
    """A model that is not in the list has no cost, however its name begins: null, not zero."""
    assert cost(model, input_tokens=MILLION, output_tokens=MILLION) is None


def test_missing_counts(cost: Ask) -> None:
    """Without token counts there is no cost; none at all cost nothing."""
    assert cost("gpt-4.1", input_tokens=5) is None
    assert cost("gpt-4.1", output_tokens=5) is None
    assert cost("gpt-4.1") is None
    assert cost("gpt-4.1", input_tokens=0, output_tokens=0) == 0
    assert cost("gpt-4.1", input_tokens=MILLION, cached_tokens=2 * MILLION, output_tokens=0) == 0.5


def test_long_input(cost: Ask) -> None:
    """Beyond its threshold a call is priced by the row for long inputs, all of it."""
    assert cost("gemini-2.5-pro", input_tokens=200_000, output_tokens=0) == pytest.approx(0.25)
    assert cost("gemini-2.5-pro", input_tokens=200_001, output_tokens=0) == pytest.approx(0.5000025)


def test_since(cost: Ask) -> None:
    """A price holds from its day on."""
    before = (date(2025, 6, 9) - date(2025, 11, 21)).days

    assert cost("o3", at=before, input_tokens=MILLION, output_tokens=0) == 10
    assert cost("o3", input_tokens=MILLION, output_tokens=0) == 2
    assert cost("deepseek-chat", at=before, input_tokens=MILLION, output_tokens=0) is None


def test_own(cost: Ask, write: Callable[[str], Path]) -> None:
    """A user's rows go before ours, may end in a star, and may be of a model we do not know."""
    own = write(
        "model,input,output,provider\n\n# ours is too dear\ngpt-4.1,1,1,\nft:gpt-4o:acme:*,7,7,\n"
        "ft:gpt-4o:acme:small*,3,3,\ngpt-4.1,9,9,azure\nMine,4,4,\no3*,5,5,openai\n"
    )

    def dollars(model: str) -> Any:
        return cost(model, own=own, input_tokens=MILLION, output_tokens=0)

    assert dollars("gpt-4.1") == dollars("openai/gpt-4.1-2025-04-14") == 1
    assert dollars("azure/gpt-4.1") == 9
    assert dollars("ft:gpt-4o:acme::1") == 7
    assert dollars("ft:gpt-4o:acme:smaller") == 3
    assert dollars("mine") == 4
    assert dollars("o3") == dollars("o3-pro") == 5
    assert dollars("gpt-4.1-mini") == pytest.approx(0.4)


def test_home(tmp_path: Path) -> None:
    """Without a setting it is prices.csv in the home, if there is one."""
    assert prices.user_file(settings(None, tmp_path)) is None

    (tmp_path / "prices.csv").write_text("model,input,output\nm,1,2\n")

    assert prices.user_file(settings(None, tmp_path)) == tmp_path / "prices.csv"
    assert prices.user_file(settings(tmp_path / "x", tmp_path)) == tmp_path / "x"
    found = {tariff.name for tariff in prices.current(settings(None, tmp_path)).tariffs}
    assert "m" in found


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("model,input\nm,1", 1, "name columns"),
        ("model,input,output,colour\n", 1, "name columns"),
        ("model,input,output,input\n", 1, "name columns"),
        ("model,input,output\nm,1", 2, "have to be 3 values"),
        ("# head\n\nmodel,input,output\nm,1,2\nm,x,2", 5, "dollars for a million"),
        ("model,input,output\nm,-1,2", 2, "dollars for a million"),
        ("model,input,output\nm,nan,2", 2, "dollars for a million"),
        ("model,input,output\nm,inf,2", 2, "dollars for a million"),
        ("model,input,output\n,1,2", 2, "model has to be a name"),
        ("model,input,output\na*b,1,2", 2, "model has to be a name"),
        ("model,input,output,since\nm,1,2,soon", 2, "day such as"),
        ("model,input,output,above\nm,1,2,-5", 2, "number of tokens"),
        ("model,input,output\nm,1,2\nM,1,2", 3, "stands once"),
        ('model,input,output\n"m,1,2', 2, "In it"),
    ],
)  # fmt: skip
def test_mistakes(write: Callable[[str], Path], text: str, line: int, rule: str) -> None:
    """A mistake in a user's file is named by line and rule."""
    with pytest.raises(PriceError, match=f"Line {line} of ") as told:
        prices.read(write(text))

    assert rule in str(told.value)


def test_goes_on(write: Callable[[str], Path], tmp_path: Path, caplog: Any) -> None:
    """With a file that cannot be followed, what ships is counted with, and it is said."""
    shipped = prices.current(settings(None, tmp_path))

    for path in (write("nonsense"), tmp_path / "missing.csv", tmp_path):
        found = prices.current(settings(path, tmp_path))
        assert found.tariffs == shipped.tariffs
        assert found.path == path
        assert found.problem
        assert str(path) in found.problem
    assert shipped == PriceList(shipped.tariffs)
    assert "cannot be read" in caplog.text or "It has to name columns" in caplog.text


def test_no_text(tmp_path: Path) -> None:
    """A file that is no text, or far too large, is refused."""
    path = tmp_path / "own.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PriceError, match="UTF-8"):
        prices.read(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(PriceError, match="1000001 bytes"):
        prices.read(path)


def test_kept(spool: Any, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The store keeps the list for SQL over the catalog, and a new list replaces it."""
    query = "SELECT name, input, above FROM _prices WHERE name = 'mine' OR name = 'gpt-4.1'"
    assert ensure_catalog(spool.layout)
    with duckdb.connect(str(spool.layout.catalog)) as con:
        assert con.execute(query).fetchall() == [("gpt-4.1", 2.0, 0)]
    before = spool.layout.prices.stat().st_mtime_ns

    assert ensure_catalog(spool.layout)
    assert spool.layout.prices.stat().st_mtime_ns == before

    monkeypatch.setenv("FLIGHTLOG_PRICES", str(write("model,input,output\nmine,3,4\n")))
    assert ensure_catalog(spool.layout)
    with duckdb.connect(str(spool.layout.catalog)) as con:
        assert sorted(con.execute(query).fetchall()) == [("gpt-4.1", 2.0, 0), ("mine", 3.0, 0)]
    assert list(spool.layout.tmp.iterdir()) == []


def test_same_table(spool: Any, write: Callable[[str], Path], monkeypatch: Any) -> None:
    """The reader's table and the store's file say the same."""
    monkeypatch.setenv("FLIGHTLOG_PRICES", str(write("model,input,output,source\nmine,3,4,it's\n")))
    assert ensure_catalog(spool.layout)
    reader = Reader(spool.layout)
    with duckdb.connect(str(spool.layout.catalog)) as con:
        raw = con.execute("FROM _prices").fetchall()

    assert sorted(map(repr, raw)) == sorted(map(repr, reader.query("FROM _prices")))
    reader.close()


def test_merge() -> None:
    """A row without a provider takes the place of ours, whoever has it; ours of others stay."""
    ours = [Price("a", "m", 1, None, None, 1), Price("a", "n", 1, None, None, 1)]

    assert prices.merge([Price("", "m", 2, None, None, 2)], ours) == (
        Price("a", "m", 2, None, None, 2), ours[1],
    )  # fmt: skip
    assert prices.merge([Price("b", "m", 2, None, None, 2)], ours)[1:] == tuple(ours)
