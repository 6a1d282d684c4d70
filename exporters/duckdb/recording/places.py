"""Where segments are opened: the store, and the fallback while the store cannot be written.

The fallback is a whole store of its own, in the user's folder of state data, which every command
reads with `--store`. The log names it, and a note in its folder says which store it stands in for.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from exporters.duckdb.layout import Layout, SegmentName, create, host_name
from exporters.duckdb.recording.segment import Files, Segment
from exporters.store import StoreError

NOTE = "STANDS_IN_FOR"
_STORE_AGAIN_SECONDS = 30.0


class Places:
    """Opens segments, in the store or else in the fallback, and remembers which is tried first.

    Not safe in threads: the journal takes care of that.

    Attributes:
        store: Where segments belong.
        fallback: Where they go otherwise, if anywhere.
        current: The one of them that was opened last.
        rand: What is this process's own in the names of its segments.
        notes: What is to be logged once the caller has left the journal's lock.
    """

    def __init__(
        self,
        store: Path,
        fallback: Path | None,
        files: Files,
        clock: Callable[[], float],
    ) -> None:
        self.store = Layout.of(store)
        self.fallback = None if fallback is None else Layout.of(fallback)
        self._files = files
        self._clock = clock
        self._complained: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """The state of a process that has opened nothing yet."""
        self.current = self.store
        self.rand = secrets.token_hex(6)
        self.notes: list[str] = []
        self._last_ms = 0
        self._ready: set[Layout] = set()
        self._unnamed: list[Path] = []
        self._store_again_at = 0.0

    @property
    def owner(self) -> str:
        """The identity of this process's recorder, as its segments and rows carry it."""
        return f"{host_name()}-{os.getpid()}-{self.rand}"

    def open(self) -> tuple[Layout, Segment] | None:
        """A new segment and where it is; None where none can be made, which is noted."""
        places = [self.store]
        if self.fallback is not None:
            tried = self._clock() < self._store_again_at  # and found wanting, a moment ago
            places.insert(0 if tried else 1, self.fallback)
        for place in places:
            try:
                return place, self._segment_in(place)
            except (OSError, StoreError) as error:
                self._ready.discard(place)
                self.complain(place, error)
        return None

    def put_off(self) -> None:
        """Try the fallback first for half a minute."""
        self._store_again_at = self._clock() + _STORE_AGAIN_SECONDS

    def relent(self) -> None:
        """Try the store first again."""
        self._store_again_at = 0.0

    def sync_names(self) -> None:
        """Make the folders that were made for a store survive a loss of power.

        Raises:
            OSError: If they may not.
        """
        for folder in reversed(tuple(self._unnamed)):
            self._files.sync_folder(folder)
            with contextlib.suppress(ValueError):  # two threads may be at it
                self._unnamed.remove(folder)

    def complain(self, place: Layout, error: Exception) -> None:
        """Note once what is wrong with a place."""
        where = str(place.catalog)
        if isinstance(error, StoreError):
            text = str(error)
        else:
            reason = getattr(error, "strerror", None) or type(error).__name__
            text = (
                f"The store {where!r} cannot be written ({reason}). Every record is kept in "
                f"memory until it can. Make space or give permission there."
            )
        if place == self.store and self.fallback is not None:
            text += f" Meanwhile recording goes on in {str(self.fallback.catalog)!r}."
        if text not in self._complained:
            self._complained.add(text)
            self.notes.append(text)

    def _segment_in(self, place: Layout) -> Segment:
        if place not in self._ready or not place.hot.is_dir():
            missing = _missing(place.root)
            create(place, self.notes.append)
            self._unnamed += [folder.parent for folder in missing]
            if place == self.fallback:
                self._leave_note(place)
            self._ready.add(place)
        self._last_ms = max(time.time_ns() // 1_000_000, self._last_ms + 1)
        name = SegmentName(self._last_ms, host_name(), os.getpid(), self.rand)
        return Segment(place, name, self._files)

    def _leave_note(self, place: Layout) -> None:
        note = {"store": str(self.store.catalog), "since_ns": time.time_ns()}
        with contextlib.suppress(OSError):  # it only helps who looks for what is missing
            (place.root / NOTE).write_text(json.dumps(note) + "\n", encoding="utf-8")


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there yet, the topmost one last."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing
