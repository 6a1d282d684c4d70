"""Questions in SQL."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from viewer.json_response import JsonResponse
from viewer.routes.given import GivenStore, may_fail
from viewer.shapes import SqlAnswer, SqlRequest
from viewer.wire import sql_json

router = APIRouter(tags=["sql"])
# Slow questions wait for each other, not the pages for them.
_at_once = anyio.CapacityLimiter(4)


@router.post("/sql", response_model=SqlAnswer, responses=may_fail(400))
async def sql(store: GivenStore, request: SqlRequest) -> Response:
    """Answer one reading statement."""
    ask = partial(
        store.sql,
        request.sql,
        params=request.params,
        limit=request.limit,
        timeout=request.timeout_ms / 1000,
    )
    result = await anyio.to_thread.run_sync(ask, limiter=_at_once, abandon_on_cancel=True)
    return JsonResponse(sql_json(result))
