"""A store that a real program recorded, and the command as a process."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = """
import tracer

with tracer.trace("support", group_id="chat", metadata={"user": "u1"}):
    with tracer.agent_span("triage"):
        with tracer.function_span("lookup", input='{"order": 7}') as span:
            span.span_data.output = "shipped"
with tracer.trace("quiet"):
    with tracer.custom_span("work", {"a": 1}):
        pass
try:
    with tracer.trace("refund \\x1b]0;owned\\x07"):
        with tracer.custom_span("pay"):
            raise RuntimeError("card was declined\\nby the bank \\x1b[31m")
except RuntimeError:
    pass
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Recorded:
    """A folder of user data with a store in it."""

    home: Path

    @property
    def store(self) -> Path:
        """The store's catalog file."""
        return self.home / "traces.duckdb"


def environment(home: Path, **changes: str) -> dict[str, str]:
    """What a process needs to find that folder and no other."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLIGHTLOG_")}
    return kept | {"FLIGHTLOG_HOME": str(home), "HOME": str(home)} | changes


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A store with three traces: one that went well, one without much, one that failed."""
    home = tmp_path_factory.mktemp("home")
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment(home), check=True, timeout=30)
    return Recorded(home)


@pytest.fixture
def recorded_environment(recorded: Recorded) -> dict[str, str]:
    """The environment of a process that finds that store."""
    return environment(recorded.home)


@pytest.fixture
def flightlog(recorded: Recorded) -> Run:
    """Runs the command to its end."""

    def run(
        *words: str, given: str = "", home: Path = recorded.home, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "viewer", *words],
            env=environment(home, **changes),
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run
