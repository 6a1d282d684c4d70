"""The page while runs are recorded, killed, and the server stops, in a real browser."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

STEPPER = Path(__file__).with_name("stepper.py")


class Flight:
    """A program that records a trace step by step, when it is told to."""

    def __init__(self, name: str, environ: dict[str, str]) -> None:
        command = [sys.executable, str(STEPPER), name]
        self.process = subprocess.Popen(
            command, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._answer() == "ready"

    def do(self, step: str) -> None:
        """Take a step, and come back when it is recorded."""
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        assert self._answer() == step.split()[0]

    def _answer(self) -> str:
        return self.process.stdout.readline().strip()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def fly(environ_of, tmp_path) -> Iterator:
    """Starts flights that record into the test's own folder."""
    flights = []

    def start(name: str) -> Flight:
        flights.append(Flight(name, environ_of(tmp_path)))
        return flights[-1]

    yield start
    for flight in flights:
        flight.stop()


def test_running(open_page, view, fly, tmp_path) -> None:
    """A running trace is followed to its end, in the list and on its page, without reloading."""
    viewer = view(tmp_path)
    page = open_page(viewer.url)
    expect(page.get_by_test_id("empty")).to_be_visible()
    expect(page.get_by_test_id("live-indicator")).to_have_attribute("data-state", "live")
    page.evaluate("globalThis.loadedOnce = true")

    flight = fly("Long haul")
    flight.do("open Pilot")
    rows = page.get_by_test_id("trace-row")
    expect(rows).to_contain_text("Long haul")
    expect(rows).to_have_attribute("data-status", "running")

    rows.click()
    status = page.get_by_test_id("trace-header").get_by_test_id("status")
    spans = page.get_by_test_id("span-row")
    expect(status).to_have_text("running")
    expect(spans).to_have_count(1)
    expect(spans.locator(".growing")).to_have_count(1)
    flight.do("tool climb")
    expect(spans).to_have_count(2)
    expect(spans.nth(1)).to_have_attribute("data-status", "running")
    flight.do("end")
    expect(spans.nth(1)).to_have_attribute("data-status", "ok")
    flight.do("tool land")
    expect(spans).to_have_count(3)
    for step in ("end", "end", "close"):
        flight.do(step)
    expect(status).to_have_text("ok")
    expect(page.locator('[data-testid="span-row"][data-status="ok"]')).to_have_count(3)
    expect(spans.locator(".growing")).to_have_count(0)
    page.go_back()
    expect(rows).to_have_attribute("data-status", "ok")
    assert page.evaluate("globalThis.loadedOnce") is True


def test_new_rows(open_page, view, fly, tmp_path) -> None:
    """Rows that come while the pointer is on the list wait for a click, so that none jumps.

    The middle of the only row is where the pill appears: the pointer then leaves the rows for it.
    """
    fly("First").do("close")
    page = open_page(view(tmp_path).url)
    rows = page.get_by_test_id("trace-row")
    pill = page.get_by_test_id("new-rows")
    rows.hover()
    fly("Second").do("close")
    expect(pill).to_contain_text("1 new")
    expect(page.locator(".pill:hover")).to_be_visible()
    fly("Third").do("close")
    expect(pill).to_contain_text("2 new")
    expect(rows).to_have_count(1)
    pill.click()
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("Third")


def test_killed(open_page, view, fly, tmp_path) -> None:
    """A run whose process is killed is shown as interrupted, while the page is open."""
    flight = fly("Lost")
    flight.do("open Pilot")
    page = open_page(f"{view(tmp_path).url}/t/last")
    status = page.get_by_test_id("trace-header").get_by_test_id("status")
    expect(status).to_have_text("running")
    flight.process.kill()
    expect(status).to_have_text("interrupted")
    banner = page.get_by_test_id("banner")
    expect(banner).to_contain_text("ended, or was killed, without ending this trace")
    expect(banner).to_contain_text(f"process {flight.process.pid} on ")
    expect(page.get_by_test_id("span-row")).to_have_attribute("data-status", "interrupted")


def test_stopped(open_page, view, record, watch) -> None:
    """A server that stops is told of while what is loaded stays; it comes back by itself."""
    watch.allow("net::ERR_")
    viewer = view(record.home)
    port = urlsplit(viewer.url).port
    page = open_page(viewer.url)
    rows = page.get_by_test_id("trace-row")
    expect(rows).to_have_count(len(record.ids))
    expect(page.get_by_test_id("live-indicator")).to_have_attribute("data-state", "live")

    viewer.stop()
    expect(page.get_by_test_id("offline")).to_contain_text("flightlog stopped")
    expect(page.get_by_test_id("live-indicator")).to_have_attribute("data-state", "offline")
    expect(rows).to_have_count(len(record.ids))
    page.keyboard.press("j")
    expect(rows.first).to_have_attribute("aria-selected", "true")

    view(record.home, port)
    expect(page.get_by_test_id("offline")).to_have_count(0)
    expect(page.get_by_test_id("live-indicator")).to_have_attribute("data-state", "live")
    rows.last.click()
    page.get_by_test_id("panel-body").wait_for()
