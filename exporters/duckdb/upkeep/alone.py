"""Being alone: who changes a store's parts holds its lock, and there is one of them at a time.

The lock is flock on a file, and goes with the process. On a file system that cannot lock, a file
that only one can make stands for it, with the process in it; it is stale when that process is
gone, or when it was not renewed for ten minutes. Two who find it stale at once may in theory both
go on, for which reason the mark is read again before it counts, and rows that were doubled all the
same are put together when their parts are merged.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from exporters.duckdb.layout import Layout, host_name

STALE_SECONDS = 600.0
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM})


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[bool]:
    """Hold the store's lock, or find that somebody else does.

    Raises:
        OSError: If the store cannot be written.
    """
    fd = os.open(layout.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            with _marked(mark_file(layout)) as ours:
                yield ours
            return
        yield True
    finally:
        os.close(fd)


def mark_file(layout: Layout) -> Path:
    """The file that stands for the lock where nothing can be locked."""
    return layout.root / "lock.held"


def renew(layout: Layout) -> None:
    """Say that whoever holds the lock is still at it."""
    with contextlib.suppress(OSError):
        os.utime(mark_file(layout))


@contextlib.contextmanager
def _marked(path: Path) -> Iterator[bool]:
    token = json.dumps(
        {"host": host_name(), "pid": os.getpid(), "at": time.time(), "by": secrets.token_hex(8)}
    ).encode()
    if _is_stale(path):
        with contextlib.suppress(OSError):
            grave = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            os.rename(path, grave)  # one of many who try succeeds
            grave.unlink()
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        yield False
        return
    try:
        os.write(fd, token)
    finally:
        os.close(fd)
    try:
        yield _says(path, token)
    finally:
        if _says(path, token):
            path.unlink(missing_ok=True)


def _says(path: Path, token: bytes) -> bool:
    with contextlib.suppress(OSError):
        return path.read_bytes() == token
    return False


def _is_stale(path: Path) -> bool:
    try:
        old = time.time() - path.stat().st_mtime >= STALE_SECONDS
        said = json.loads(path.read_bytes())
        host, pid = str(said["host"]), int(said["pid"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):  # being written, or garbage
        return _age(path) >= STALE_SECONDS
    if host != host_name():
        return old
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return old
    return old


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
