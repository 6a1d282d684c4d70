"""Ids: the one place where the tracer draws random numbers."""

from __future__ import annotations

import os
import time
from typing import Protocol


class Ids(Protocol):
    """Makes ids in the wire format of OpenAI's tracing backend."""

    def trace_id(self) -> str:
        """`trace_` and 32 lower-case hex digits."""
        ...

    def span_id(self) -> str:
        """`span_` and 24 lower-case hex digits."""
        ...

    def group_id(self) -> str:
        """`group_` and 24 lower-case hex digits."""
        ...


class RandomIds:
    """Ids from the system's randomness, so that a forked child never repeats its parent's.

    A trace id begins with 48 bits of milliseconds, which lets the store find a trace by the time
    range that a file's name carries, and 80 random bits make it unique.
    """

    def trace_id(self) -> str:
        """A new trace id."""
        return f"trace_{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"

    def span_id(self) -> str:
        """A new span id."""
        return "span_" + os.urandom(12).hex()

    def group_id(self) -> str:
        """A new group id."""
        return "group_" + os.urandom(12).hex()
