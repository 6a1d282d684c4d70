"""The viewer: traces in the browser, and the command line.

    create_app(store) -> FastAPI

The name is loaded when it is first asked for, so that a command which serves nothing does not
wait for a web framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viewer.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("viewer.app"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
