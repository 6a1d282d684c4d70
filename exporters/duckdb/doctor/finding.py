"""What a doctor says: one thing that was seen, what it means, and what to do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["trouble", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: A name for it that does not change.
        title: It in a line.
        seen: The value that was seen, and where.
        means: What follows from it.
        step: What to do next.
        level: `trouble` keeps traces from being there, now or soon; a `note` does not.
    """

    code: str
    title: str
    seen: str
    means: str
    step: str
    level: Level = "trouble"


def word(path: Path | str) -> str:
    """A path as one word of a shell."""
    return shlex.quote(str(path))
