"""How an exception is recorded: pure functions from exceptions to data."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any, Literal, TypedDict

from tracer.encoding import describe

_CAUSES = 16


class SpanError(TypedDict):
    """An error on a span, in OpenAI's wire format.

    Of an exception, `data` holds `type` (qualified class name), `stack` (text) and, where there
    are any, `causes` (a list of the same, without stacks, the nearest first).
    """

    message: str
    data: dict[str, Any] | None


def verdict(exc: BaseException) -> Literal["ok", "error", "cancelled"]:
    """What an exception that leaves a block makes of it.

    A cancelled task, a closed generator and Ctrl-C are no fault of the work: `cancelled`.
    `sys.exit(0)` is a normal end.
    """
    if isinstance(exc, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    if isinstance(exc, SystemExit) and exc.code in (None, 0):
        return "ok"
    return "error"


def error_of(exc: BaseException) -> SpanError:
    """An exception as an error, with its stack and the chain of its causes. Never raises."""
    data: dict[str, Any] = {"type": type_name(exc), "stack": _stack(exc)}
    causes: list[dict[str, Any]] = []
    seen = {id(exc)}
    cause = _cause(exc)
    while cause is not None and id(cause) not in seen and len(causes) < _CAUSES:
        seen.add(id(cause))
        causes.append({"type": type_name(cause), "message": describe(cause)})
        cause = _cause(cause)
    if causes:
        data["causes"] = causes
    if isinstance(exc, BaseExceptionGroup):
        data["exceptions"] = [
            {"type": type_name(inner), "message": describe(inner)}
            for inner in exc.exceptions[:_CAUSES]
        ]
    return {"message": describe(exc) or type_name(exc), "data": data}


def type_name(exc: BaseException) -> str:
    """The qualified name of an exception's class; of a built-in one just its name."""
    kind = type(exc)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _cause(exc: BaseException) -> BaseException | None:
    if exc.__cause__ is not None:
        return exc.__cause__
    return None if exc.__suppress_context__ else exc.__context__


def _stack(exc: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(exc))
    except Exception:  # noqa: BLE001 (an exception whose str or notes raise)
        return f"<stack of {type_name(exc)} cannot be printed>"
