"""Traces and their spans."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from exporters.store import StoreError, TracePage, TraceQuery, TraceStore
from viewer.encoding import to_json
from viewer.filter import Filter, FilterError, parse_text, statuses
from viewer.json_response import JsonResponse
from viewer.problems import BadRequestError
from viewer.routes.given import GivenStore, may_fail
from viewer.shapes import Skeleton, Span, Trace, TraceList
from viewer.wire import skeleton, span_json, trace_json

router = APIRouter(tags=["traces"])
_FARTHEST_US = 9_000_000_000_000_000  # in nanoseconds it still is a 64-bit integer
_LONGEST = 1000

TraceId = Annotated[str, Path(max_length=_LONGEST, description="An id, or `last`.")]
SpanId = Annotated[str, Path(max_length=_LONGEST)]
Text = Annotated[str | None, Query(max_length=_LONGEST)]
Time = Annotated[int | None, Query(ge=-_FARTHEST_US, le=_FARTHEST_US)]


@router.get("/traces", response_model=TraceList, responses=may_fail(400))
def search(  # noqa: PLR0913 (one parameter a filter)
    store: GivenStore,
    status: Annotated[
        str | None, Query(max_length=_LONGEST, description="Statuses, separated by commas.")
    ] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=_LONGEST,
            description="Text in name, id, previews or cause; `status:error,blocked`, `group:ID` "
            'and `name:"NAME"` in it narrow as the parameters do, which win.',
        ),
    ] = None,
    group: Text = None,
    name: Text = None,
    since_us: Time = None,
    until_us: Time = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Text = None,
) -> Response:
    """Traces that match, newest first."""
    found = _filter(q or "", status or "")
    query = TraceQuery(
        status=found.status,
        group_id=group or found.group_id,
        name=name or found.name,
        text=found.text,
        since_ns=None if since_us is None else since_us * 1000,
        until_ns=None if until_us is None else until_us * 1000,
        limit=limit,
        cursor=cursor or None,
    )
    page = _page(store, query)
    traces = [trace_json(row) for row in page.traces]
    return JsonResponse({"traces": traces, "next_cursor": page.next_cursor})


def _page(store: TraceStore, query: TraceQuery) -> TracePage:
    """What a search gives; where it works without its cursor, the cursor was the client's fault."""
    try:
        return store.search(query)
    except StoreError as error:
        if query.cursor is None:
            raise
        store.search(replace(query, cursor=None, limit=1))
        raise BadRequestError(str(error)) from error


@router.get("/traces/{trace_id}", response_model=Trace, responses=may_fail(400, 404))
def trace(store: GivenStore, trace_id: TraceId) -> Response:
    """One trace."""
    return JsonResponse(trace_json(store.get(trace_id)))


@router.get("/traces/{trace_id}/spans", response_model=Skeleton, responses=may_fail(400, 404))
def spans(store: GivenStore, trace_id: TraceId) -> Response:
    """Every span of a trace, in tree order and columns, without payloads."""
    row = store.get(trace_id)
    return JsonResponse(skeleton(row, store.spans(row.trace_id), now_ns=time.time_ns()))


@router.get(
    "/traces/{trace_id}/spans/{span_id}",
    response_model=Span,
    responses=may_fail(400, 404) | {304: {"description": "It is as it was."}},
)
def span(
    store: GivenStore,
    trace_id: TraceId,
    span_id: SpanId,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One span whole, payloads included; one that ended has an ETag."""
    if trace_id == "last":
        trace_id = store.get(trace_id).trace_id
    detail = store.span(trace_id, span_id)
    body = to_json(span_json(detail))
    if detail.row.end_ns is None:
        return _answer(body, {"cache-control": "no-store"})
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if _matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return _answer(body, headers)


def _answer(body: bytes, headers: dict[str, str]) -> Response:
    return Response(body, headers=headers, media_type="application/json")


def _matches(header: str | None, tag: str) -> bool:
    given = [part.strip().removeprefix("W/") for part in (header or "").split(",")]
    return tag in given or "*" in given


def _filter(text: str, status: str) -> Filter:
    """What a filter asks for; statuses that are given beside it win."""
    try:
        found = parse_text(text)
        given = statuses(name for part in status.split(",") if (name := part.strip()))
    except FilterError as error:
        raise BadRequestError(str(error)) from error
    return replace(found, status=given) if given else found
