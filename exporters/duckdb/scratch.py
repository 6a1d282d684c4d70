"""Folders for what does not fit into memory, which nobody leaves behind.

They are made in the system's place for temporary files, and whoever uses one holds a lock in it.
One whose users are all dead, killed with it in hand, is removed by who makes the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "flightlog-scratch-"
_LOCK = "lock"
_YOUNG_SECONDS = 60.0  # one that has no lock yet is being made


class Scratch:
    """A folder that only this user can look into; `close` removes it.

    Raises:
        OSError: If none can be made.
    """

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = hold(self.path)

    def close(self) -> None:
        """Remove it with all that is in it; idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Let go of it without removing it: in a forked child, as it is the parent's."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)  # a lock of the parent's stays, as it has this open too


def made() -> Scratch | None:
    """A folder, or None where none can be made: then what does not fit does not go through."""
    with contextlib.suppress(OSError):
        return Scratch()
    return None


def hold(folder: Path) -> int:
    """Hold a folder as long as this process lives, or until what it gives is closed.

    Raises:
        OSError: If it is not there.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # a file system without locks: nobody removes it then
        fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _remove_abandoned(place: Path) -> None:
    """Remove folders of ours whose users are dead."""
    with contextlib.suppress(OSError):
        for folder in place.glob(f"{_PREFIX}*"):
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    about = folder.lstat()
    if about.st_uid != os.geteuid():
        return False
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - about.st_mtime > _YOUNG_SECONDS
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
