"""The command as a process, on a store that a real program recorded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded_environment(recorded: Any) -> dict[str, str]:
    """The environment of a process that finds that store."""
    return recorded.environ()


@pytest.fixture
def flightlog(recorded: Any) -> Run:
    """Runs the command to its end."""

    def run(
        *words: str, given: str = "", home: Path | None = None, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "viewer", *words],
            env=recorded.environ(home, **changes),
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
