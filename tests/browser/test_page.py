"""The page in a real browser, over real runs and the real server."""

import colorsys
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

THEMES = pytest.mark.parametrize("theme", ["light", "dark"])
MARKUP = "<img src=x onerror=\"globalThis.owned='img'\"><script>globalThis.owned='script'</script>"


def row(page: Page, trace_id: str) -> Locator:
    """A trace's row in the list."""
    return page.locator(f'[data-testid="trace-row"][data-trace-id="{trace_id}"]')


def span_row(page: Page, name: str) -> Locator:
    """The row of the span with this name."""
    return page.get_by_test_id("span-row").filter(has_text=name)


def selected(page: Page) -> Locator:
    """The span that is selected."""
    return page.locator('[data-testid="span-row"][aria-selected="true"]')


def shown(page: Page, span_id: str) -> Locator:
    """The panel's body, once it has drawn this span."""
    return page.locator(f'[data-testid="panel-body"][data-shown="{span_id}"]')


def span_id(viewer, trace_id: str, name: str) -> str:
    """The id of the first span with this name."""
    columns = viewer.api(f"/traces/{trace_id}/spans")["columns"]
    return columns["span_id"][columns["name"].index(name)]


def query(page: Page) -> dict[str, list[str]]:
    """What the address says after the question mark."""
    return parse_qs(urlsplit(page.url).query)


def dollars(cost: float) -> str:
    """A cost below a cent, as the page writes it."""
    return f"${cost:.{1 - int(f'{cost:.1e}'.partition('e')[2])}f}"


def hue(place: Locator, of: str = "color") -> int:
    """The hue that an element is drawn in, in degrees: red about 0, amber about 40."""
    text = place.evaluate(f"element => getComputedStyle(element)['{of}']")
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", text)[:3])
    return round(colorsys.rgb_to_hsv(red, green, blue)[0] * 360)


def is_amber(place: Locator) -> bool:
    """Whether an element is drawn in amber."""
    return 35 <= hue(place) <= 50


def is_red(place: Locator) -> bool:
    """Whether an element is drawn in red."""
    return hue(place) <= 10 or hue(place) >= 350


@THEMES
def test_failed(open_page, viewer, record, theme) -> None:
    """The cause of a failed run is in the list; a click shows the tool, its arguments and stack."""
    page = open_page(viewer.url, color_scheme=theme)
    failed = row(page, record.ids["Settle invoice"])
    expect(failed).to_have_attribute("data-status", "error")
    expect(failed.get_by_test_id("outcome")).to_contain_text("charge_card")
    expect(failed.get_by_test_id("outcome")).to_contain_text("Card of INV-7 declined: issuer unava")
    assert is_red(failed.locator(".cause"))

    failed.click()
    tool = span_id(viewer, record.ids["Settle invoice"], "charge_card")
    expect(page.get_by_test_id("trace-header").get_by_test_id("status")).to_have_text("error")
    expect(page.get_by_test_id("banner").get_by_test_id("first-cause")).to_have_text("charge_card")
    expect(selected(page)).to_have_attribute("data-span-id", tool)
    body = shown(page, tool)
    expect(body.get_by_test_id("error-card")).to_contain_text("CardDeclinedError")
    expect(body.get_by_test_id("fields")).to_have_text(re.compile("invoice_idINV-7amount120.5"))
    expect(body.get_by_test_id("stack")).to_contain_text("raise CardDeclinedError(")
    expect(body).to_contain_text("Caused by ConnectionResetError")
    page.get_by_test_id("tab-raw").click()
    expect(body).to_contain_text("span_id")


def test_bars(open_page, viewer, record) -> None:
    """Bars stand where their spans were in time, as wide as they were long; so does the ruler."""
    trace_id = record.ids["Orders"]
    page = open_page(f"{viewer.url}/t/{trace_id}")
    columns = viewer.api(f"/traces/{trace_id}/spans")["columns"]
    rows = page.get_by_test_id("span-row")
    expect(rows).to_have_count(13)

    bars = page.locator("[data-testid=span-row] .bar").evaluate_all(
        "bars => bars.map(bar => { const box = bar.getBoundingClientRect();"
        " return [box.left, box.width]; })"
    )
    names = rows.evaluate_all("rows => rows.map(row => row.dataset.spanId)")
    assert names == columns["span_id"]
    start, took = columns["start_us"], columns["dur_us"]
    (left, width), whole = bars[0], took[0]
    assert whole == max(took)
    assert width > 300
    for at, (bar_left, bar_width) in enumerate(bars):
        assert bar_left == pytest.approx(left + (start[at] - start[0]) / whole * width, abs=2)
        assert bar_width == pytest.approx(max(took[at] / whole * width, 2), abs=1)

    ticks = page.locator(".tick").evaluate_all(
        "ticks => ticks.map(tick => [tick.textContent, tick.getBoundingClientRect().left])"
    )
    (zero, origin), *others = ticks
    assert zero == "0"
    assert others
    for label, place in others:
        us = float(re.sub("m?s$", "", label)) * (1000 if label.endswith("ms") else 1_000_000)
        assert place == pytest.approx(origin + us / whole * width, abs=2)


@THEMES
def test_blocked(open_page, viewer, record, theme) -> None:
    """A blocked run is amber throughout, and names the guardrail."""
    page = open_page(viewer.url, color_scheme=theme)
    blocked = row(page, record.ids["Blocked question"])
    expect(blocked).to_have_attribute("data-status", "blocked")
    expect(blocked.get_by_test_id("outcome")).to_contain_text("stays_on_topic")
    assert is_amber(blocked.locator(".cause"))
    assert is_amber(blocked.locator(".status"))

    blocked.click()
    banner = page.get_by_test_id("banner")
    expect(banner).to_contain_text("Blocked by a guardrail.")
    expect(banner.get_by_test_id("first-cause")).to_have_text("stays_on_topic")
    assert is_amber(banner.locator("strong"))
    expect(selected(page)).to_contain_text("stays_on_topic")
    expect(page.get_by_test_id("detail-panel")).to_contain_text("Tripped: the run was stopped here")
    expect(page.locator('[data-testid="span-row"][data-status="error"]')).to_have_count(0)
    expect(page.locator('[data-testid="span-row"][data-status="blocked"]')).to_have_count(3)
    page.keyboard.press("Home")
    expect(selected(page)).to_have_attribute("data-status", "blocked")
    page.keyboard.press("e")
    expect(selected(page)).to_contain_text("stays_on_topic")


def test_url(open_page, viewer, record) -> None:
    """The address is the state: loading it again, or elsewhere, shows the same span and tab."""
    trace_id = record.ids["Orders"]
    page = open_page(
        f"{viewer.url}/t/{trace_id}", permissions=["clipboard-read", "clipboard-write"]
    )
    span_row(page, "look_up").last.click()
    chosen = selected(page).get_attribute("data-span-id")
    shown(page, chosen).wait_for()
    page.get_by_test_id("tab-output").click()
    expect(page).to_have_url(f"{viewer.url}/t/{trace_id}?span={chosen}&tab=output")

    page.reload()
    expect(shown(page, chosen)).to_contain_text("delivered")
    expect(selected(page)).to_have_attribute("data-span-id", chosen)
    expect(page.get_by_test_id("tab-output")).to_have_attribute("aria-selected", "true")

    page.keyboard.press("z")
    expect(page).to_have_url(re.compile("z=[0-9]+-[0-9]+"))
    page.keyboard.press("y")
    expect(page.get_by_text("Link copied")).to_be_visible()
    other = open_page(page.evaluate("navigator.clipboard.readText()"))
    expect(selected(other)).to_have_attribute("data-span-id", chosen)
    shown(other, chosen).wait_for()


def test_back(open_page, viewer, record) -> None:
    """Going back shows the list as it was, with its filter and the row that was opened."""
    page = open_page(f"{viewer.url}/?status=error")
    failed = row(page, record.ids["Settle invoice"])
    failed.click()
    page.get_by_test_id("panel-body").wait_for()
    page.go_back()
    expect(failed).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("trace-row")).to_have_count(1)
    assert query(page) == {"status": ["error"]}


def test_keys_of_the_list(open_page, viewer, record) -> None:
    """The list is walked, filtered and opened with keys alone."""
    page = open_page(viewer.url)
    rows = page.get_by_test_id("trace-row")
    expect(rows).to_have_count(len(record.ids))
    for key, at in [("j", 0), ("j", 1), ("j", 2), ("k", 1), ("End", 5), ("Home", 0), ("k", 0)]:
        page.keyboard.press(key)
        expect(rows.nth(at)).to_have_attribute("aria-selected", "true")

    page.keyboard.press("e")
    expect(rows).to_have_count(1)
    expect(page.get_by_test_id("tab-errors")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("e")
    expect(rows).to_have_count(len(record.ids))

    page.keyboard.press("?")
    expect(page.get_by_test_id("help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("help")).to_have_count(0)

    page.keyboard.press("/")
    expect(page.get_by_test_id("filter")).to_be_focused()
    page.keyboard.type("jeke")
    expect(page.get_by_test_id("no-match")).to_contain_text("jeke")
    page.keyboard.press("Escape")
    expect(rows).to_have_count(len(record.ids))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("filter")).not_to_be_focused()

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("trace-header")).to_contain_text("Big loop")
    page.keyboard.press("Escape")
    expect(rows.first).to_have_attribute("aria-selected", "true")


def test_keys_of_a_trace(open_page, viewer, record) -> None:
    """A trace is walked with keys alone."""
    page = open_page(f"{viewer.url}/t/{record.ids['Settle invoice']}")
    at = selected(page)
    expect(at).to_contain_text("charge_card")
    for key, name in [
        ("k", "gpt-"), ("Home", "Settle invoice"), ("e", "Billing agent"), ("E", "Settle invoice"),
        ("a", "gpt-"), ("h", "turn 1"), ("h", "turn 1"), ("l", "turn 1"), ("l", "gpt-"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(at).to_contain_text(name)
    page.keyboard.press("d")
    expect(page.get_by_test_id("tab-raw")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("\\")
    expect(page.get_by_test_id("detail-panel")).to_have_count(0)
    page.keyboard.press("]")
    expect(page.get_by_test_id("trace-header")).to_contain_text("Blocked question")


def test_filter(open_page, viewer, record) -> None:
    """Words and presets narrow the list, and stand in the address."""
    page = open_page(viewer.url)
    rows = page.get_by_test_id("trace-row")
    page.get_by_test_id("filter").fill("issuer unavailable")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Settle invoice")
    assert query(page) == {"q": ["issuer unavailable"]}
    page.reload()
    expect(page.get_by_test_id("filter")).to_have_value("issuer unavailable")
    expect(rows).to_have_count(1)

    page.get_by_test_id("tab-blocked").click()
    expect(page.get_by_test_id("no-match")).to_be_visible()
    page.get_by_role("button", name="Show all traces").click()
    expect(rows).to_have_count(len(record.ids))
    page.get_by_test_id("tab-blocked").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Blocked question")


def test_filter_words(open_page, viewer, watch) -> None:
    """The box takes status: and the like; a wrong one is told in place of the rows."""
    watch.allow("the server responded with a status of 400")
    page = open_page(viewer.url)
    rows = page.get_by_test_id("trace-row")
    expect(rows).not_to_have_count(0)
    page.get_by_test_id("filter").fill("status:eror")
    failure = page.get_by_test_id("failure")
    expect(failure).to_contain_text("The status 'eror' is none. A trace is one of: running, ok,")
    expect(failure).not_to_contain_text(re.compile("HTTP|400|openapi"))
    expect(rows).to_have_count(0)
    failure.get_by_role("button", name="Show all traces").click()
    expect(rows).not_to_have_count(0)
    page.get_by_test_id("filter").fill('status:blocked name:"Blocked question"')
    expect(rows).to_have_count(1)
    expect(page.get_by_test_id("failure")).to_have_count(0)


def test_costs(open_page, viewer, record) -> None:
    """What is known of a cost is shown, marked where it leaves calls out; what is not is empty."""
    page = open_page(viewer.url)
    cost = viewer.api(f"/traces/{record.ids['Orders']}")["cost_usd"]
    assert cost > 0
    expect(row(page, record.ids["Orders"]).get_by_test_id("cost")).to_have_text(dollars(cost))
    loop = row(page, record.ids["Big loop"]).get_by_test_id("cost")
    expect(loop).to_have_text("")
    expect(loop).to_have_attribute("title", "No model was called")
    odd = row(page, record.ids["Odd"]).get_by_test_id("cost")
    expect(odd).to_have_text("$0.000048+")
    expect(odd).to_have_attribute("title", re.compile("the cost of 1 call, which is not known"))

    row(page, record.ids["Odd"]).click()
    expect(page.get_by_test_id("trace-header").get_by_test_id("cost")).to_have_text("$0.000048+")
    expect(span_row(page, "gpt-4.1").locator(".usd")).to_have_text("$0.000048")
    own = span_row(page, "own-model")
    expect(own.locator(".usd")).to_have_text("")
    expect(own.locator(".tok")).to_have_attribute("title", re.compile("No price known for own-m"))
    own.click()
    shown(page, own.get_attribute("data-span-id")).wait_for()
    page.get_by_test_id("tab-usage").click()
    expect(page.get_by_test_id("panel-body")).to_contain_text("No price known for own-model")


def test_losses(open_page, viewer, record) -> None:
    """A loss is told of its trace and of the store, with its cause, and where the value was."""
    page = open_page(viewer.url)
    odd = row(page, record.ids["Odd"])
    expect(odd.get_by_test_id("incomplete")).to_have_text("incomplete")
    page.get_by_test_id("lost").click()
    expect(page.get_by_test_id("losses")).to_contain_text("queue full (7)")
    page.get_by_test_id("lost").click()
    expect(page.get_by_test_id("losses")).to_have_count(0)

    odd.click()
    told = page.get_by_test_id("incomplete")
    expect(told).to_contain_text("OTLPExporter: queue full (7 items)")
    expect(told).to_contain_text("larger than a line may be (1 item)")
    span_row(page, "download").click()
    expect(page.get_by_test_id("panel-body")).to_contain_text("Not kept: larger than a line may be")


def test_bare(open_page, viewer, record) -> None:
    """A span without data shows when it was, and that nothing else was recorded."""
    page = open_page(f"{viewer.url}/t/{record.ids['Odd']}")
    span_row(page, "bare").click()
    body = shown(page, span_id(viewer, record.ids["Odd"], "bare"))
    expect(body.get_by_test_id("fields")).to_contain_text("started")
    expect(body).to_contain_text("no data")


def test_empty(open_page, view, tmp_path) -> None:
    """An empty store says which it is, and how it is filled."""
    page = open_page(view(tmp_path).url)
    expect(page.get_by_test_id("empty")).to_contain_text("No traces yet")
    expect(page.get_by_test_id("store-path")).to_have_text(str(tmp_path / "traces.duckdb"))


def test_unknown(open_page, viewer, watch) -> None:
    """An address of no trace, or of no page, says so and leads back."""
    watch.allow("the server responded with a status of 404")
    page = open_page(f"{viewer.url}/t/trace_gone")
    expect(page.get_by_test_id("failure")).to_contain_text("There is no such trace")
    expect(page.get_by_test_id("failure")).to_contain_text("trace_gone")
    page.get_by_role("link", name="To the traces").click()
    expect(page.get_by_test_id("trace-table")).to_be_visible()

    page.goto(f"{viewer.url}/t/last?span=span_gone&tab=nothing")
    expect(selected(page)).to_have_count(1)


@THEMES
def test_theme(open_page, viewer, record, theme) -> None:
    """The theme is the system's until another is chosen, which is kept; all work."""
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
    page = open_page(viewer.url, color_scheme=theme)
    button = page.get_by_test_id("theme")
    assert page.evaluate(ground) == {"light": light, "dark": dark}[theme]
    for chosen, colour in [("light", light), ("dark", dark)]:
        button.click()
        expect(button).to_have_attribute("title", f"Theme: {chosen}")
        assert page.evaluate(ground) == colour
        for place in ["", f"t/{record.ids['Settle invoice']}", f"t/{record.ids['Foreign text']}"]:
            page.goto(f"{viewer.url}/{place}")
            expect(button).to_have_attribute("title", f"Theme: {chosen}")
            page.locator("[data-testid=panel-body], [data-testid=trace-row]").first.wait_for()
            assert page.evaluate(ground) == colour


def test_big(open_page, viewer, record) -> None:
    """Ten thousand spans open in a page of at most 2,000 elements, first to last."""
    trace_id = record.ids["Big loop"]
    page = open_page(f"{viewer.url}/t/{trace_id}")
    page.get_by_test_id("panel-body").wait_for()
    expect(page.get_by_test_id("trace-header")).to_contain_text("10,001 spans")
    count = "document.querySelectorAll('*').length"
    assert page.evaluate(count) <= 2000

    page.keyboard.press("L")
    page.keyboard.press("End")
    last = viewer.api(f"/traces/{trace_id}/spans")["columns"]["span_id"][-1]
    expect(selected(page)).to_have_attribute("data-span-id", last)
    expect(selected(page)).to_be_in_viewport()
    expect(page.get_by_test_id("waterfall")).to_have_attribute("aria-rowcount", "10002")
    assert page.evaluate(count) <= 2000


def test_foreign(open_page, viewer, record) -> None:
    """Markup, scripts, terminal escapes and endless lines of a run are text, wherever they show."""
    trace_id = record.ids["Foreign text"]
    page = open_page(viewer.url)
    expect(row(page, trace_id)).to_contain_text(MARKUP)
    row(page, trace_id).locator(".c-input").click()

    expect(page.get_by_test_id("trace-header").locator("h1")).to_have_text(f"Foreign text {MARKUP}")
    expect(page).to_have_title(f"Foreign text {MARKUP} · flightlog")
    columns = viewer.api(f"/traces/{trace_id}/spans")["columns"]
    assert MARKUP in columns["name"]
    for one in columns["span_id"]:
        page.locator(f'[data-span-id="{one}"][role=row]').click()
        body = shown(page, one)
        body.wait_for()
        for tab in page.get_by_role("tab").all():
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            assert page.locator("main :is(img, script, iframe, object, embed)").count() == 0
            assert page.evaluate("document.querySelectorAll('*').length") <= 2000
            assert body.evaluate("body => body.scrollWidth <= body.clientWidth")
    fetch = span_id(viewer, trace_id, "fetch")
    page.goto(f"{viewer.url}/t/{trace_id}?span={fetch}")
    expect(shown(page, fetch)).to_contain_text("\x1b[31mred\x1b]0;owned\x07")
    expect(shown(page, fetch)).to_contain_text(MARKUP)
    assert page.evaluate("globalThis.owned") is None
    assert MARKUP in page.title()


def test_narrow(open_page, viewer, record) -> None:
    """A window as wide as a phone scrolls up and down only, and still tells the cause."""
    page = open_page(viewer.url, viewport={"width": 420, "height": 800})
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    expect(row(page, record.ids["Settle invoice"])).to_contain_text("Card of INV-7 declined")
    assert page.evaluate(sideways) == 0
    for trace_id in record.ids.values():
        page.goto(f"{viewer.url}/t/{trace_id}")
        page.get_by_test_id("panel-body").wait_for()
        assert page.evaluate(sideways) == 0
        assert page.locator("main").evaluate("main => main.scrollWidth - main.clientWidth") == 0
    expect(page.get_by_test_id("detail-panel")).to_be_in_viewport()
