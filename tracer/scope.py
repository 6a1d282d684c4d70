"""The current trace and span by hand, for code that carries them itself."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from tracer import context
from tracer.setup import get_trace_provider
from tracer.spans import Span
from tracer.traces import Trace


class Scope:
    """Reads and sets what is current in this context."""

    @classmethod
    def get_current_span(cls) -> Span[Any] | None:
        """The current span."""
        return get_trace_provider().get_current_span()

    @classmethod
    def set_current_span(cls, span: Span[Any] | None) -> Token[Any]:
        """Make a span current; None leaves its trace current."""
        return context.put(span if span is not None else cls.get_current_trace())

    @classmethod
    def reset_current_span(cls, token: Token[Any]) -> None:
        """Undo `set_current_span`."""
        context.undo(token)

    @classmethod
    def get_current_trace(cls) -> Trace | None:
        """The current trace."""
        return get_trace_provider().get_current_trace()

    @classmethod
    def set_current_trace(cls, trace: Trace | None) -> Token[Any]:
        """Make a trace current, with no span in it."""
        return context.put(trace)

    @classmethod
    def reset_current_trace(cls, token: Token[Any]) -> None:
        """Undo `set_current_trace`."""
        context.undo(token)
