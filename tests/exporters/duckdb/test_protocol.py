"""The whole write side against a model: what was acknowledged is found once, at every step."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporters.duckdb.layout import Layout, is_locked, live_owners, scan
from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import Line
from exporters.duckdb.upkeep.compaction import compact

STEPS = (
    "locked",
    "read",
    "written",
    "verified",
    "synced",
    "renamed",
    "committed",
    "emptied",
    "unlinked",
    "buried",
    "strays",
    "shortened",
)
BASE_NS = 1_700_000_000_000_000_000


class StoppedError(Exception):
    """The compactor was stopped at a step."""


class Protocol(RuleBasedStateMachine):
    """Three recorders, a compactor that may stop anywhere, and collection without grace."""

    read: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.folder / "traces.duckdb"
        self.layout = Layout.of(self.store)
        self.journals = [Journal(self.store, fallback=None, sync="off") for _ in range(3)]
        self.last = 0
        self.open: dict[int, int] = {}
        self.ended: set[int] = set()
        self.garbage = 0

    def teardown(self) -> None:
        for journal in self.journals:
            journal.close()
        shutil.rmtree(self.folder)

    def _append(self, who: int, number: int, *, ended: bool) -> None:
        text = json.dumps(f"content {number % 5}").encode()
        name = blake2b(text, digest_size=16).hexdigest()
        start = BASE_NS + number * 10**9
        fields = {
            "k": "span",
            "v": 1,
            "rev": int(ended),
            "trace_id": f"trace_{number % 3}",
            "span_id": f"span_{number}",
            "name": f"s{number}",
            "start_ns": start,
            "end_ns": start + 5 if ended else None,
            "input": {"refs": [name]},
        }
        self.journals[who].append(Line(fields, {name: text}))

    @rule(who=st.integers(0, 2), count=st.integers(1, 4))
    def start(self, who: int, count: int) -> None:
        for _ in range(count):
            self.last += 1
            self.open[self.last] = who
            self._append(who, self.last, ended=False)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.open)))
        self._append(self.open.pop(number), number, ended=True)
        self.ended.add(number)

    @rule(who=st.integers(0, 2))
    def seal(self, who: int) -> None:
        self.journals[who].seal()

    @rule(who=st.integers(0, 2))
    def close(self, who: int) -> None:
        self.journals[who].close()

    @rule(who=st.integers(0, 2), torn=st.binary(max_size=20))
    def die(self, who: int, torn: bytes) -> None:
        """The process is gone; its last segment may end in half a line."""
        path = self.journals[who].path
        if path is None:
            return
        self.journals[who].close()
        if path.exists() and not is_locked(path) and b"\n" not in torn:
            with path.open("ab") as file:
                file.write(torn)
        self.journals[who] = Journal(self.store, fallback=None, sync="off")

    @rule()
    def compact(self) -> None:
        assert compact(self.store).problems == []

    @rule()
    def compact_and_collect(self) -> None:
        assert compact(self.store, grace_s=-10).problems == []

    @rule(stop=st.sampled_from(STEPS))
    def stopped(self, stop: str) -> None:
        def steps(step: str) -> None:
            if step == stop:
                raise StoppedError

        with contextlib.suppress(StoppedError):
            compact(self.store, grace_s=-10, steps=steps)

    @invariant()
    def all_there_once(self) -> None:
        if not self.layout.exists:
            assert not self.ended
            return
        found = type(self).read(self.store)
        assert set(found.ended.values()) <= {1}
        assert not found.stale
        assert not found.missing
        assert {int(key[2].split("_")[1]) for key in found.ended} == self.ended
        assert {int(key[2].split("_")[1]) for key in found.open} == set(self.open)
        for number in (*self.ended, *self.open):
            row = found.span(f"s{number}")
            assert found.content(row["input"]) == [f"content {number % 5}"]

    @invariant()
    def owners(self) -> None:
        alive = {journal.owner for journal in self.journals if journal.path is not None}
        assert live_owners(self.layout) == alive
        assert {name.owner for name in scan(self.layout).live_segments} >= alive


def test_protocol(read: Any) -> None:
    """Whatever is recorded, sealed, killed, compacted and collected, in whatever order."""
    Protocol.read = staticmethod(read)
    machine = Protocol.TestCase
    machine.settings = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()


@pytest.mark.parametrize("stop", STEPS)
def test_stopped_anywhere(read: Any, stop: str) -> None:
    """A compactor that is stopped at each step in turn, with all there is to do."""
    Protocol.read = staticmethod(read)
    machine = Protocol()
    try:
        for round_ in range(8):
            machine.start(round_ % 3, 2)
            number = min(machine.open)
            machine._append(machine.open.pop(number), number, ended=True)
            machine.ended.add(number)
            machine.seal(round_ % 3)
            if round_ < 7:
                machine.compact_and_collect()
        for _ in range(3):
            machine.stopped(stop)
            machine.all_there_once()
        machine.compact_and_collect()
        machine.all_there_once()
    finally:
        machine.teardown()
