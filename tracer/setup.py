"""The provider in use."""

from __future__ import annotations

import threading

from tracer.provider import DefaultTraceProvider, TraceProvider

_lock = threading.RLock()
_provider: TraceProvider | None = None


def get_trace_provider() -> TraceProvider:
    """The provider in use; ours is made when it is first asked for."""
    global _provider
    provider = _provider
    if provider is None:
        with _lock:
            if _provider is None:
                _provider = DefaultTraceProvider()
            provider = _provider
    return provider


def set_trace_provider(provider: TraceProvider) -> None:
    """Use another provider from now on."""
    global _provider
    with _lock:
        _provider = provider
