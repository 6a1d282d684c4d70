"""The viewer as a web application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from exporters.store import TraceStore
from viewer.live import Live
from viewer.problems import Faults, add_handlers
from viewer.routes import events, facts, questions, traces
from viewer.routes.pages import Assets, page_router
from viewer.security import BodyLimit, Security

API = "/api/v1"
STATIC = Path(__file__).parent / "static"


def create_app(
    store: TraceStore,
    *,
    token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    static: Path = STATIC,
) -> FastAPI:
    """An application that shows the traces of a store.

    The caller keeps the store and closes it. `app.state.live.close()` ends the streams of events
    at once; call it when the server is told to stop, as servers wait for open streams.

    Args:
        store: Where the traces are.
        token: What has to be sent along by whoever asks; needed on any address but loopback.
        allowed_hosts: Names by which the viewer may be asked for, beside localhost and
            addresses; `"*"` allows all.
        static: The folder of the built page.
    """
    app = FastAPI(
        title="flightlog",
        summary="Read recorded traces of AI agents.",
        version=_version(),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # one address for one thing
        lifespan=_lifespan,
    )
    app.state.store = store
    app.state.live = Live(store)
    app.state.asked = questions.Asked()
    api = APIRouter(prefix=API)
    for routes in (facts, traces, questions, events):
        api.include_router(routes.router)
    app.include_router(api)
    app.mount("/assets", Assets(directory=static / "assets", check_dir=False), name="assets")
    app.include_router(page_router(static))
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # how FastAPI has it done
    add_handlers(app)
    # The last one added is the first one asked.
    app.add_middleware(Faults)
    app.add_middleware(BodyLimit)
    app.add_middleware(Security, token=token, allowed_hosts=tuple(allowed_hosts))
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.live.close()


def _version() -> str:
    try:
        return version("flightlog")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with failures as what they are: problem documents."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        for operations in schema["paths"].values():
            for operation in operations.values():
                _as_problems(operation["responses"])
        unused = schema.get("components", {}).get("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            unused.pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema


def _as_problems(responses: dict[str, Any]) -> None:
    responses.pop("422", None)  # ours are 400
    for status, response in responses.items():
        if status >= "400":
            (schema,) = response["content"].values()
            response["content"] = {"application/problem+json": schema}
