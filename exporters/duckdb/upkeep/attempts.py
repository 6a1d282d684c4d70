"""Attempts: what compaction could not do, remembered so that it does something else meanwhile.

Parts whose merging failed would be chosen again and again, and fail again; they are left alone
for a day. The file is a note, not data: one that cannot be read or written says nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exporters.duckdb.layout import Layout, PartName, parse_part

REST_SECONDS = 86_400.0


@dataclass(slots=True)
class Attempts:
    """What the last compactions could not do.

    Attributes:
        resting: Parts whose merging failed, and the time in seconds until which they rest.
        problems: What went wrong the last time, one sentence each.
        at: When that was, in seconds since the epoch; 0 where nothing is known.
    """

    resting: dict[PartName, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    at: float = 0.0

    def rest(self, parts: Iterable[PartName]) -> None:
        """Leave these parts alone for a while."""
        until = time.time() + REST_SECONDS
        self.resting.update(dict.fromkeys(parts, until))


def attempts_file(layout: Layout) -> Path:
    """Where they are remembered."""
    return layout.root / "compaction.json"


def read_attempts(layout: Layout) -> Attempts:
    """What is remembered, without what is over."""
    found = Attempts()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        said = json.loads(attempts_file(layout).read_bytes())
        found.at = float(said["at"])
        found.problems = [str(problem) for problem in said["problems"]]
        now = time.time()
        for name, until in said["resting"].items():
            if (part := parse_part(name)) is not None and now < float(until) <= now + REST_SECONDS:
                found.resting[part] = float(until)
    return found


def write_attempts(layout: Layout, attempts: Attempts) -> None:
    """Remember them; nothing to remember is no file."""
    path = attempts_file(layout)
    with contextlib.suppress(OSError):
        if not attempts.problems and not attempts.resting:
            path.unlink(missing_ok=True)
            return
        resting = {part.dirname: until for part, until in attempts.resting.items()}
        said = {"at": time.time(), "problems": attempts.problems, "resting": resting}
        draft = layout.tmp / f"attempts-{secrets.token_hex(8)}"
        try:
            draft.write_text(json.dumps(said), encoding="utf-8")
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
