"""Findings about traces that are not where they are looked for."""

from __future__ import annotations

from collections.abc import Iterator

from exporters.duckdb.doctor.facts import Facts, Place, Wanted
from exporters.duckdb.doctor.finding import Finding, word
from exporters.store import LastSign
from exporters.wording import length_of_time, moment, plural

_SLACK_NS = 60_000_000_000
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_ASK_THE_PROGRAM = (
    "Run `flightlog version` and `flightlog doctor` as the program's own user, with its "
    "environment: the store must be this one. Its log (logger flightlog.tracer) tells when it "
    "records elsewhere. In its code look for set_tracing_disabled, tracing_disabled=True and "
    "set_trace_processors."
)


def reading_findings(facts: Facts) -> Iterator[Finding]:
    """Why the store cannot be read at all, where nothing else says so."""
    if facts.content.error:
        seen, _, rest = facts.content.error.partition(". ")
        yield Finding(
            code="unreadable",
            title="The store cannot be read",
            seen=f"{seen}.",
            means="No command shows its traces until that is mended. Recording goes on.",
            step=rest or "Mend what it names; if that is nothing you know of, please report it.",
        )


def place_findings(facts: Facts) -> Iterator[Finding]:
    """Other stores that have what this one has not."""
    here = facts.content.wanted is not None and facts.content.wanted.trace_id is not None
    for place in facts.places:
        if place.fallback and place.traces != 0:
            yield _fallback(facts, place)
        elif place.has_wanted and not here:
            yield Finding(
                code="elsewhere",
                title="The trace is in another store",
                seen=f"{str(place.store)!r} has it; {place.why}. This store, "
                f"{str(facts.store)!r}, is named by {facts.chosen_by}.",
                means="The program recorded with another setting than this command has.",
                step=f"Look there: flightlog show {word(_name(facts))} --store {word(place.store)}",
            )
    yield from _others(facts, missing=facts.content.wanted is not None and not here)


def _others(facts: Facts, *, missing: bool) -> Iterator[Finding]:
    """Stores with traces that may be the ones that are missed here.

    With traces here, and none asked for, nothing is: whoever set a store of their own knows that
    there are others. It never is trouble by itself; that nothing is here is.
    """
    empty = facts.content.traces == 0 and not facts.content.error
    others = [p for p in facts.places if p.traces and not p.fallback and not p.has_wanted]
    if not others or not (empty or missing):
        return
    newest = max(others, key=lambda place: place.newest_ns or 0)
    of = f", the newest of {moment(newest.newest_ns)}" if newest.newest_ns else ""
    more = f" {plural(len(others) - 1, 'other store')} beside it." if len(others) > 1 else ""
    yield Finding(
        code="elsewhere",
        title="Traces are in another store",
        seen=f"{str(newest.store)!r} has {plural(newest.traces or 0, 'trace')}{of}; {newest.why}."
        f"{more} This store is named by {facts.chosen_by}.",
        means="Programs with another setting than this command's record there.",
        step=f"Look there: flightlog list --store {word(newest.store)}. To have all in one place, "
        f"set FLIGHTLOG_STORE to the same path for all programs.",
        level="note",
    )


def _fallback(facts: Facts, place: Place) -> Finding:
    held = "traces" if place.traces is None else plural(place.traces, "trace")
    newest = f", the newest of {moment(place.newest_ns)}" if place.newest_ns else ""
    return Finding(
        code="fallback",
        title="Traces went to the fallback store",
        seen=f"{str(place.store)!r} has {held}{newest}.",
        means=f"While {str(facts.store)!r} could not be written, programs recorded there.",
        step=f"Look there: flightlog list --store {word(place.store)}. Bring them over with "
        f"flightlog export and flightlog import, then delete that store.",
    )


def trace_findings(facts: Facts) -> Iterator[Finding]:
    """Why the trace that was asked for is not here, or not whole."""
    wanted = facts.content.wanted
    if wanted is None:
        return
    if wanted.trace_id is not None:
        if wanted.incomplete:
            yield Finding(
                code="incomplete",
                title="Some of the trace was lost",
                seen=f"{wanted.trace_id} is marked incomplete.",
                means="The rest of it is there.",
                step=f'See why: flightlog sql "SELECT * FROM losses WHERE trace_id = '
                f"'{wanted.trace_id}'\"",
            )
        if wanted.last_sign is not None:
            yield _interrupted(wanted.last_sign)
        return
    if facts.content.error or any(place.has_wanted for place in facts.places):
        return
    if facts.content.traces or wanted.near:
        yield _not_found(facts, wanted)


def _interrupted(sign: LastSign) -> Finding:
    process = "The process" if sign.pid is None else f"Process {sign.pid}"
    where = f" on {sign.host}" if sign.host else ""
    return Finding(
        code="interrupted",
        title="The trace was interrupted",
        seen=f"{process}{where} recorded the last of it at {moment(sign.at_ns)}, and is gone.",
        means="It ended without ending the trace: killed, out of memory, os._exit(), a crash or a "
        "restart. What had ended by then is here.",
        step="Look for what ended it at that time: the program's own log, journalctl or dmesg "
        "(out of memory), or the container's exit code.",
        level="note",
    )


def _not_found(facts: Facts, wanted: Wanted) -> Finding:
    begun, oldest = wanted.started_ns, facts.content.oldest_ns
    age = None if begun is None else (facts.now_ns - begun) / 1e9
    limit = facts.settings.max_age_s
    seen = f"No trace is called {wanted.name!r}"
    if begun is not None:
        seen += f"; by its id it started at {moment(begun)}"
    means = "It was not recorded here, or was deleted."
    step = _ASK_THE_PROGRAM
    title = "The trace is not here"
    if wanted.near:
        seen += "; near it: " + ", ".join(f"{key} ({why})" for key, why in wanted.near)
        means = "The word may stand for one of those. A trace is found by its id."
        step = f"Look at it: flightlog show {word(wanted.near[0][0])}"
    elif age is not None and limit is not None and age > limit:
        title = "The trace was too old to stay"
        seen += f"; FLIGHTLOG_MAX_AGE keeps {length_of_time(limit)}"
        means = "It was deleted when it got older than that."
        step = "Set FLIGHTLOG_MAX_AGE higher, and pin what is to stay: flightlog pin --help"
    elif begun is not None and oldest is not None and begun < oldest:
        seen += f"; the oldest here started at {moment(oldest)}"
        cap = facts.settings.max_disk is not None
        means = "All from that time is gone: deleted by " + (
            "FLIGHTLOG_MAX_DISK, or by flightlog purge." if cap else "flightlog purge, or by hand."
        )
        step = (
            "Set FLIGHTLOG_MAX_DISK higher, and pin what is to stay: flightlog pin --help"
            if cap
            else "Restore the store's folder from a backup, if you need it. Pin what is to stay: "
            "flightlog pin --help"
        )
    return Finding(code="not-found", title=title, seen=seen + ".", means=means, step=step)


def empty_findings(facts: Facts) -> Iterator[Finding]:
    """A store with nothing in it, where nothing else says why."""
    folder, content = facts.folder, facts.content
    if content.traces or content.error:
        return
    where = "exists and is empty" if folder.exists else "does not exist yet"
    yield Finding(
        code="nothing",
        title="Nothing was recorded here yet",
        seen=f"The store {str(facts.store)!r} (named by {facts.chosen_by}) {where}.",
        means="No program has recorded to this path, or its traces were deleted.",
        step=f"Try: flightlog demo --store {word(facts.store)}. For a program of yours: "
        + _ASK_THE_PROGRAM,
    )


def memory_findings(facts: Facts) -> Iterator[Finding]:
    """A store that goes with the machine's next start."""
    wanted = facts.content.wanted
    missing = not facts.content.traces or (wanted is not None and wanted.trace_id is None)
    kind = facts.folder.disk.kind
    if missing and kind in _IN_MEMORY:
        yield Finding(
            code="in-memory",
            title="The store is in memory",
            seen=f"{str(facts.store)!r} is on a file system of the kind {kind}.",
            means="What was recorded before the machine, or the container, last started is gone.",
            step="Set FLIGHTLOG_STORE to a path on a disk.",
            level="note",
        )


def _name(facts: Facts) -> str:
    return "last" if facts.content.wanted is None else facts.content.wanted.name
