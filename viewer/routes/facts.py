"""Facts about server and store."""

from __future__ import annotations

import time

from fastapi import APIRouter
from starlette.responses import Response

from viewer.json_response import JsonResponse
from viewer.routes.given import GivenStore, GivenVersion, may_fail
from viewer.shapes import Health, Meta
from viewer.wire import meta_json

router = APIRouter(tags=["facts"])


@router.get("/health", response_model=Health)
async def health(version: GivenVersion) -> Response:
    """Whether the server answers; the store is not asked."""
    return JsonResponse({"status": "ok", "version": version})


@router.get("/meta", response_model=Meta, responses=may_fail())
def meta(store: GivenStore, version: GivenVersion) -> Response:
    """Version, store, how much is in it, and what was lost."""
    return JsonResponse(meta_json(store.info(), version=version, now_ns=time.time_ns()))
