"""What every route is given."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Request

from exporters.store import TraceStore
from viewer.live import Live
from viewer.shapes import Problem


async def _store(request: Request) -> TraceStore:
    return cast(TraceStore, request.app.state.store)


async def _live(request: Request) -> Live:
    return cast(Live, request.app.state.live)


async def _version(request: Request) -> str:
    return cast(str, request.app.version)


GivenStore = Annotated[TraceStore, Depends(_store)]
GivenLive = Annotated[Live, Depends(_live)]
GivenVersion = Annotated[str, Depends(_version)]

_MEANINGS = {
    400: "The request cannot be followed.",
    401: "The viewer is open to the network and the token is missing.",
    404: "No trace or span has this id.",
    503: "The store cannot be read.",
}


def may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route can fail, for the OpenAPI document."""
    return {
        status: {"model": Problem, "description": _MEANINGS[status]}
        for status in sorted({401, 503, *statuses})
    }
