"""What a forked child makes anew: locks that another thread of the parent may have held."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Has state that must not be carried over a fork."""

    def make_anew(self) -> None:
        """Called in the child before any other code of it; there is one thread then."""
        ...


_things: weakref.WeakSet[Forked] = weakref.WeakSet()


def anew_in_child(thing: Forked) -> None:
    """Call `make_anew` of this object in every child forked from now on, as long as it lives."""
    _things.add(thing)


def _in_child() -> None:
    for thing in list(_things):
        thing.make_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
