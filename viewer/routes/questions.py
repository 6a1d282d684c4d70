"""Questions in SQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated, cast

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from exporters.store import Stop, StoreError
from viewer.json_response import JsonResponse
from viewer.problems import BadRequestError
from viewer.routes.given import GivenStore, may_fail
from viewer.shapes import QUESTION_ID, SqlAnswer, SqlRequest
from viewer.wire import sql_json

router = APIRouter(tags=["sql"])
# More than a store lets wait: one that is too busy says so, and pages have threads of their own.
_at_once = anyio.CapacityLimiter(128)


class Asked:
    """Questions that are being answered, by the ids that their clients gave them."""

    def __init__(self) -> None:
        self._stops: dict[str, Stop] = {}

    @contextlib.contextmanager
    def known_as(self, name: str | None, stop: Stop) -> Iterator[None]:
        """Within the block the question can be cancelled by its id.

        Raises:
            BadRequestError: If another question has this id.
        """
        if name is None:
            yield
            return
        if name in self._stops:
            raise BadRequestError(
                f"A question with the id {name!r} is being answered. An id is of one question at "
                f"a time. Make a new one for each."
            )
        self._stops[name] = stop
        try:
            yield
        finally:
            del self._stops[name]

    def cancel(self, name: str) -> bool:
        """Stop a question; says whether there is one of this id."""
        stop = self._stops.get(name)
        if stop is not None:
            stop.tell()
        return stop is not None


async def _asked(request: Request) -> Asked:
    return cast(Asked, request.app.state.asked)


GivenAsked = Annotated[Asked, Depends(_asked)]


@router.post("/sql", response_model=SqlAnswer, responses=may_fail(400))
async def sql(store: GivenStore, asked: GivenAsked, body: SqlRequest, request: Request) -> Response:
    """Answer one reading statement; it is stopped when the client goes away."""
    stop = Stop()

    def answer() -> Response:
        result = store.sql(
            body.sql,
            params=body.params,
            limit=body.limit,
            timeout=body.timeout_ms / 1000,
            stop=stop,
        )
        return JsonResponse(sql_json(result))  # here, as a large one takes its time

    with asked.known_as(body.id, stop):
        return await _while_wanted(request, answer, stop)


@router.delete("/sql/{id}", status_code=204, responses=may_fail(400, 404))
async def cancel(
    asked: GivenAsked, name: Annotated[str, Path(alias="id", pattern=QUESTION_ID)]
) -> Response:
    """Cancel a question by the id that it was asked with."""
    if not asked.cancel(name):
        raise HTTPException(404)
    return Response(status_code=204)


async def _while_wanted(request: Request, answer: Callable[[], Response], stop: Stop) -> Response:
    """What `answer` gives, in a thread; it is told to stop when the client goes away."""
    given: Response | StoreError
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_hear_of_end, request, stop)
            try:
                given = await anyio.to_thread.run_sync(
                    answer, limiter=_at_once, abandon_on_cancel=True
                )
            except StoreError as error:  # out of the group as what it is
                given = error
            group.cancel_scope.cancel()
    finally:
        stop.tell()  # the server stops: the thread is left behind, and has to end
    if isinstance(given, StoreError):
        raise given
    return given


async def _hear_of_end(request: Request, stop: Stop) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stop.tell()
