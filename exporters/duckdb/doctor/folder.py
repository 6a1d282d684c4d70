"""A store's folder as it is on disk: what counts, what waits, what is damaged.

Nothing here changes anything but for a trial file in `tmp/`, and nothing raises: what cannot be
looked at is left at "nothing wrong", as another fact then says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb

from exporters.duckdb.doctor.disk import (
    denied_paths,
    disk_facts,
    lock_holder,
    owner_name,
    process,
)
from exporters.duckdb.doctor.facts import (
    Backlog,
    Catalog,
    Clock,
    Damage,
    Denied,
    Disk,
    Folder,
    Holder,
)
from exporters.duckdb.doctor.soundness import bad_lines, damage, unread
from exporters.duckdb.layout import (
    Layout,
    Listing,
    check_path,
    host_name,
    is_locked,
    live_owners,
    read_format,
    scan,
)
from exporters.duckdb.schema import FORMAT, SCHEMA
from exporters.duckdb.upkeep.alone import mark_file
from exporters.store import StoreError

_T = TypeVar("_T")
_MAGIC = b"DUCK"  # after a checksum of eight bytes
_CONFIRMED_S = 1.0
_SLACK_MS = 60_000  # two machines that share a folder may differ by so much
_MOST_NOTES = 3
_NOTE = 500
_HOLDER = re.compile(r"held in (.*?) \(PID (\d+)\)")


def folder_facts(layout: Layout, *, thorough: bool = False) -> Folder:
    """What is on disk; `thorough` reads every byte of every part, else only of small stores."""
    refused = _refusal(layout)
    nobody: tuple[Denied, ...] = ()
    # What is in the way of the folder has no folders in it that could be denied.
    denied = nobody if refused else _tried(lambda: denied_paths(layout), nobody)
    newer, newer_schema = _version(layout)
    looks = os.path.isdir(layout.root)
    if refused or newer is not None or not looks:
        return Folder(
            exists=os.path.exists(layout.format_file),
            refused=refused,
            newer=newer,
            newer_schema=newer_schema,
            catalog_alone=not refused and not looks and os.path.isfile(layout.catalog),
            other_file=not looks and _tried(lambda: _is_other_file(layout.catalog), False),
            user=owner_name(os.geteuid()),
            denied=denied,
        )
    sound: tuple[Damage, ...] = ()
    unsaid: tuple[str, ...] = ()
    listing = _tried(lambda: scan(layout), Listing((), (), frozenset()))
    bad = _tried(lambda: bad_lines(layout, listing), (0, 0))
    return Folder(
        exists=os.path.exists(layout.format_file),
        newer_schema=newer_schema,
        format_error=_format_error(layout),
        foreign=_is_foreign(layout),
        unmarked=not os.path.lexists(layout.format_file) and os.path.isdir(layout.hot),
        user=owner_name(os.geteuid()),
        denied=denied,
        # Before the trial file of `disk_facts`, which looks like somebody at work.
        backlog=_tried(lambda: _backlog(layout, listing), Backlog()),
        disk=_tried(lambda: disk_facts(layout), Disk()),
        catalog=_tried(lambda: _catalog(layout), Catalog()),
        clock=_tried(lambda: _clock(layout, listing), Clock()),
        damage=_tried(lambda: damage(layout, listing, thorough=thorough), sound),
        unread=_tried(lambda: unread(layout, listing, thorough=thorough), 0),
        bad_lines=bad[0],
        bad_segments=bad[1],
        quarantined=_tried(lambda: _weight(layout.quarantine), (0, 0)),
        notes=_tried(lambda: _notes(layout.quarantine), unsaid),
        parts=len(listing.live_parts),
        segments=len(listing.live_segments),
        size=_weight(layout.root)[1],
        replaced=_tried(lambda: _replaced(layout, listing), 0),
        alive=_tried(lambda: len(live_owners(layout)), 0),
    )


def _tried(look: Callable[[], _T], otherwise: _T) -> _T:
    """A fact, or what stands for it where it cannot be had."""
    try:
        return look()
    except Exception:  # noqa: BLE001 (a doctor that falls ill is no help)
        return otherwise


def _refusal(layout: Layout) -> str:
    try:
        check_path(layout)
    except StoreError as error:
        return str(error)
    except OSError:  # denied: told by what is denied
        return ""
    return ""


def _format_error(layout: Layout) -> str:
    """Why FORMAT cannot be followed; it is not newer."""
    try:
        found = read_format(layout)
    except StoreError as error:
        return str(error)
    damaged = found is not None and found.damaged
    return f"{str(layout.format_file)!r} is damaged. The data says the same." if damaged else ""


def _version(layout: Layout) -> tuple[int | None, int | None]:
    """The format and the schema, each where it is newer than ours."""
    try:
        said = json.loads(layout.format_file.read_bytes())
        newer = int(said["format"])
        schema = int(said["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return newer if newer > FORMAT else None, schema if schema > SCHEMA else None


def _is_foreign(layout: Layout) -> bool:
    if os.path.lexists(layout.format_file) or os.path.isdir(layout.hot):
        return False
    return _tried(lambda: bool(os.listdir(layout.root)), False)


def _is_other_file(path: Path) -> bool:
    """Whether a file is there that is no database."""
    with path.open("rb") as file:
        return file.read(12)[8:] != _MAGIC


def _catalog(layout: Layout) -> Catalog:
    """What opening the catalog gives. It is closed again at once, as it is the user's."""
    if not os.path.lexists(layout.catalog):
        return Catalog(exists=False)
    try:
        with duckdb.connect(layout.catalog, read_only=True) as connection:
            connection.execute(
                "set enable_progress_bar = false"
            )  # it goes to stdout, which is the user's
            found = connection.execute("select _root()").fetchone()
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        held = _HOLDER.search(str(error))
        if held is not None:
            return Catalog(holder=process(int(held[2])))
        return Catalog(error=text[:300])
    read = Path(found[0]) if found and found[0] else layout.root
    strays = os.path.realpath(read) != os.path.realpath(layout.root)
    return Catalog(strays=read if strays else None)


def _backlog(layout: Layout, listing: Listing) -> Backlog:
    now = time.time()
    sealed = []
    for name in listing.live_segments:
        path = layout.segment(name)
        with contextlib.suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_size and not is_locked(path):
                sealed.append((name.ms / 1000, status.st_size))
    idle = None
    with contextlib.suppress(OSError):
        idle = now - layout.lock.stat().st_mtime
    holder, quiet = _compactor(layout), _quiet(layout)
    if holder is not None and quiet > _CONFIRMED_S:
        time.sleep(_CONFIRMED_S)  # somebody may just have begun
        holder, quiet = _compactor(layout), _quiet(layout)
    return Backlog(
        segments=len(sealed),
        size=sum(size for _, size in sealed),
        oldest_s=max((now - begun for begun, _ in sealed), default=0.0),
        idle_s=idle,
        quiet_s=quiet,
        holder=holder,
    )


def _compactor(layout: Layout) -> Holder | None:
    """Who compacts now: who holds the lock, or made the file that stands for it."""
    holder = lock_holder(layout.lock)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(mark_file(layout).read_bytes())
        if str(said["host"]) == host_name():
            return process(int(said["pid"]))
        return Holder(command=f"on the machine {said['host']}")
    return holder


def _quiet(layout: Layout) -> float:
    """How long ago compaction last ended, or wrote a file of its own."""
    paths = [layout.lock, mark_file(layout), *layout.tmp.glob("*"), *layout.tmp.glob("*/*")]
    latest = 0.0
    for path in paths:
        with contextlib.suppress(OSError):
            latest = max(latest, path.stat().st_mtime)
    return max(0.0, time.time() - latest)


def _clock(layout: Layout, listing: Listing) -> Clock:
    now = time.time_ns() // 1_000_000
    dated = [(name.ms, name.filename) for name in listing.live_segments]
    dated += [(part.act_ms, part.dirname) for part in listing.live_parts]
    ahead = sorted((ms, name) for ms, name in dated if ms - now > _SLACK_MS)
    jumped = []
    for name in listing.live_segments:
        with contextlib.suppress(OSError):
            status = layout.segment(name).stat()
            if status.st_size and name.ms - status.st_mtime * 1000 > _SLACK_MS:
                jumped.append(name.filename)
    return Clock(
        ahead=len(ahead),
        furthest_s=(ahead[-1][0] - now) / 1000 if ahead else 0.0,
        example=ahead[-1][1] if ahead else "",
        jumped=len(jumped),
        jumped_example=jumped[0] if jumped else "",
    )


def _replaced(layout: Layout, listing: Listing) -> int:
    """Bytes of segments and parts that are there and count no more."""
    size = sum(_weight(layout.part(part))[1] for part in set(listing.parts) - {*listing.live_parts})
    for name in set(listing.segments) - {*listing.live_segments}:
        with contextlib.suppress(OSError):
            size += os.lstat(layout.segment(name)).st_size
    return size


def _weight(folder: Path) -> tuple[int, int]:
    """How many files are in a folder and below, and how many bytes."""
    sizes = list(_sizes(folder))
    return len(sizes), sum(sizes)


def _notes(folder: Path) -> tuple[str, ...]:
    """What the newest notes in quarantine say, each behind the name of what it is about."""
    found = []
    for path in folder.glob("*.txt"):
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text(encoding="utf-8").strip()[:_NOTE]
            found.append((path.stat().st_mtime, f"{path.stem}: {text.rstrip('.')}."))
    return tuple(text for _, text in sorted(found, reverse=True)[:_MOST_NOTES])


def _sizes(folder: Path) -> Iterator[int]:
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(path, name)).st_size
