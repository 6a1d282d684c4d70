"""The store's folder: paths, names, how it comes into being, and who is alive in it.

    <store>                  catalog file: views only; whoever has DuckDB makes it, none holds it
    <store>.d/
      FORMAT                 {"format":1,"schema":1,"store_id":"…"}
      hot/_.ndjson           sentinel, empty
      hot/<ms>-<host>-<pid>-<rand>.ndjson           segments; `<host>-<pid>-<rand>` is the owner
      parts/p-0000000000000-schema/                 sentinel; made by `parts.ensure_schema_part`
      parts/p-<act_ms>-<from_s>-<to_s>-<rand>/      immutable parts
      pins/<trace_id>          empty; the trace is never purged by age or size
      prices.csv               prices of models, for the views: what ships and what the user says
      backup/                  what a migration changed, as it was before
      tmp/ quarantine/ lock gc

Who is alive: an owner is one process's recorder. It keeps a lock (flock) on at least one of its
segments from its first line to its end: the next segment is locked and visible before the one
before it is let go, and an idle owner keeps an empty one. So an owner none of whose segments is
locked is dead, whatever of its earlier segments has been compacted, and open rows of it, which
name it in their column `owner`, are interrupted. A probe takes a shared lock, so that probes do
not disturb each other; nobody ever locks a segment that already has its final name.

What covers what: a part replaces the sources that its `covers.csv` names, one a line: a segment's
file name, a part's name, or `<part>/open` for a part's open rows alone. An exact reader lists
parts first and segments after them, and leaves out what any listed part covers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from exporters.duckdb.format import Format, claimed, mend, parse, told_by_data, write_draft
from exporters.duckdb.schema import FORMAT, SCHEMA
from exporters.store import StoreError
from tracer.logger import logger

SCHEMA_PART = "p-0000000000000-schema"
HOT_SENTINEL = "_.ndjson"
SUFFIX = ".ndjson"
DATA, OPEN, ITEMS = "data.parquet", "open.parquet", "items.parquet"
TRACES = "traces.parquet"
COVERS, MANIFEST = "covers.csv", "manifest.json"

_SEGMENT = re.compile(r"(\d{13,})-([^-/]+)-(\d+)-([0-9a-f]+)\.ndjson")
_PART = re.compile(r"p-(\d{13,})-(\d+)-(\d+)-([0-9a-f]+)")
_STALE_SECONDS = 60.0


class SegmentName(NamedTuple):
    """The parts of a segment's file name; sorts by time of creation."""

    ms: int
    host: str
    pid: int
    rand: str

    @property
    def owner(self) -> str:
        """The recorder that writes it, as in the column `owner` of its rows."""
        return f"{self.host}-{self.pid}-{self.rand}"

    @property
    def filename(self) -> str:
        """The name within `hot/`."""
        return f"{self.ms:013d}-{self.owner}{SUFFIX}"


class PartName(NamedTuple):
    """The parts of a part's name; sorts by time of activation.

    Raw SQL sees a part from `act_ms` on. `from_s` and `to_s` bound the starts of its rows.
    """

    act_ms: int
    from_s: int
    to_s: int
    rand: str

    @property
    def dirname(self) -> str:
        """The name within `parts/`."""
        return f"p-{self.act_ms:013d}-{self.from_s}-{self.to_s}-{self.rand}"


def parse_segment(filename: str) -> SegmentName | None:
    """The name of a segment; None for anything else, the sentinel included."""
    match = _SEGMENT.fullmatch(filename)
    if match is None:
        return None
    return SegmentName(int(match[1]), match[2], int(match[3]), match[4])


def parse_part(dirname: str) -> PartName | None:
    """The name of a part; None for anything else, the sentinel included."""
    match = _PART.fullmatch(dirname)
    if match is None:
        return None
    return PartName(int(match[1]), int(match[2]), int(match[3]), match[4])


def host_name() -> str:
    """This machine's name as it stands in names of segments."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", os.uname().nodename)[:48] or "localhost"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a store is. `catalog` is the path that users know the store by."""

    catalog: Path

    @classmethod
    def of(cls, store: str | os.PathLike[str]) -> Layout:
        """The layout of a store's path, made absolute."""
        return cls(Path(os.path.abspath(os.path.expanduser(store))))

    @property
    def root(self) -> Path:
        """The folder of the data."""
        return self.catalog.with_name(self.catalog.name + ".d")

    @property
    def format_file(self) -> Path:
        """What says which format the store has."""
        return self.root / "FORMAT"

    @property
    def hot(self) -> Path:
        """The folder of segments."""
        return self.root / "hot"

    @property
    def parts(self) -> Path:
        """The folder of parts."""
        return self.root / "parts"

    @property
    def tmp(self) -> Path:
        """The folder of what is being made; names in it are nobody's business."""
        return self.root / "tmp"

    @property
    def quarantine(self) -> Path:
        """The folder of bytes that could not be read."""
        return self.root / "quarantine"

    @property
    def pins(self) -> Path:
        """The folder of pins: an empty file for each trace that stays."""
        return self.root / "pins"

    @property
    def prices(self) -> Path:
        """The prices that the views count with."""
        return self.root / "prices.csv"

    @property
    def backup(self) -> Path:
        """The folder of what migrations changed."""
        return self.root / "backup"

    @property
    def lock(self) -> Path:
        """The file whose lock a compactor holds."""
        return self.root / "lock"

    @property
    def gc(self) -> Path:
        """The file whose time is that of the last collection."""
        return self.root / "gc"

    def segment(self, name: SegmentName) -> Path:
        """A segment's file."""
        return self.hot / name.filename

    def part(self, name: PartName) -> Path:
        """A part's folder."""
        return self.parts / name.dirname

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded here, as far as this user may know."""
        return os.path.exists(self.format_file)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store holds now; `covered` names what is there but replaced.

    Attributes:
        parts: Every part that is there, oldest activation first.
        segments: Every segment that is there, oldest first.
        covered: Names that parts cover: segments, parts, and `<part>/open`.
    """

    parts: tuple[PartName, ...]
    segments: tuple[SegmentName, ...]
    covered: frozenset[str]

    @property
    def live_parts(self) -> tuple[PartName, ...]:
        """Parts that count."""
        return tuple(part for part in self.parts if part.dirname not in self.covered)

    @property
    def open_parts(self) -> tuple[PartName, ...]:
        """Parts whose open rows count."""
        return tuple(part for part in self.live_parts if f"{part.dirname}/open" not in self.covered)

    @property
    def live_segments(self) -> tuple[SegmentName, ...]:
        """Segments that count."""
        return tuple(name for name in self.segments if name.filename not in self.covered)


def scan(layout: Layout) -> Listing:
    """List the store as an exact reader has to: parts, their covers, then segments.

    An empty listing where there is no store. A part that vanishes meanwhile has been replaced by
    one that is already listed or will be at the next scan; scan again on FileNotFoundError.
    """
    parts = list_parts(layout)
    covered: set[str] = set()
    for part in parts:
        covered |= read_covers(layout, part)
    return Listing(parts, list_segments(layout), frozenset(covered))


def list_parts(layout: Layout) -> tuple[PartName, ...]:
    """Names of all parts but the sentinel."""
    return tuple(sorted(name for entry in _names(layout.parts) if (name := parse_part(entry))))


def list_segments(layout: Layout) -> tuple[SegmentName, ...]:
    """Names of all segments but the sentinel."""
    return tuple(sorted(name for entry in _names(layout.hot) if (name := parse_segment(entry))))


def read_covers(layout: Layout, part: PartName) -> frozenset[str]:
    """What a part covers; what is no name of ours is ignored, as garbage must hide nothing.

    Where the file that plain SQL reads is not whole, the manifest says which of it is still there.
    """
    try:
        text = (layout.part(part) / COVERS).read_bytes().decode("utf-8", "replace")
    except OSError:
        text = ""
    lines = text.splitlines()
    names = frozenset(line for line in lines if _is_source(line))
    if text.endswith("\n") and len(names) == len(lines):
        return names
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        said = json.loads((layout.part(part) / MANIFEST).read_bytes())
        names |= {name for name in map(str, said["covers"]) if _is_source(name)}
        return frozenset(name for name in names if is_there(layout, name))
    return names


def is_there(layout: Layout, source: str) -> bool:
    """Whether a source that covers name still exists, whatever is in it."""
    base = source.partition("/")[0]
    return os.path.lexists((layout.hot if base.endswith(SUFFIX) else layout.parts) / base)


def is_locked(path: Path) -> bool:
    """Whether the writer of a segment still holds it; False when the file is gone."""
    held = is_held(path)
    return _seems_alive(path) if held is None else held


def is_held(path: Path) -> bool | None:
    """Whether somebody holds the lock of a file; None where files cannot be locked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(fd)
    return False


def live_owners(layout: Layout, owners: Collection[str] | None = None) -> frozenset[str]:
    """Owners that are alive, of those asked for or of all that have a segment.

    Lists again until nothing new turns up: an owner that rotates between the listing and the
    probe has made its next segment visible before it let go of the one that was probed.
    """
    alive: set[str] = set()
    probed: set[SegmentName] = set()
    while True:
        fresh = [
            name
            for name in reversed(list_segments(layout))
            if name not in probed and (owners is None or name.owner in owners)
        ]
        if not any(name.owner not in alive for name in fresh):
            return frozenset(alive)
        for name in fresh:
            probed.add(name)
            if name.owner not in alive and is_locked(layout.segment(name)):
                alive.add(name.owner)


def create(layout: Layout, told: Callable[[str], object] = logger.warning) -> Format:
    """Make what is missing of a store's folder, and say which format it has.

    Any number of processes may do so at once; they agree on one store id. The sentinel part needs
    DuckDB and is made by those who have it. A damaged FORMAT is put into quarantine and made anew.

    Args:
        layout: The store.
        told: Given a message for people where FORMAT had to be made anew.

    Raises:
        StoreError: If the path cannot be a store, cannot be written, or is of a newer format.
    """
    check_path(layout)
    try:
        # What agents say is nobody else's to read, whoever makes the files within.
        layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = read_format(layout)
        for folder in (layout.hot, layout.parts, layout.tmp, layout.quarantine, layout.pins):
            folder.mkdir(exist_ok=True)
        for empty in (layout.hot / HOT_SENTINEL, layout.lock):
            os.close(os.open(empty, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o644))
        if found is None:
            _publish_format(layout)
            found = read_format(layout)
        elif found.damaged:
            with contextlib.suppress(OSError):  # it goes on without: the data says the same
                if mend(layout.root, told):
                    sync_folder(layout.root)
            found = read_format(layout)
    except OSError as error:
        raise _unwritable(layout, error) from error
    if found is None:
        raise _unwritable(layout, OSError(errno.ENOENT, "FORMAT vanished"))
    return found


def check_path(layout: Layout) -> None:
    """Refuse a path that cannot be a store's.

    Raises:
        StoreError: If the path is a folder, or its data folder is a file.
    """
    # os.path, not Path: what this user may not see is told by who goes on to read it.
    if os.path.isdir(layout.catalog):
        shown = str(layout.catalog)
        better = shown[:-2] if shown.endswith(".d") else os.path.join(shown, "traces.duckdb")
        raise StoreError(
            f"The store {shown!r} is a folder. A store is named by its catalog file, beside "
            f"which the folder with '.d' at its end holds the data. Name {better!r} instead."
        )
    if os.path.exists(layout.root) and not os.path.isdir(layout.root):
        raise StoreError(
            f"{str(layout.root)!r} is a file. The data of the store {str(layout.catalog)!r} "
            f"belongs in a folder of that name. Move the file away, or name another store."
        )


def read_format(layout: Layout) -> Format | None:
    """What FORMAT says, or the data beside it where it is damaged; None where there is none.

    Raises:
        StoreError: If it is of a newer format, cannot be read, or is damaged where no store is.
    """
    path = layout.format_file
    try:
        with path.open("rb") as file:
            raw, status = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{str(path)!r} cannot be read ({error.strerror}). It says which format the store "
            f"has, and a store is not touched without it. Give yourself access to the folder, "
            f"or name another store."
        ) from error
    found = parse(raw)
    newer = claimed(raw)[0] if found is None else found.format
    if newer > FORMAT:
        raise StoreError(
            f"The store {str(layout.catalog)!r} has format {newer}, and this flightlog "
            f"knows formats up to {FORMAT}. A newer format is neither read nor written. Upgrade "
            f"with: pip install --upgrade flightlog"
        )
    found = found or told_by_data(layout.root, raw, status)
    if found is None:
        raise StoreError(
            f"{str(path)!r} holds {raw[:40]!r}. It has to be the JSON that flightlog wrote when "
            f"it made the store. Restore the file from a copy, or name another store; the data "
            f"beside it is untouched."
        )
    return found


def sync_folder(path: Path) -> None:
    """Make names within a folder survive a loss of power."""
    _sync(path, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make what a file holds survive a loss of power."""
    _sync(path, 0)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _publish_format(layout: Layout) -> None:
    draft = write_draft(layout.root, Format(FORMAT, SCHEMA, secrets.token_hex(16)))
    try:
        publish(draft, layout.format_file)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(layout.root)


def publish(draft: Path, target: Path) -> None:
    """Give a finished file its name. A link fails where the name exists: the first one wins."""
    try:
        os.link(draft, target)
    except FileExistsError:
        return
    except OSError:  # a file system without links: a race there may leave the last one's id
        if not target.exists():
            draft.rename(target)


def _unwritable(layout: Layout, error: OSError) -> StoreError:
    return StoreError(
        f"The store {str(layout.catalog)!r} cannot be written ({error.strerror}: "
        f"{str(error.filename or layout.root)!r}). Recording needs to make files in "
        f"{str(layout.root)!r}. Give yourself permission and space there, or name another store "
        f"with FLIGHTLOG_STORE."
    )


def _seems_alive(path: Path) -> bool:
    """The answer where files cannot be locked: by process where it is ours, else by age."""
    name = parse_segment(path.name)
    if name is not None and name.host == host_name():
        try:
            os.kill(name.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True
    try:
        return time.time() - path.stat().st_mtime < _STALE_SECONDS
    except OSError:
        return False


def _is_source(line: str) -> bool:
    part, slash, rest = line.partition("/")
    if slash:
        return rest == "open" and parse_part(part) is not None
    return parse_part(line) is not None or parse_segment(line) is not None


def _names(folder: Path) -> Iterable[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return ()
