"""The file system under a store, and who may do what in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from exporters.duckdb.doctor.facts import Denied, Disk, Holder
from exporters.duckdb.layout import Layout, is_held

_TRIAL = b"\0" * 65_536
_MOST_DENIED = 20
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def disk_facts(layout: Layout) -> Disk:
    """What is under a store that exists; a trial file in its `tmp/` is written and taken away."""
    free = files = None
    with contextlib.suppress(OSError):
        room = os.statvfs(layout.root)
        free, files = room.f_bavail * room.f_frsize, room.f_favail if room.f_files else None
    write_error, lock_error, skew = _try_out(layout.tmp)
    return Disk(
        free=free,
        free_files=files,
        kind=_kind(layout.root),
        write_error=write_error,
        lock_error=lock_error,
        skew_s=skew,
    )


def denied_paths(layout: Layout) -> tuple[Denied, ...]:
    """Folders and files of a store that this user may not use as recording and reading must."""
    found = list(_denied(layout))
    return tuple(found[:_MOST_DENIED])


def lock_holder(path: Path) -> Holder | None:
    """Who holds the lock of a file; None where nobody does."""
    if not is_held(path):
        return None
    with contextlib.suppress(OSError):
        return process(_locker(path.stat()))
    return None


def process(pid: int | None) -> Holder:
    """A process, as far as the system tells."""
    if pid is None:
        return Holder()
    command, seconds = "", 0.0
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        command = " ".join(words).strip()[:200]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text().split()[0])
        seconds = max(0.0, up - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    return Holder(pid=pid, command=command, seconds=seconds)


def owner_name(number: int) -> str:
    """A user by name, or by number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def reason(error: OSError) -> str:
    """An error of the system in its own words."""
    return error.strerror or type(error).__name__


def _try_out(folder: Path) -> tuple[str, str, float]:
    """Why a file cannot be written here, why it cannot be locked, how far its clock is ahead."""
    path = folder / f"trial-{secrets.token_hex(8)}"
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return "", "", 0.0  # whoever records next makes the folder
    except OSError as error:
        return reason(error), "", 0.0
    write_error = lock_error = ""
    skew = 0.0
    try:
        try:
            before = time.time()
            if os.write(fd, _TRIAL) < len(_TRIAL):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            after = time.time()
            changed = os.fstat(fd).st_mtime
            skew = min(0.0, changed - before) or max(0.0, changed - after)
            os.fsync(fd)
        except OSError as error:
            write_error = reason(error)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                lock_error = reason(error)
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):
            path.unlink()
    return write_error, lock_error, skew


def _denied(layout: Layout) -> Iterator[Denied]:
    if not os.path.exists(layout.root):
        nearest = next((path for path in layout.root.parents if os.path.exists(path)), None)
        if nearest is not None and not _may(nearest, os.W_OK | os.X_OK):
            yield _told(nearest, "write in")
        return
    yield from _denied_folders(layout)
    for path in (layout.format_file, layout.lock):
        if not _may(path, os.R_OK):
            yield _told(path, "read")
    for folder, depth in ((layout.hot, 0), (layout.parts, 1)):
        for path in _below(folder, depth):
            needed = os.R_OK | (os.X_OK if os.path.isdir(path) else 0)
            if not _may(path, needed):
                yield _told(path, "read")


def _denied_folders(layout: Layout) -> Iterator[Denied]:
    for folder in (layout.root, layout.hot, layout.parts, layout.tmp):
        if not os.path.exists(folder):
            continue
        if not _may(folder, os.R_OK | os.X_OK):
            yield _told(folder, "read")
        elif not _may(folder, os.W_OK):
            yield _told(folder, "write in")


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = folder / name
        yield path
        if depth and os.path.isdir(path):
            yield from _below(path, depth - 1)


def _may(path: Path, how: int) -> bool:
    # A symbolic link that leads nowhere, and what vanishes meanwhile, is not forbidden.
    return os.access(path, how, effective_ids=True) or not os.path.exists(path)


def _told(path: Path, verb: str) -> Denied:
    try:
        status = path.stat()
    except OSError:
        return Denied(path=path, verb=verb)
    mode = stat.filemode(status.st_mode)
    return Denied(path=path, verb=verb, owner=owner_name(status.st_uid), mode=mode)


def _kind(path: Path) -> str:
    """The kind of the file system that a path is on; empty where the system does not tell."""
    real = os.path.realpath(path)
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            mounted = before.split()[4].encode().decode("unicode_escape")
            inside = real == mounted or real.startswith(mounted.rstrip("/") + "/")
            if inside and len(mounted) >= len(best):
                best, kind = mounted, after.split()[0]
    return kind


def _locker(status: os.stat_result) -> int | None:
    """The process that holds a lock on a file, as `/proc/locks` has it."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and device in words:
                pid = int(words[words.index(device) - 1])
                return pid if pid > 0 else None
    return None
