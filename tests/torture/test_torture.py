"""Kills: writers and compactors die at any moment, and nothing is lost, doubled or unreadable."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from exporters.duckdb.layout import Layout, scan
from exporters.duckdb.reading.reader import Reader
from exporters.duckdb.upkeep.compaction import compact

HERE = Path(__file__).parent
STEPS = (
    "locked", "read", "written", "verified", "synced", "renamed", "committed", "chosen",
    "salvaged", "quarantined", "restored", "emptied", "unlinked", "buried", "strays", "shortened",
)  # fmt: skip
DAMAGE = {
    "salvaged": "items.parquet",
    "quarantined": "items.parquet",
    "restored": "traces.parquet",
}
QUERY = "select name, status from spans"
_BRIEF, _WHOLE = 6, 100
_WRITERS = 3
_SECONDS = 2.0


class Writer:
    """A process that records, and what it has acknowledged."""

    def __init__(self, store: Path, name: str) -> None:
        command = [sys.executable, str(HERE / "writer.py"), str(store), name, "0.01"]
        self.name = name
        self.acknowledged: list[int] = []
        self.opened = threading.Event()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for said in self.process.stdout:
            if said == "open\n":
                self.opened.set()
            elif said.endswith("\n"):
                self.acknowledged.append(int(said))
        self.process.stdout.close()

    def kill(self) -> None:
        """End it at once, and hear what it still said."""
        self.process.kill()
        self.process.wait()
        self._thread.join()

    def ended(self) -> set[str]:
        """Names of spans that it said were ended."""
        return {f"{self.name}-{number}" for number in list(self.acknowledged)}


class Ward:
    """A store under torture: who writes to it, and what it has to hold."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.layout = Layout.of(store)
        self.dead: list[Writer] = []
        self.alive: list[Writer] = []
        self.reader = Reader(self.layout)
        self.polls = 0

    def start(self) -> None:
        """One more writer."""
        writer = Writer(self.store, f"w{len(self.dead) + len(self.alive)}")
        self.alive.append(writer)
        assert writer.opened.wait(120)

    def kill(self, chance: random.Random) -> None:
        """Kill a writer and start another one."""
        writer = self.alive.pop(chance.randrange(len(self.alive)))
        writer.kill()
        self.dead.append(writer)
        self.start()

    def look(self) -> None:
        """What was acknowledged before is there, once, to an exact reader."""
        said = [(writer, writer.ended()) for writer in (*self.dead, *self.alive)]
        gone = {writer.name for writer in self.dead}
        self.reader.refresh()
        self.check(self.reader.query(QUERY), said, "interrupted", gone)
        self.polls += 1

    def look_with_sql(self) -> None:
        """The same through the catalog; only while nobody compacts, as it has no time of grace."""
        with duckdb.connect(str(self.store), read_only=True) as con:
            said = [(writer, writer.ended()) for writer in (*self.dead, *self.alive)]
            self.check(con.execute(QUERY).fetchall(), said, "running", set())

    def check(
        self,
        rows: list[tuple[str, str]],
        said: list[tuple[Writer, set[str]]],
        status: str,
        gone: set[str],
    ) -> None:
        """Everything once; who is gone has left its open span as `status`."""
        count = Counter(name for name, _ in rows)
        assert not [name for name, times in count.items() if times > 1]
        found = dict(rows)
        for writer, ended in said:
            assert not ended - found.keys(), f"{writer.name} lost spans"
            assert {found[name] for name in ended} <= {"ok"}
            if writer.name in gone or status == "running":
                assert found[f"{writer.name}-open"] == status

    def damage(self, chance: random.Random, file: str) -> None:
        """Take a file away from a part that holds no span; the part has to be replaced."""
        parts = scan(self.layout).live_parts
        if parts:
            with contextlib.suppress(OSError):
                (self.layout.part(chance.choice(parts)) / file).unlink()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """A store, with writers that are gone at the end."""
    made = Ward(tmp_path / "traces.duckdb")
    yield made
    for writer in made.alive:
        writer.kill()
    made.reader.close()


def compact_until_killed(ward: Ward, step: str, times: int) -> int:
    """Run a compactor that dies at a step, reading all the while; gives how it ended."""
    command = [sys.executable, str(HERE / "compactor.py"), str(ward.store), step, str(times)]
    process = subprocess.Popen([*command, str(_SECONDS)], stdout=subprocess.PIPE, text=True)
    try:
        while process.poll() is None:
            ward.look()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it needs the machine too
                process.wait(0.05)
        out, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, -signal.SIGKILL), out
    return process.returncode


@pytest.mark.timeout(900)
def test_torture(ward: Ward, torture: bool) -> None:
    """Writers and compactors are killed at random and at every step of the protocol."""
    chance = random.Random(4)
    kills = _WHOLE if torture else _BRIEF
    steps = list(STEPS) * (kills // len(STEPS) + 1)
    chance.shuffle(steps)
    for _ in range(_WRITERS):
        ward.start()
    done: Counter[str] = Counter()
    tries = 0
    while done.total() < kills:
        tries += 1
        assert tries < 5 * kills, f"what was to be killed ends before: {done}"
        if chance.random() < 0.4:
            time.sleep(chance.random() * 0.05)  # where in its work it dies is the point
            ward.kill(chance)
            done["writer"] += 1
        else:
            step = steps.pop() if steps else chance.choice(STEPS)
            if step in DAMAGE:
                ward.damage(chance, DAMAGE[step])
            if compact_until_killed(ward, step, chance.randint(1, 2)):
                done[step] += 1
        ward.look()
        if ward.store.exists():
            ward.look_with_sql()
    for writer in list(ward.alive):
        ward.alive.remove(writer)
        writer.kill()
        ward.dead.append(writer)
    for _ in range(3):
        assert compact(ward.store, grace_s=0).problems == []
        ward.look()
        ward.look_with_sql()
    assert ward.polls > kills
    print(f"\n{dict(done)}, {ward.polls} polls")
    assert ward.reader.query("select sum(items) from losses") in ([(None,)], [(0,)], [])
