"""Callbacks of users may be plain or async: one type and one way to get their value."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import TypeAlias, TypeVar

T = TypeVar("T")

MaybeAwaitable: TypeAlias = Awaitable[T] | T


async def settle(value: MaybeAwaitable[T]) -> T:
    """Return `value`, awaited first if it can be."""
    if inspect.isawaitable(value):
        return await value
    return value
