"""The page itself: a built frontend in a folder."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_READING = ["GET", "HEAD"]
_MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>flightlog: the page is not built</title>
<h1>The page is not built</h1>
<p>This is flightlog's viewer, but the folder <code>viewer/static</code> with its page is missing.
An installed flightlog has it; a fresh source tree has to build it.
<p>Run <code>make frontend</code> in the source tree, or install flightlog with pip.
Until then: <code>flightlog list</code>, <code>flightlog show last</code>, and the
<a href="/api/v1/openapi.json">REST API</a>, which works.
</html>
"""


class PageConvertor(StringConvertor):
    """A path that belongs to the page: else a typing error in an API path would be one."""

    regex = r"(?!(?:api|assets)(?:/|$)).*"


register_url_convertor("page", PageConvertor())


class Assets(StaticFiles):
    """Files whose names change with their content: a browser asks for each once."""

    async def check_config(self) -> None:
        """A folder that is missing has no files; that is no fault of the server's."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at a path below the folder, or a 404."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def page_router(static: Path) -> APIRouter:
    """Routes for every address that is not the API's: the page finds its own way from there."""
    router = APIRouter(include_in_schema=False)
    index = static / "index.html"

    @router.api_route("/{path:page}", methods=_READING)
    def page(path: str) -> Response:
        if not index.is_file():
            return HTMLResponse(_MISSING, 503, {"cache-control": "no-store"})
        return FileResponse(index, headers={"cache-control": "no-cache"})

    return router
