"""Types of the REST API's bodies, for its OpenAPI document. `viewer.wire` makes the bodies."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from exporters.store import SpanStatus, TraceStatus

MAX_SQL = 100_000
MAX_ROWS = 100_000
MAX_TIMEOUT_MS = 60_000
QUESTION_ID = "^[A-Za-z0-9_-]{1,100}$"


class Health(BaseModel):
    """The server answers."""

    status: str
    version: str


class Store(BaseModel):
    """The store that is looked at."""

    path: str
    size_bytes: int
    schema_: Annotated[int, Field(alias="schema")]


class Counts(BaseModel):
    """How much is in the store."""

    traces: int
    spans: int


class Meta(BaseModel):
    """Facts about server and store; `losses` counts what was not recorded, by reason."""

    version: str
    store: Store
    counts: Counts
    losses: dict[str, int]
    now_us: int


class Cause(BaseModel):
    """The span where a trace's trouble began."""

    span_id: str | None
    name: str
    type: str
    message: str


class Lost(BaseModel):
    """What of a trace an exporter did not keep or deliver; the store is the one named `duckdb`."""

    exporter: str
    reason: str
    items: int


class LastSign(BaseModel):
    """The last that an interrupted trace recorded, and in which process of which machine."""

    at_us: int
    host: str | None
    pid: int | None


class Trace(BaseModel):
    """One trace; `input` and `output` are short previews in plain text.

    `cost_usd` leaves out the calls that `unpriced_calls` counts, and is null if none has a price.
    """

    trace_id: str
    name: str
    status: TraceStatus
    group_id: str | None
    metadata: dict[str, Any]
    start_us: int
    end_us: int | None
    duration_ms: float | None
    span_count: int
    error_count: int
    handled_errors: int
    input: str | None
    output: str | None
    first_cause: Cause | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int
    models: list[str]
    incomplete: bool
    lost: list[Lost]
    last_sign: LastSign | None


class TraceList(BaseModel):
    """A page of traces, newest first; `next_cursor` is null on the last one."""

    traces: list[Trace]
    next_cursor: str | None


class SpanColumns(BaseModel):
    """One list a column, one index a span: a parent before its children, siblings by start.

    `parent` is the index of the parent's row, -1 for none. `start_us` counts from `origin_us`;
    `dur_us` is null while the span runs, and when its end is not known.
    """

    span_id: list[str]
    parent: list[int]
    depth: list[int]
    name: list[str]
    type: list[str]
    status: list[SpanStatus]
    start_us: list[int]
    dur_us: list[int | None]
    detail: list[str | None]
    error: list[str | None]
    model: list[str | None]
    input_tokens: list[int | None]
    output_tokens: list[int | None]
    cost_usd: list[float | None]


class Skeleton(BaseModel):
    """Every span of a trace, without payloads."""

    trace_id: str
    origin_us: int
    now_us: int
    count: int
    columns: SpanColumns


class SpanError(BaseModel):
    """What went wrong in a span; a recorded exception has type, stack and causes in `data`."""

    message: str
    data: Any


class Span(BaseModel):
    """One span whole, as it was recorded."""

    span_id: str
    parent_id: str | None
    trace_id: str
    trace_name: str | None
    name: str
    type: str
    status: SpanStatus
    start_us: int
    end_us: int | None
    duration_ms: float | None
    detail: str | None
    model: str | None
    cost_usd: float | None
    input: Any
    output: Any
    error: SpanError | None
    usage: dict[str, Any] | None
    data: dict[str, Any]
    attributes: dict[str, str]


class SqlRequest(BaseModel):
    """One reading statement. `params` fill `$1`, `$2`, … (a list) or `$name` (an object).

    With an `id` that the client made up, `DELETE /api/v1/sql/{id}` cancels it.
    """

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[str, Field(max_length=MAX_SQL)]
    params: list[Any] | dict[str, Any] = []
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 1000
    timeout_ms: Annotated[int, Field(ge=1, le=MAX_TIMEOUT_MS)] = 10_000
    id: Annotated[str, Field(pattern=QUESTION_ID)] | None = None


class SqlColumn(BaseModel):
    """A column; `type` is the engine's name for it."""

    name: str
    type: str


class SqlAnswer(BaseModel):
    """Rows of a query. Numbers that a double cannot hold exactly are strings."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    elapsed_ms: float


class Problem(BaseModel):
    """What went wrong with a request (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    position: int | None = None
