"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from viewer.encoding import to_json


class JsonResponse(Response):
    """JSON of a value; not to be kept by caches unless `headers` say otherwise."""

    media_type = "application/json"

    def __init__(
        self,
        value: Any,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        kept = {"cache-control": "no-store", **(headers or {})}
        super().__init__(to_json(value), status, kept, media_type)
