"""News of traces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response, StreamingResponse

from viewer.routes.given import GivenLive, may_fail

router = APIRouter(tags=["events"])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=may_fail()
    | {
        200: {
            "description": (
                "Server-sent events. `change` has `{trace_ids: [...]}`, at most four a second; "
                "`ping` comes first and after every 15 quiet seconds. An event's id is where "
                "`Last-Event-ID` resumes."
            ),
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def events(
    live: GivenLive, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Which traces are new or changed, as it happens."""
    return StreamingResponse(
        live.stream(last_event_id),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
