"""The store's formats: what a line of a segment and a row of a part hold.

A segment is newline-delimited JSON in UTF-8, appended only. Every line is one object that begins
with its checksum and its kind:

    {"crc":"9f3c…","k":"span","v":1,"rev":1,"seq":42,"trace_id":…}

`crc` is the CRC-32 (zlib), in eight lower-case hex digits, of the bytes that follow the comma
after it up to and without the newline. `v` is the schema's version. `rev` is 0 for what started
and 1 for what ended; readers keep the highest `rev` of an id. `seq` counts the lines of an `owner`,
which is one process's recorder; an owner that is dead never ends what it left open.

Kinds: `span`, `trace`, `item` (shared content), `loss` (something that could not be kept),
`delivery` (what an exporter delivered or failed to).

Content once: the elements of a model call's `input`, `output` and `tools`, its `instructions`, and
any value over 64 KiB are `item` lines, written once a segment, and the span names them by hash:
`{"input":{"refs":["hash", …]}}` for a list, `{"input":{"ref":"hash"}}` for one value, and
`{"input":{"value":…}}` for a value kept in place. Of a list of more than `LIST_SIZE` elements the
first ones go by lists: `{"input":{"lists":["hash", …],"refs":["hash", …]}}`, where each of `lists`
is an item whose value is a JSON array of exactly `LIST_SIZE` hashes. A loop's next turn names the
same lists, so that the hundredth one does not name every message again. The hash is BLAKE2b of
the value's JSON bytes (16 bytes, hex). `metadata`, `error` and `data` stand in place as they are,
or over 64 KiB as
`{"$ref":"hash"}`; such an error keeps the beginning of its message, and its type, beside the
`$ref`. A value that does not fit into a line of 16 MiB is replaced by
`{"flightlog.lost":"reason","bytes":n}` and counted by a `loss` line. A segment holds every item
that its lines refer to, so a segment or part can be deleted, moved or lost without taking content
from another one.

Schema changes only add: a column is never renamed or retyped, and an unknown key is ignored.
Schema 2 added `lists`, the kind `delivery`, `first_token_ns` and the file of `SUMMARY`.
"""

from __future__ import annotations

from typing import NamedTuple

FORMAT = 1
SCHEMA = 2
LIST_SIZE = 64
INLINE_LIMIT = 64 * 1024
LINE_LIMIT = 16 * 1024 * 1024


class Field(NamedTuple):
    """A column of `data.parquet` and a key of a line, with its DuckDB type and meaning."""

    name: str
    type: str
    comment: str


RECORD: tuple[Field, ...] = (
    Field("k", "VARCHAR", "span, trace, loss or delivery"),
    Field("v", "UTINYINT", "version of the schema that wrote the line"),
    Field("rev", "UTINYINT", "0 as it started, 1 as it ended"),
    Field("seq", "BIGINT", "number of the line within its owner"),
    Field("owner", "VARCHAR", "the recorder that wrote it: host, process id and random digits"),
    Field("trace_id", "VARCHAR", "the trace"),
    Field("span_id", "VARCHAR", "the span; null for a trace"),
    Field("parent_id", "VARCHAR", "the span it is nested in"),
    Field("trace_name", "VARCHAR", "name of the trace"),
    Field("group_id", "VARCHAR", "ties traces together, such as the turns of one chat"),
    Field("metadata", "JSON", "metadata of the trace"),
    Field("name", "VARCHAR", "name of the span"),
    Field("type", "VARCHAR", "agent, generation, response, function, handoff, guardrail, …"),
    Field("start_ns", "BIGINT", "start, nanoseconds since the epoch"),
    Field("end_ns", "BIGINT", "end; null while it runs"),
    Field("status", "VARCHAR", "running, ok, error or cancelled, as recorded"),
    Field("error", "JSON", "message and data of an error"),
    Field("model", "VARCHAR", "model that was called"),
    Field("input_tokens", "BIGINT", "tokens sent, cached ones included"),
    Field("output_tokens", "BIGINT", "tokens received, reasoning included"),
    Field("cached_tokens", "BIGINT", "tokens sent that the server had cached"),
    Field("reasoning_tokens", "BIGINT", "tokens received that were reasoning"),
    Field("input", "JSON", "value, ref or refs of what went in"),
    Field("output", "JSON", "value, ref or refs of what came out"),
    Field("instructions", "JSON", "value or ref of a model call's instructions"),
    Field("tools", "JSON", "refs of the tool definitions of a model call"),
    Field("data", "JSON", "all else that the span's type has"),
    Field("attributes", "MAP(VARCHAR, VARCHAR)", "what the program set on the span"),
    Field("exporter", "VARCHAR", "of a loss or delivery: whose"),
    Field("reason", "VARCHAR", "of a loss or a failed delivery: why"),
    Field("items", "BIGINT", "of a loss or delivery: how many spans and traces, or values"),
    Field("first_token_ns", "BIGINT", "when the first token of a streamed answer came"),
)


class Derived(NamedTuple):
    """A column that is made of others, so that files can be pruned by it and people can read it."""

    name: str
    type: str
    expression: str


DERIVED: tuple[Derived, ...] = (
    Derived("start_time", "TIMESTAMPTZ", "make_timestamptz(start_ns // 1000)"),
    Derived("end_time", "TIMESTAMPTZ", "make_timestamptz(end_ns // 1000)"),
    Derived("duration_ms", "DOUBLE", "(end_ns - start_ns) / 1e6"),
)

ITEM: tuple[Field, ...] = (
    Field("hash", "VARCHAR", "BLAKE2b-128 of the value's JSON, in hex"),
    Field("value", "JSON", "the content"),
)

# One row for each trace that has rows in the part, so that lists, searches for one trace and
# retention know where to look without reading spans. A part of schema 1 has no such file.
SUMMARY: tuple[Field, ...] = (
    Field("trace_id", "VARCHAR", "the trace"),
    Field("name", "VARCHAR", "its name"),
    Field("group_id", "VARCHAR", "its group"),
    Field("spans", "BIGINT", "how many spans the part has of it, open ones included"),
    Field("start_ns", "BIGINT", "its earliest start in the part; 0 where none is known"),
    Field("end_ns", "BIGINT", "its latest end in the part"),
    Field("ended", "BOOLEAN", "whether the part holds the end of the trace itself"),
    Field("open", "BOOLEAN", "whether the part has open rows of it"),
    Field("trouble", "BOOLEAN", "whether the part holds an error or a tripped guardrail of it"),
)
