"""Ids: 16 and 8 bytes in OpenTelemetry, `trace_<32 hex>` and `span_<24 hex>` here. Pure."""

from __future__ import annotations

import re
from hashlib import blake2b

_TRACE = re.compile(r"trace_([0-9a-fA-F]{32})")
_SPAN = re.compile(r"span_([0-9a-fA-F]{24})")
_HEX_TRACE = re.compile(r"[0-9a-fA-F]{32}")
_HEX_SPAN = re.compile(r"[0-9a-fA-F]{16}")
_PAD = 8


def to_trace_id(trace_id: str) -> str:
    """32 hex digits: those of an id of ours, else a hash of the whole id."""
    match = _TRACE.fullmatch(trace_id)
    if match is not None and int(match[1], 16):
        return match[1].lower()
    return _hashed(trace_id, 16)


def to_span_id(trace_id: str, span_id: str) -> str:
    """16 hex digits: the first ones of an id of ours, else a hash of the trace's id and its own."""
    match = _SPAN.fullmatch(span_id)
    if match is not None and int(match[1][:16], 16):
        return match[1][:16].lower()
    return _hashed(f"{trace_id}|{span_id}", 8)


def root_id(trace_id: str, start_ns: int) -> str:
    """The id of the span that stands for a trace, of which OpenTelemetry has none.

    The start is part of it because a trace id may be used for several runs.
    """
    return _hashed(f"{trace_id}|root|{start_ns}", 8)


def from_trace_id(text: str) -> str | None:
    """The trace id of ours for 32 hex digits; None where they are no id."""
    if _HEX_TRACE.fullmatch(text) and int(text, 16):
        return f"trace_{text.lower()}"
    return None


def from_span_id(trace_text: str, text: str) -> str | None:
    """The span id of ours for 16 hex digits; None where they are no id.

    OpenTelemetry's are unique within their trace only, so the trace's last digits fill it up.
    """
    if _HEX_SPAN.fullmatch(text) and int(text, 16):
        return f"span_{text.lower()}{trace_text[-_PAD:].lower()}"
    return None


def _hashed(text: str, size: int) -> str:
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()
    return digest if int(digest, 16) else "1".zfill(2 * size)
