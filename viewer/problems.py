"""What goes wrong with a request, as problem documents (RFC 9457).

`type` is `about:blank`, so `title` is the status in words; `code` tells a program what happened,
`detail` and `hint` tell a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporters.store import NotFoundError, QueryError, StoreError
from viewer.json_response import JsonResponse

_logger = logging.getLogger("flightlog.viewer")
_DOCUMENT = "/api/v1/openapi.json"
_SHOWN = 80
MOST_BODY_BYTES = 1024 * 1024


class BadRequestError(Exception):
    """A request that cannot be followed; the text says which part, why, and what to do."""


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    position: int | None = None,
) -> Response:
    """A problem document; `position` is where in a query the fault is."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if hint is not None:
        body["hint"] = hint
    if position is not None:
        body["position"] = position
    return JsonResponse(body, status=status, media_type="application/problem+json")


def too_large() -> Response:
    """The answer to a request whose body has more than `MOST_BODY_BYTES`."""
    return problem(
        413,
        "too_large",
        f"The body of this request has more than {MOST_BODY_BYTES} bytes, which is the most that "
        f"the viewer reads.",
        hint="Send a shorter query, with what is long in it kept in the store.",
    )


def add_handlers(app: FastAPI) -> None:
    """Have an app answer with problem documents only."""
    app.add_exception_handler(StoreError, _store_problem)
    app.add_exception_handler(BadRequestError, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_problem)


def _store_problem(_: Request, error: Exception) -> Response:
    match error:
        case NotFoundError():
            return problem(404, "not_found", str(error))
        case QueryError():
            return problem(400, "query_error", str(error), position=error.position)
        case _:
            return problem(503, "store_error", str(error))


def _bad_request(_: Request, error: Exception) -> Response:
    return problem(400, "bad_request", str(error), hint=f"Every parameter is in {_DOCUMENT}.")


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = next(iter(error.errors()), {})
    where: Sequence[Any] = first.get("loc") or ("request",)
    names = [part for part in where[1:] if isinstance(part, str)]
    part = f"{'.'.join(names)!r} in the {where[0]}" if names else f"The {where[0]}"
    # What a body holds (a query, its parameters) is not repeated: it may be anything.
    value = f" is {_short(first.get('input'))}" if where[0] in ("query", "path") else ""
    reason = str(first.get("msg") or "It cannot be read").rstrip(".")
    hint = " It has to be JSON, sent as application/json." if where[0] == "body" else ""
    return _bad_request(request, BadRequestError(f"{part}{value}: {reason}.{hint}"))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, method = _short(request.url.path), request.method
    match error.status_code:
        case 404:
            answer = problem(404, "not_found", f"Nothing is at {path}.", hint=f"See {_DOCUMENT}.")
        case 405:
            detail = f"{method} is not possible at {path}."
            answer = problem(405, "method_not_allowed", detail, hint=f"See {_DOCUMENT}.")
        case 413:
            answer = too_large()
        case 400:
            answer = _bad_request(request, error)
        case status:
            answer = problem(status, "http_error", str(error.detail))
    for key, value in (error.headers or {}).items():
        answer.headers.setdefault(key, value)
    return answer


class Faults:
    """Middleware: a fault of ours is logged with its traceback and answered with a problem.

    A request that the server cannot wait for, as it is told to stop, is answered so too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            answer = problem(503, "stopping", "The viewer was told to stop before it could answer.")
            await answer(scope, receive, send)
        except Exception:
            _logger.exception("A request to %s failed", scope.get("path"))
            if started or scope["type"] != "http":
                raise
            answer = problem(
                500,
                "internal_error",
                "The viewer failed at this request; that is a fault of flightlog.",
                hint="The terminal that runs it has the traceback. Please report it.",
            )
            await answer(scope, receive, send)
