"""Forks and the end of the program, for whatever holds files and threads of this process."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import Protocol

from tracer.losses import losses


class Living(Protocol):
    """Has a lock, a thread and open files."""

    def hold(self) -> None:
        """Before a fork: come to rest."""
        ...

    def let_go(self) -> None:
        """After a fork, in the parent."""
        ...

    def begin_anew(self) -> None:
        """After a fork, in the child."""
        ...

    def flush(self) -> None:
        """The program ends; exporters still deliver."""
        ...

    def finish(self) -> None:
        """Exporters have delivered, or were given up: nothing follows."""
        ...


_living: weakref.WeakSet[Living] = weakref.WeakSet()
_held: list[Living] = []
_forking = threading.Lock()
_ending = False


def accompany(one: Living) -> None:
    """Tell it of forks and of the program's end, as long as it lives."""
    _living.add(one)


def is_ending() -> bool:
    """Whether the program ends, and `finish` is still to come."""
    return _ending


def _before_fork() -> None:
    _forking.acquire()
    _held.extend(_living)
    for one in _held:
        one.hold()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().let_go()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = threading.Lock()
    while _held:
        _held.pop().begin_anew()


def _at_exit() -> None:
    global _ending
    _ending = True
    for one in list(_living):
        one.flush()


def _at_last() -> None:
    global _ending
    _ending = False
    for one in list(_living):
        one.finish()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
atexit.register(_at_exit)
losses.kept_by(_at_last)
