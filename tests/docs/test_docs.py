"""Every code block of the README and of docs/ runs, as it is written."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporters import sql
from runtime.testing import OpenAIStub, Reply, StubRequest, openai_stub, text, tool_call

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Setting up is tested by tests/setup; the test command cannot run itself.
ELSEWHERE = {"sh scripts/demo", "sh scripts/test", "pip install .", ". .venv/bin/activate"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    code: str


def blocks(*languages: str) -> list[Any]:
    """The blocks in these languages, named by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            block = Block(page.name, text[: match.start()].count("\n") + 1, match[1], match[2])
            if block.language in languages:
                found.append(pytest.param(block, id=f"{block.page}:{block.line}"))
    return found


def obliging(request: StubRequest) -> Reply:
    """A model that calls the first tool it is offered, once, and then answers."""
    if request.tool_names and not request.tool_outputs:
        tool = request.body["tools"][0]
        schema = tool.get("parameters") or tool["function"]["parameters"]
        return tool_call(request.tool_names[0], dict.fromkeys(schema["properties"], "x"))
    return text("Certainly.")


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    """The model that the pages' programs talk to."""
    with openai_stub(obliging) as stub:
        yield stub


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the demo has run."""
    home = tmp_path_factory.mktemp("flown")
    command = [str(Path(sys.executable).with_name("flightlog")), "demo"]
    done = subprocess.run(
        command, env=environ(home), capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    return home


def environ(home: Path, **more: str) -> dict[str, str]:
    """The environment of a reader of the pages: an empty home, and the venv's programs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "FLIGHTLOG_HOME": str(home / "flightlog"), **more}


@pytest.mark.parametrize("block", blocks("python"))
def test_python(block: Block, stub: OpenAIStub, tmp_path: Path, flown: Path) -> None:
    """A Python block runs to its end, and what it records or asks for is found."""
    asks = "from exporters import sql" in block.code
    home = flown if asks else tmp_path
    env = environ(home, OPENAI_API_KEY="sk-docs", OPENAI_BASE_URL=stub.base_url)

    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", block.code],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if asks:
        assert (done.stdout + done.stderr).strip()
    elif "Capture" not in block.code:
        store = tmp_path / "flightlog" / "traces.duckdb"
        assert len(list(sql("SELECT trace_id FROM traces", store=store))) == 1


@pytest.mark.parametrize("block", blocks("sh"))
def test_shell(block: Block, flown: Path, tmp_path: Path) -> None:
    """A shell block works on the demo's store; what serves answers until it is stopped."""
    for line in block.code.strip().splitlines():
        if line in ELSEWHERE:
            continue
        command = line
        if command == "flightlog view":
            check_view(flown, tmp_path)
            continue
        done = subprocess.run(
            ["sh", "-ec", command],
            env=environ(flown),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).strip()


def check_view(home: Path, cwd: Path) -> None:
    """`flightlog view` prints where it serves, and serves there."""
    with subprocess.Popen(
        ["flightlog", "view", "--no-browser", "--port", "0"],
        env=environ(home),
        executable=Path(sys.executable).with_name("flightlog"),
        cwd=cwd,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            assert found
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    with urllib.request.urlopen(found[0], timeout=60) as answer:
                        assert answer.status == 200
                        break
                except ConnectionError:
                    time.sleep(0.05)
        finally:
            server.send_signal(signal.SIGINT)


@pytest.mark.parametrize("block", blocks("sql"))
def test_sql(block: Block, flown: Path) -> None:
    """A query of the pages finds something in the demo's store."""
    store = flown / "flightlog" / "traces.duckdb"

    assert list(sql(block.code, store=store))


def test_every_block_is_tested() -> None:
    """There is no block in a language that no test runs."""
    known = blocks("python", "sh", "sql", "text")

    assert len(known) == len(blocks("python", "sh", "sql", "text", "", "bash", "console", "json"))


def test_demo_is_in_the_readme() -> None:
    """The commands that are tested elsewhere are in the README as they are tested."""
    lines = [line for block in blocks("sh") for line in block.values[0].code.splitlines()]

    assert set(lines) >= ELSEWHERE
    assert all(shlex.split(line) for line in lines)


def test_every_setting_is_documented() -> None:
    """The README's table has every variable that the settings are read from, and no other."""
    source = (ROOT / "tracer" / "config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'"((?:FLIGHTLOG|OPENAI)_[A-Z_]+)"', source))
    table = set(
        re.findall(r"^\| `([A-Z_]+)` \|", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE)
    )

    assert table == read
