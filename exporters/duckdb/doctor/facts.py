"""What a diagnosis goes by: facts as they were found, without a judgement.

Each field has a value that means "nothing wrong", so that a fact that could not be had is left
at that, and a test states only what it is about. Times are nanoseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exporters.store import LastSign


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSetting:
    """A variable that cannot be followed; `rule` says what it takes and what to do."""

    name: str
    value: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment of this command says; that of another program may differ.

    Attributes:
        wrong: Variables that cannot be followed.
        disabled_by: Variables that switch recording off, with their values.
        exporters: Names that traces go to; `named` says whether a variable names them.
        known: Names that installed packages offer.
        broken: Names that are offered and cannot be imported, with why.
        prices: What is wrong with the user's file of prices.
        max_age_s: How long traces are kept.
        max_disk: How many bytes of them are kept.
    """

    wrong: tuple[WrongSetting, ...] = ()
    disabled_by: tuple[tuple[str, str], ...] = ()
    exporters: tuple[str, ...] = ("duckdb",)
    named: bool = False
    known: tuple[str, ...] = ("duckdb",)
    broken: tuple[tuple[str, str], ...] = ()
    prices: str = ""
    max_age_s: float | None = None
    max_disk: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Another store that traces may have gone to.

    Attributes:
        store: Its catalog file.
        why: What makes traces go there, as in "the default of …".
        fallback: It is where recording goes on when this store cannot be written.
        beside: It was seen lying there; no setting leads to it.
        traces: How many it holds; None where it could not be read.
        newest_ns: When the newest of them started.
        has_wanted: It holds the trace that was asked for.
    """

    store: Path
    why: str
    fallback: bool = False
    beside: bool = False
    traces: int | None = 0
    newest_ns: int | None = None
    has_wanted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A path that this user may not use as recording or reading needs; `verb` says how."""

    path: Path
    verb: str
    owner: str = "?"
    mode: str = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds a lock, as far as it can be told."""

    pid: int | None = None
    command: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file or folder that is not as it was written; `rows` is how many records it may cost."""

    path: Path
    why: str
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system under the store, and what trying to write there gave.

    Attributes:
        free: Bytes that this user may still write; None where it is not known.
        free_files: Files that this user may still make.
        kind: Kind of the file system, such as ext4 or tmpfs.
        write_error: Why a trial file could not be written.
        lock_error: Why it could not be locked.
        skew_s: How far the file system's clock is ahead of this machine's.
    """

    free: int | None = None
    free_files: int | None = None
    kind: str = ""
    write_error: str = ""
    lock_error: str = ""
    skew_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The catalog file: views for other tools, and no data.

    Attributes:
        exists: There is one.
        error: Why DuckDB cannot open it.
        holder: Who holds it open for writing.
        strays: The folder that its views read, where it is not the one beside it.
    """

    exists: bool = True
    error: str = ""
    holder: Holder | None = None
    strays: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Sealed segments, which wait for compaction, and who is at it.

    Attributes:
        segments: How many there are.
        size: How many bytes they have.
        oldest_s: How long ago the oldest of them was begun.
        idle_s: How long ago compaction last came to its end, or the store was made; None where
            that is not known.
        quiet_s: How long ago compaction last showed a sign of work.
        holder: Who holds the lock of compaction now.
    """

    segments: int = 0
    size: int = 0
    oldest_s: float = 0.0
    idle_s: float | None = None
    quiet_s: float = 0.0
    holder: Holder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Files that say that a clock is or was wrong.

    Attributes:
        ahead: How many segments and parts are dated in the future.
        furthest_s: How far the furthest of them is.
        example: One of them.
        jumped: How many segments were last written before they were begun.
        jumped_example: One of those.
    """

    ahead: int = 0
    furthest_s: float = 0.0
    example: str = ""
    jumped: int = 0
    jumped_example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The store's folder.

    Attributes:
        exists: There is a FORMAT, so something was recorded here once.
        refused: Why the path cannot be read as a store.
        newer: The format that it has, where this version does not know it.
        newer_schema: The schema that wrote it, where that is newer than this version's.
        catalog_alone: The catalog file is there, and the folder beside it is not.
        other_file: That file is none of DuckDB's.
        foreign: The folder is there and holds other things than a store.
        unmarked: There are segments, and no FORMAT.
        format_error: Why FORMAT cannot be followed, where it is not newer.
        user: The user that this command runs as.
        denied: What that user may not use.
        disk: The file system.
        catalog: The catalog file.
        backlog: What waits for compaction.
        clock: What files say about clocks.
        damage: What is not as it was written.
        unread: How many bytes of parts were not read in search of damage.
        bad_lines: Lines of segments that cannot be read.
        bad_segments: How many segments have such.
        quarantined: Files in quarantine, and their bytes.
        notes: What notes in quarantine say was wrong and was saved, the newest first.
        parts: How many parts count.
        segments: How many segments count.
        size: Bytes of all of it.
        replaced: Bytes of segments and parts that others have replaced; they go after a while.
        alive: How many programs record now.
    """

    exists: bool = True
    refused: str = ""
    newer: int | None = None
    newer_schema: int | None = None
    catalog_alone: bool = False
    other_file: bool = False
    foreign: bool = False
    unmarked: bool = False
    format_error: str = ""
    user: str = "?"
    denied: tuple[Denied, ...] = ()
    disk: Disk = field(default_factory=Disk)
    catalog: Catalog = field(default_factory=Catalog)
    backlog: Backlog = field(default_factory=Backlog)
    clock: Clock = field(default_factory=Clock)
    damage: tuple[Damage, ...] = ()
    unread: int = 0
    bad_lines: int = 0
    bad_segments: int = 0
    quarantined: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    parts: int = 0
    segments: int = 0
    size: int = 0
    replaced: int = 0
    alive: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Losses of one exporter for one reason."""

    exporter: str
    reason: str
    items: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """Deliveries of one exporter that failed for one reason, and none succeeded since."""

    exporter: str
    reason: str
    items: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The trace that was asked for.

    Attributes:
        name: The word that was given.
        trace_id: The id of the one trace that it means here; None where there is none.
        span_id: The span of that trace that the word is the id of.
        status: That trace's status.
        started_ns: When it started; of a trace that is not here, as its id says.
        incomplete: Something of it was lost.
        last_sign: What it recorded last, where it is interrupted.
        near: Ids of other traces that the word may mean, and why.
    """

    name: str
    trace_id: str | None = None
    span_id: str | None = None
    status: str = ""
    started_ns: int | None = None
    incomplete: bool = False
    last_sign: LastSign | None = None
    near: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reader finds in the store.

    Attributes:
        error: Why it cannot be read.
        traces: How many traces.
        spans: How many spans.
        oldest_ns: When the oldest of the traces started.
        newest_ns: When the newest one did.
        ahead: How many traces started in the future.
        ahead_s: How far the furthest of them did.
        lost: What could not be kept, lately.
        undelivered: What other exporters could not deliver, lately.
        wanted: The trace that was asked for.
    """

    error: str = ""
    traces: int = 0
    spans: int = 0
    oldest_ns: int | None = None
    newest_ns: int | None = None
    ahead: int = 0
    ahead_s: float = 0.0
    lost: tuple[Lost, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it, about one store at one moment.

    Attributes:
        store: The catalog file.
        chosen_by: What names the store: `--store`, a variable or the default.
        now_ns: The moment.
        settings: What the environment says.
        folder: The store's folder.
        content: What is in it.
        places: Other stores.
    """

    store: Path
    chosen_by: str = "the default"
    now_ns: int
    settings: Settings = field(default_factory=Settings)
    folder: Folder = field(default_factory=Folder)
    content: Content = field(default_factory=Content)
    places: tuple[Place, ...] = ()
