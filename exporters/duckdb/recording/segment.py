"""One segment: a file that only grows, held by a lock while its writer lives.

The lock is taken before the file has its final name, so nobody can take a live segment for an
orphan, and it goes with the process, however that ends. A line is handed to the kernel with one
`write`, so what was acknowledged survives the death of the process. When a write fails, the file
is cut back to the last whole line; when even that fails the segment is given up, and whatever
half a line it ends with is dropped by its checksum.

A loss of power is another matter: it takes what was not synced. `sync` makes the lines survive
one, and `sync_name` the file's name, without which they cannot be found; the journal says when.
What a torn file then ends with, half a line or zeros, is dropped by its checksum as well.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from exporters.duckdb.layout import Layout, SegmentName, sync_folder

_FLAGS = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC


class Files:
    """The calls of the operating system that may fail while recording; tests put faults here."""

    def write(self, fd: int, data: bytes) -> int:
        """`os.write`: may write less than all of it."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        """`os.ftruncate`."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Make the data survive a loss of power."""
        _sync(fd)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder survive a loss of power."""
        sync_folder(path)

    def create(self, path: Path) -> int:
        """A descriptor of a new file that only grows.

        Raises:
            FileExistsError: If there is one already.
        """
        return os.open(path, _FLAGS, 0o600)


# macOS has no fdatasync; fsync is what it has, short of F_FULLFSYNC, which takes 20 ms and more.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Segment:
    """An open segment. Not safe in threads: the journal takes care of that.

    Attributes:
        name: Its name.
        owner: The recorder that writes it.
        path: Where it is.
        known: Hashes of the items that it holds.
        size: Bytes that are whole lines.
        carried: How many of them are items that the segment before holds too.
        history: Bytes of the items of the line that named most: what the next segment would carry.
        broken: It could not be cut back after a fault; write to another one.
        named: Its name survives a loss of power.
    """

    def __init__(self, layout: Layout, name: SegmentName, files: Files | None = None) -> None:
        """Make the file, locked, and only then visible.

        Raises:
            OSError: If the store cannot be written.
        """
        self.name = name
        self.owner = name.owner
        self.path = layout.segment(name)
        self.known: set[str] = set()
        self.size = 0
        self.carried = self.history = 0
        self.broken = False
        self.named = False
        self._files = files or Files()
        self._folder = layout.hot
        draft = self.path.with_name(self.path.name + ".tmp")
        self._identity: tuple[int, int] | None = None
        self._fd = self._files.create(draft)
        try:
            with contextlib.suppress(OSError):  # no locks here: liveness goes by process and age
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(draft, self.path)
            status = os.fstat(self._fd)
            self._identity = status.st_dev, status.st_ino
        except BaseException:
            self.release()
            draft.unlink(missing_ok=True)
            raise

    @property
    def closed(self) -> bool:
        """Whether it is sealed."""
        return self._fd < 0

    def append(self, data: bytes) -> None:
        """Append whole lines with one write. The caller has asked `takes_more`.

        Raises:
            OSError: If they are not in the file; it is as it was before. `EFBIG` says that they
                might be in another one. Whatever else a signal makes this raise, `size` says
                whether they are.
        """
        if self.broken or self.closed:
            raise OSError(errno.EBADF, "the segment was given up", str(self.path))
        size = self.size
        try:
            written = self._files.write(self._fd, data)
            if written < len(data):  # what is in the way shows at the next byte
                written += self._files.write(self._fd, data[written:])
            if written == len(data):
                self.size = size + written
                return
        except OSError:
            self._cut_back()
            raise
        except BaseException:  # a signal's handler raised: before the write, or after it?
            if self._holds(size + len(data)):
                self.size = size + len(data)
            else:
                self._cut_back()
            raise
        self._cut_back()
        raise OSError(errno.ENOSPC, "a write was cut short", str(self.path))

    def sync(self) -> None:
        """Make what was appended survive a loss of power.

        Raises:
            OSError: If it may not have been.
        """
        if not self.closed and self.is_ours():
            self._files.sync(self._fd)

    def sync_name(self) -> None:
        """Make its name survive a loss of power.

        Raises:
            OSError: If it may not.
        """
        if not self.named:
            self._files.sync_folder(self._folder)
            self.named = True

    def release(self) -> None:
        """Close the file, which seals the segment and lets go of its lock; idempotent.

        In a forked child this leaves the parent's lock alone: the lock belongs to the open file
        that both share, and only the last one who closes it lets go.
        """
        ours = self.is_ours()
        fd, self._fd = self._fd, -1
        if ours:
            with contextlib.suppress(OSError):
                os.close(fd)

    @property
    def gone(self) -> bool:
        """Whether somebody has deleted the file."""
        with contextlib.suppress(OSError):
            return os.fstat(self._fd).st_nlink == 0
        return False

    def discard_if_empty(self) -> bool:
        """Take an empty segment away if that can be done; says whether it was one."""
        if self.size or self.broken:
            return False
        with contextlib.suppress(OSError):  # a folder that became read-only: it harms nobody
            self.path.unlink()
        return True

    def takes_more(self) -> bool:
        """Whether it may be appended to: it was not given up, and `is_ours`.

        Asked before each line, so it looks first at where the descriptor stands: after the last
        byte that was appended, as no other file does but by a chance in millions.
        """
        if self.broken or self._fd < 0:
            return False
        try:
            if self.size and os.lseek(self._fd, 0, os.SEEK_CUR) == self.size:
                return True
        except OSError:  # closed by somebody, or something without a place by now
            pass
        return self.is_ours()

    def is_ours(self) -> bool:
        """Whether the descriptor still is the segment's.

        A program that closes all descriptors, as one does to become a daemon, may have opened a
        file of its own under the same number since. If not, nothing must touch that file.
        """
        if self._fd < 0:
            return False
        try:
            status = os.fstat(self._fd)
            if self._identity in (None, (status.st_dev, status.st_ino)):
                return True
        except OSError:
            pass
        self._fd = -1
        self.broken = True
        return False

    def _holds(self, size: int) -> bool:
        with contextlib.suppress(OSError):
            return os.fstat(self._fd).st_size == size
        return False

    def _cut_back(self) -> None:
        if not self.is_ours():
            return
        try:
            self._files.truncate(self._fd, self.size)
        except OSError:
            self.broken = True
