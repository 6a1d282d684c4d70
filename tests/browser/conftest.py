"""A store of real runs, the real server in a process of its own, and a browser that tells all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

HERE = Path(__file__).parent
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def environ(home: Path) -> dict[str, str]:
    """The environment of a process whose user data is in this folder."""
    ours = ("FLIGHTLOG_", "OPENAI_", "OTEL_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"HOME": str(home), "FLIGHTLOG_HOME": str(home), "NO_PROXY": "*"}


@pytest.fixture
def environ_of() -> Callable[[Path], dict[str, str]]:
    """The environment of a process, by the folder of its user data."""
    return environ


@dataclass(frozen=True)
class Record:
    """A folder of user data, and the ids of the traces in it by name."""

    home: Path
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The store's catalog file."""
        return self.home / "traces.duckdb"


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Runs that went well, failed, were blocked, mean ill, and one of 10,000 spans."""
    home = tmp_path_factory.mktemp("recorded")
    command = [sys.executable, str(HERE / "record.py")]
    done = subprocess.run(
        command, env=environ(home), stdout=subprocess.PIPE, text=True, check=True, timeout=150
    )
    return Record(home, json.loads(done.stdout.splitlines()[-1]))


@dataclass
class Viewer:
    """`flightlog view` in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def api(self, path: str) -> Any:
        """What the server answers below `/api/v1`."""
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=60) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()


View = Callable[..., Viewer]


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    """Starts viewers, and ends them after the module's tests."""
    with contextlib.ExitStack() as stack:

        def start(home: Path, port: int = 0) -> Viewer:
            command = [sys.executable, "-m", "viewer", "view", "--no-browser", "--port", str(port)]
            process = subprocess.Popen(
                command, env=environ(home), stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            viewer = Viewer(process, process.stdout.readline().strip().rstrip("/"))
            stack.callback(viewer.stop)
            return viewer

        yield start


@pytest.fixture(scope="module")
def viewer(view: View, record: Record) -> Viewer:
    """The viewer of the recorded runs; no test stops it or adds to its store."""
    return view(record.home)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium as the system has it; it finds no host but this machine."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    path = next(filter(None, found), None)
    assert path, "No Chromium is on the PATH. The page is tested in one. Install chromium."
    home = environ(tmp_path_factory.mktemp("browser"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGS, env=home)
        yield chromium
        chromium.close()


@dataclass
class Watch:
    """What pages did that they should not: other hosts asked, words on the console, dialogs."""

    seen: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Expect lines of the console that match."""
        self.allowed.append(pattern)

    def on(self, context: BrowserContext) -> None:
        """Watch every page of a context."""
        context.on("request", lambda request: self.request(request.url))
        context.on("console", lambda message: self.say(f"console {message.type}: {message.text}"))
        context.on("weberror", lambda error: self.say(f"error: {error.error}"))
        context.on(
            "dialog", lambda dialog: (self.say(f"dialog: {dialog.message}"), dialog.accept())
        )

    def request(self, url: str) -> None:
        """A request was made."""
        if not re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:", url):
            self.say(f"request: {url}")

    def say(self, what: str) -> None:
        """Something happened."""
        self.seen.append(what)

    def faults(self) -> list[str]:
        """What no test expected."""
        known = [re.compile(pattern) for pattern in self.allowed]
        return [line for line in self.seen if not any(one.search(line) for one in known)]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test if a page asked another host or had anything to say on the console."""
    watch = Watch()
    yield watch
    assert watch.faults() == []


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[Open]:
    """Opens an address in a fresh browser profile; `like` sets theme, viewport and so on."""
    with contextlib.ExitStack() as stack:

        def open_at(url: str, **like: Any) -> Page:
            size = {"width": 1440, "height": 900}
            context = browser.new_context(**({"viewport": size, "color_scheme": "light"} | like))
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            watch.on(context)
            page = context.new_page()
            page.goto(url)
            return page

        yield open_at
