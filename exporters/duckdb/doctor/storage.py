"""Findings about the store's folder: access, room, damage, compaction, clocks, the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exporters.duckdb.doctor.facts import Denied, Facts, Holder
from exporters.duckdb.doctor.finding import Finding, word
from exporters.duckdb.doctor.recording import is_lacking, is_unreadable
from exporters.duckdb.layout import Layout
from exporters.duckdb.schema import FORMAT, SCHEMA
from exporters.wording import length_of_time, plural, size

_LEAST_FREE = 64 * 1024 * 1024
_LEAST_FILES = 100
_LARGE_BACKLOG = 256 * 1024 * 1024
_MANY_SEGMENTS = 200
_LATE_S = 300.0
_STUCK_S = 600.0
_FAILING_S = 3600.0
_SKEW_S = 5.0
_OVER = 1.1
_SHOWN = 5
_UPGRADE = "Upgrade: pip install --upgrade flightlog"


def path_findings(facts: Facts) -> Iterator[Finding]:
    """Why the path is no store that can be read or recorded to."""
    folder, layout = facts.folder, Layout.of(facts.store)
    if folder.refused:
        yield Finding(
            code="path",
            title="The path cannot be a store's",
            seen=folder.refused.partition(". ")[0] + f" (store named by {facts.chosen_by}).",
            means="Nothing can be recorded there, and nothing read.",
            step=folder.refused.partition(". ")[2],
        )
    yield from _version_findings(facts)
    if folder.format_error:
        yield Finding(
            code="format",
            title="The store's FORMAT cannot be followed",
            seen=folder.format_error.partition(". ")[0] + ".",
            means="It says which format the store has. The data is as it was.",
            step=f"Have it written anew: flightlog doctor --repair. Where that refuses: Restore "
            f"{word(layout.format_file)} from a backup, or move it away and record once.",
        )
    if folder.catalog_alone and folder.other_file:
        yield Finding(
            code="path",
            title="The path is another file's",
            seen=f"{str(layout.catalog)!r} (named by {facts.chosen_by}) is no database, and "
            f"{str(layout.root)!r} is not there.",
            means="Nothing can be recorded there, and nothing read.",
            step="Name a store with --store or FLIGHTLOG_STORE, such as ~/traces.duckdb",
        )
    elif folder.catalog_alone:
        yield Finding(
            code="moved",
            title="The folder with the data is not there",
            seen=f"{str(layout.catalog)!r} is there, {str(layout.root)!r} is not.",
            means="A store's file holds views only, and this one was moved or copied without its "
            "folder; or it is an export in one file, which is no store.",
            step=f"Bring the folder beside it, under the name {layout.root.name!r}. Of an export "
            f"make a store: flightlog import {word(layout.catalog)} --store NEW.duckdb",
        )
    if folder.foreign:
        yield Finding(
            code="path",
            title="The folder is not a store's",
            seen=f"{str(layout.root)!r} holds other files, and no FORMAT.",
            means="It is not read as a store.",
            step="Name another store with FLIGHTLOG_STORE, or move the files away.",
        )
    if folder.unmarked:
        yield Finding(
            code="format",
            title="The store's FORMAT is missing",
            seen=f"{str(layout.hot)!r} is there, {str(layout.format_file)!r} is not.",
            means="The store is taken for empty, though its segments and parts are there.",
            step=f"Restore the file from a backup, or have it written anew by recording once: "
            f"flightlog demo --store {word(layout.catalog)}",
        )


def _version_findings(facts: Facts) -> Iterator[Finding]:
    folder, layout = facts.folder, Layout.of(facts.store)
    if folder.newer is not None:
        yield Finding(
            code="newer",
            title="The store was made by a newer flightlog",
            seen=f"{layout.format_file} says format {folder.newer}; this one knows up to {FORMAT}.",
            means="It is neither read nor written here; programs record to the fallback.",
            step=_UPGRADE,
        )
    elif folder.newer_schema is not None:
        yield Finding(
            code="newer-schema",
            title="A newer flightlog records here too",
            seen=f"{layout.format_file} says schema {folder.newer_schema}; this one has {SCHEMA}.",
            means="All is read; columns that this one does not know are left out.",
            step=_UPGRADE,
            level="note",
        )


def access_findings(facts: Facts) -> Iterator[Finding]:
    """Why this user, or this file system, does not let us write."""
    folder, disk = facts.folder, facts.folder.disk
    layout = Layout.of(facts.store)
    for verb in ("write in", "read"):
        denied = [one for one in folder.denied if one.verb == verb]
        if denied:
            yield _denied(layout, denied, verb, folder.user)
    free = disk.free is not None and disk.free < _LEAST_FREE
    files = disk.free_files is not None and disk.free_files < _LEAST_FILES
    trouble = disk.write_error if not folder.denied else ""
    if trouble or free or files:
        left = "" if disk.free is None else f"{size(disk.free)} free"
        if files:
            left += f", {disk.free_files} files may still be made"
        yield Finding(
            code="disk",
            title="The disk cannot be written" if trouble else "The disk is nearly full",
            seen=f"{str(layout.root)!r}{f' ({disk.kind})' if disk.kind else ''}: "
            + ", ".join(filter(None, (trouble, left)))
            + ".",
            means="Programs keep what they record in memory, then go over to the fallback store; "
            "compaction waits."
            if trouble
            else "Recording and compaction will stop when it is full.",
            step=_room(trouble, layout),
        )
    if disk.lock_error:
        yield Finding(
            code="no-locks",
            title="Files cannot be locked here",
            seen=f"flock in {str(layout.tmp)!r} ({disk.kind or 'unknown'}): {disk.lock_error}.",
            means="Recording, reading and compaction work all the same. Whether a program is alive "
            "is told by its process and the age of its files, so an interrupted trace may show as "
            "running for a minute, and other DuckDB tools may refuse to open the catalog.",
            step="Keep the store on a local disk: set FLIGHTLOG_STORE to a path there, and take "
            "the old traces along: flightlog export --help",
            level="note",
        )
    if abs(disk.skew_s) > _SKEW_S:
        ahead = "ahead of" if disk.skew_s > 0 else "behind"
        yield Finding(
            code="clock",
            title="The file system has another time",
            seen=f"A file written now is dated {length_of_time(abs(disk.skew_s))} {ahead} this "
            f"machine.",
            means="Limits of age, and whether a program is alive, are judged wrongly.",
            step="Set both clocks by the network: timedatectl set-ntp true",
        )


def _denied(layout: Layout, denied: list[Denied], verb: str, user: str) -> Finding:
    first = denied[0]
    more = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
    inside = first.path.is_relative_to(layout.root)
    writing = verb == "write in"
    return Finding(
        code="permission",
        title=f"This user may not {verb} the store",
        seen=f"{str(first.path)!r}{more}: {first.mode}, of {first.owner}; this is {user}.",
        means="What this user's programs record goes to the fallback store."
        if writing
        else "What is in there is missing from every list.",
        step=_opening(first, user, word(layout.root if inside else first.path)),
    )


def _opening(first: Denied, user: str, place: str) -> str:
    if first.owner == user:
        return f"Give yourself access: chmod -R u+rwX {place}"
    return f"Run it as {first.owner}, or take the store over: sudo chown -R {user} {place}"


def _room(trouble: str, layout: Layout) -> str:
    if "ead-only" in trouble:
        return "Mount it writable, or set FLIGHTLOG_STORE to a path that is."
    if "quota" in trouble.lower():
        return "Free some of the quota, or set FLIGHTLOG_STORE to a path on another disk."
    if "nput/output" in trouble:
        return "Have the disk looked at: dmesg tells of its faults. Copy the store away first."
    return (
        f"Make room, for instance with: flightlog purge --older-than 30d --store "
        f"{word(layout.catalog)}. Keep it small from then on with FLIGHTLOG_MAX_DISK."
    )


def damage_findings(facts: Facts) -> Iterator[Finding]:
    """What is not as it was written, and what was set aside."""
    folder, layout = facts.folder, Layout.of(facts.store)
    if folder.damage:
        shown = [
            f"{_within(one.path, layout.root)}: {one.why}"
            + (f" ({plural(one.rows, 'record')})" if one.rows else "")
            for one in folder.damage[:_SHOWN]
        ]
        more = len(folder.damage) - len(shown)
        yield Finding(
            code="damage",
            title="Files of the store are damaged",
            seen="; ".join(shown) + (f"; and {more} more." if more else "."),
            means=f"Up to {plural(rows, 'record')} may be missing or wrong. The rest is read as "
            f"before."
            if (rows := sum(one.rows for one in folder.damage))
            else "What they held may be missing. The rest is read as before.",
            step="Restore them from a backup, if there is one. Then have what cannot be read set "
            f"aside and counted: flightlog doctor --repair --store {word(layout.catalog)}",
        )
    if folder.bad_lines:
        yield Finding(
            code="damage",
            title="Segments have lines that cannot be read",
            seen=f"{plural(folder.bad_lines, 'line')} in "
            f"{plural(folder.bad_segments, 'segment')} of {str(layout.hot)!r}.",
            means="Those lines are missing; all others are read.",
            step="Compaction sets them aside and counts them: flightlog doctor --repair --store "
            f"{word(layout.catalog)}. If it happens again, have the disk looked at.",
        )
    if folder.quarantined[0]:
        yield _quarantine(facts, layout)


def _quarantine(facts: Facts, layout: Layout) -> Finding:
    files, bytes_ = facts.folder.quarantined
    gone = sum(one.items for one in facts.content.lost if is_unreadable(one))
    lacking = sum(one.items for one in facts.content.lost if is_lacking(one))
    without = f", {lacking} values as unreadable" if lacking else ""
    return Finding(
        code="quarantine",
        title="Something was damaged and set aside",
        seen=f"{plural(files, 'file')} with {size(bytes_)} in {str(layout.quarantine)!r}; "
        f"{plural(gone, 'record')} counted as lost{without} within a week."
        + "".join(f" {note}" for note in facts.folder.notes),
        means="It could not be read whole. What was read of it is in the store; what was not is "
        "nowhere else, unless there is a backup. The view losses names the traces.",
        step="Restore what is missing from a backup, if there is one. What was set aside may be "
        "the only copy of it; if you do not need it, delete what is in that folder: "
        f"rm -r {word(layout.quarantine)}/*",
    )


def upkeep_findings(facts: Facts) -> Iterator[Finding]:
    """Compaction that does not come, and limits that are not kept."""
    backlog, layout = facts.folder.backlog, Layout.of(facts.store)
    waiting = (
        f"{plural(backlog.segments, 'sealed segment')} with {size(backlog.size)} wait, the "
        f"oldest for {length_of_time(backlog.oldest_s)}"
    )
    # Who starts somebody to compact says so by the same time, even if that one fails again.
    idle = backlog.idle_s is None or backlog.idle_s > _LATE_S or backlog.oldest_s > _FAILING_S
    holder = backlog.holder
    if (
        holder is not None
        and backlog.segments
        and min(backlog.oldest_s, backlog.quiet_s) > _STUCK_S
    ):
        yield Finding(
            code="compaction-stuck",
            title="Compaction hangs",
            seen=f"{_who(holder)} holds {str(layout.lock)!r}, and has done nothing for "
            f"{length_of_time(backlog.quiet_s)}; {waiting}.",
            means="Nobody else can compact meanwhile. All is readable, and reading gets slower.",
            step=f"Look at what it does, and end it if it does nothing: kill {holder.pid or 'PID'}",
        )
    elif holder is None and idle and _is_large(facts) and backlog.oldest_s > _LATE_S:
        last = "never yet" if backlog.idle_s is None else f"{length_of_time(backlog.idle_s)} ago"
        yield Finding(
            code="not-compacted",
            title="Segments are not compacted",
            seen=f"{waiting}; compaction last ended {last}.",
            means="All is there and readable, and reading is slow. Compaction was kept from coming "
            "to its end.",
            step=f"Do it now, and see what it says: flightlog doctor --repair --store "
            f"{word(layout.catalog)}",
        )
    limit = facts.settings.max_disk
    if limit is not None and facts.folder.size > limit * _OVER:
        yield Finding(
            code="over-limit",
            title="The store is larger than its limit",
            seen=f"{size(facts.folder.size)}; FLIGHTLOG_MAX_DISK is {size(limit)}.",
            means="Compaction keeps the limit, and it has not come since, or pinned traces are "
            "larger than that.",
            step="Whoever records or compacts next deletes the oldest traces; to delete now: "
            f"flightlog purge --help. Pin what is to stay: flightlog pin TRACE --store "
            f"{word(layout.catalog)}. Or set FLIGHTLOG_MAX_DISK higher.",
        )


def clock_findings(facts: Facts) -> Iterator[Finding]:
    """Times that cannot be."""
    clock, content = facts.folder.clock, facts.content
    if clock.ahead or content.ahead:
        furthest = max(clock.furthest_s, content.ahead_s)
        files = f"{plural(clock.ahead, 'file')} (such as {clock.example})" if clock.ahead else ""
        traces = f"{plural(content.ahead, 'trace')}" if content.ahead else ""
        yield Finding(
            code="clock",
            title="Traces come from the future",
            seen=f"{' and '.join(filter(None, (traces, files)))} dated up to "
            f"{length_of_time(furthest)} ahead of this machine's clock.",
            means="They stand above all newer ones, and tools other than flightlog see some of "
            "them only then.",
            step="Compare the clocks of the machines that record here (date), and set them by the "
            "network: timedatectl set-ntp true",
        )
    if clock.jumped and not clock.ahead:
        yield Finding(
            code="clock-jumped",
            title="A clock was set back while it recorded",
            seen=f"{plural(clock.jumped, 'segment')} last written before the time of the name, "
            f"such as {clock.jumped_example}.",
            means="What was recorded before stands at too late a time, so new traces may be below "
            "older ones.",
            step="Set the clock by the network: timedatectl set-ntp true",
        )


def catalog_findings(facts: Facts) -> Iterator[Finding]:
    """The file that other tools open. Nothing of ours needs it."""
    catalog, layout = facts.folder.catalog, Layout.of(facts.store)
    remake = (
        f"Move it away, and have it made anew: mv {word(layout.catalog)} "
        f"{word(str(layout.catalog) + '.old')} && flightlog doctor --repair --store "
        f"{word(layout.catalog)}"
    )
    own = "The file holds views and no traces; flightlog's own commands do not need it."
    if not facts.folder.exists:
        return
    if not catalog.exists:
        yield Finding(
            code="catalog-missing",
            title="There is no catalog file",
            seen=f"{str(layout.catalog)!r} is not there.",
            means=f"Other tools have nothing to open. {own}",
            step=f"Any command that reads makes it: flightlog list --store {word(layout.catalog)}",
            level="note",
        )
    elif catalog.error:
        yield Finding(
            code="catalog",
            title="The catalog file cannot be opened",
            seen=f"{str(layout.catalog)!r}: {catalog.error}",
            means=f"Other tools cannot open it either. {own}",
            step=remake,
        )
    elif catalog.holder is not None:
        yield Finding(
            code="catalog-held",
            title="The catalog file is in use",
            seen=f"{_who(catalog.holder)} has {str(layout.catalog)!r} open for writing.",
            means="No other DuckDB tool can open it meanwhile. Recording, the viewer and the "
            "commands go on.",
            step="Close it there, or open it there with -readonly.",
            level="note",
        )
    elif catalog.strays is not None:
        yield Finding(
            code="catalog-moved",
            title="The store was moved",
            seen=f"The views of {str(layout.catalog)!r} read {str(catalog.strays)!r}.",
            means=f"Other tools see what is there, if anything, and not what is here. {own}",
            step=remake,
        )


def _is_large(facts: Facts) -> bool:
    backlog = facts.folder.backlog
    return backlog.size >= _LARGE_BACKLOG or backlog.segments >= _MANY_SEGMENTS


def _who(holder: Holder) -> str:
    if holder.pid is None:
        return "Another process" + (f" {holder.command}" if holder.command else "")
    return f"Process {holder.pid}" + (f" ({holder.command})" if holder.command else "")


def _within(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
