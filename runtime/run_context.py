"""What a run carries for the user: their own object, and what was consumed so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic

from typing_extensions import TypeVar

from runtime.usage import Usage

TContext = TypeVar("TContext", default=Any)


@dataclass(eq=False)
class RunContextWrapper(Generic[TContext]):
    """The user's context object beside the usage of the run.

    It goes to every tool, hook, guardrail and handoff, and never to a model.
    While a run streams, `usage` lags until the last piece of a response has arrived.
    """

    context: TContext
    usage: Usage = field(default_factory=Usage)
