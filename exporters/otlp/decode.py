"""From OTLP in JSON to records: ours restored exactly, those of other tools understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from exporters.otlp.foreign import records_of
from exporters.otlp.mapping import PREFIX
from exporters.otlp.raw import RawSpan, Rejected, is_document, raw_spans
from exporters.record import BadRecordError, Kept, from_fields

__all__ = ["Rejected", "decode_document", "is_document"]

_TYPE = "span_type"
_JSON = ("input", "output", "instructions", "tools", "data", "metadata", "error", "attributes")
_PLAIN = (
    *("k", "trace_id", "span_id", "parent_id", "trace_name", "group_id", "name", "status", "model"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "first_token_ns"),
    *("exporter", "reason", "items", "owner", "seq"),
)


def decode_document(document: Mapping[str, Any]) -> Iterator[Kept | Rejected]:
    """The records of a document, and what in it is no span.

    Spans of other tools come last: what they say of their trace is said on any of its spans.
    """
    foreign: dict[str, list[RawSpan]] = {}
    for number, found in enumerate(raw_spans(document), 1):
        if isinstance(found, Rejected):
            yield found
        elif f"{PREFIX}k" in found.attributes:
            yield _restored(found, number)
        else:
            foreign.setdefault(found.trace_id, []).append(found)
    for spans in foreign.values():
        yield from records_of(spans)


def _restored(raw: RawSpan, number: int) -> Kept | Rejected:
    """The record that our own export was made of."""
    said = raw.attributes
    fields: dict[str, Any] = {key: said.get(f"{PREFIX}{key}") for key in _PLAIN}
    fields["type"] = said.get(f"{PREFIX}{_TYPE}")
    fields |= {"start_ns": raw.start_ns, "end_ns": raw.end_ns}
    if fields["status"] == "running":
        fields["end_ns"] = None
    if fields["status"] is None:
        del fields["status"]
    try:
        for key in _JSON:
            text = said.get(f"{PREFIX}{key}")
            if isinstance(text, str):
                fields[key] = orjson.loads(text)
        return from_fields(fields)
    except BadRecordError as error:
        return Rejected(f"span {number}", str(error))
    except orjson.JSONDecodeError:
        return Rejected(f"span {number}", "an attribute of it that has to be JSON was cut")
