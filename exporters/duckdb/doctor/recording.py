"""Findings about recording itself: settings, exporters, and what was lost on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporters.duckdb.doctor.facts import Facts, Lost, Settings
from exporters.duckdb.doctor.finding import Finding
from exporters.wording import moment, plural

LOCAL = "duckdb"
_UNREADABLE = frozenset({"line could not be read", "damaged part"})
_LACKING = "damaged part: column "
_RAISED = re.compile(r"(\w+) raised")
_ELSEWHERE = "Nothing is missing here: the local store has it."
_HERE = "It is missing from this store."
_MEANINGS = {
    "could not be encoded": (
        "The recorder could not turn it into a record.",
        "Look in the program's log for 'could not be recorded'; the traceback below it says why. "
        "Please report it.",
    ),
    "larger than a line may be": (
        "A value over 16 MiB is not kept. A marker stands in its place; the rest of the span is "
        "there.",
        "Put such a value into a file, and set the file's path on the span instead.",
    ),
    "line could not be read": (
        "Lines of a segment were no longer as they had been written. The good ones are kept.",
        "Have the disk looked at (dmesg tells of its faults). What was set aside is in quarantine/ "
        "of the store's folder.",
    ),
    "damaged part": (
        "A part was no longer as it had been written; so many records of it could not be read.",
        "Have the disk looked at (dmesg tells of its faults). The part is in quarantine/ of the "
        "store's folder; if you have a backup, put the same folder back into parts/.",
    ),
    "store not writable": (
        "Neither the store nor its fallback could be written for so long that memory was full.",
        "Make space, or give permission, in the store's folder and in the fallback's.",
    ),
    "queue full": (
        "The exporter was slower than the program.",
        "See whether the place that it delivers to is slow or down. A longer queue helps over "
        "peaks: BatchTraceProcessor(max_queue_size=…).",
    ),
    "export raised": (
        "The exporter failed at delivering.",
        "Look in the program's log for the exporter's name; its error is there.",
    ),
    "not delivered before exit": (
        "The program ended before the exporter had delivered all it held.",
        "See whether the place that it delivers to is slow or down; at the end a program waits "
        "five seconds.",
    ),
}


def setting_findings(facts: Facts) -> Iterator[Finding]:
    """What the environment keeps from being recorded."""
    settings = facts.settings
    for name, value in settings.disabled_by:
        yield Finding(
            code="disabled",
            title="Recording is switched off",
            seen=f"{name} is {value!r} in the environment of this command.",
            means="Programs that are started with it record nothing, and say nothing about it.",
            step=f"Take it away where the program is started, and run the program again: "
            f"unset {name}",
        )
    yield from _exporters(settings)
    for wrong in settings.wrong:
        yield Finding(
            code="setting",
            title=f"{wrong.name} cannot be followed",
            seen=f"{wrong.name} is {wrong.value!r}.",
            means="Programs take it as unset, say so in their log, and go on.",
            step=wrong.rule or "Unset it.",
        )
    if settings.prices:
        seen, _, rest = settings.prices.partition(". ")
        yield Finding(
            code="prices",
            title="The file of prices cannot be followed",
            seen=f"{seen.removesuffix('.')}.",
            means="Costs are counted with the prices that ship. A model that only your file prices "
            "has no cost.",
            step=rest or "Correct it, or unset FLIGHTLOG_PRICES.",
        )


def _exporters(settings: Settings) -> Iterator[Finding]:
    shown = f"FLIGHTLOG_EXPORTERS is {','.join(settings.exporters)!r}"
    known = ", ".join(settings.known) or "none"
    unknown = [name for name in settings.exporters if name not in settings.known]
    reached = [name for name in settings.exporters if name not in unknown]
    reached = [name for name in reached if name not in dict(settings.broken)]
    # Where no exporter can be loaded, the local store records all the same.
    if LOCAL in settings.known and LOCAL not in settings.exporters and (
        reached or not settings.exporters
    ):  # fmt: skip
        wanted = ",".join((LOCAL, *settings.exporters))
        yield Finding(
            code="exporter-missing",
            title="Traces do not go to the local store"
            if settings.exporters
            else "No exporter is named, so nothing is recorded",
            seen=f"{shown}, which leaves {LOCAL} out.",
            means="Traces go to what it names and to nothing else, so they are not here."
            if settings.exporters
            else "It is set and names nothing, so programs record nowhere. Were it unset, they "
            "would record to the local store.",
            step=f"Name it{' too' if settings.exporters else ''}, and run the program again: "
            f"export FLIGHTLOG_EXPORTERS={wanted}",
        )
    for name in unknown:
        yield Finding(
            code="exporter-unknown",
            title=f"No exporter is called {name!r}",
            seen=f"{shown}; installed are: {known}.",
            means="Nothing goes to that one."
            + ("" if reached else " As none is left, the local store records."),
            step="Correct the name, or install the package that brings it into the program's own "
            "environment.",
        )
    for name, why in settings.broken:
        yield Finding(
            code="exporter-broken",
            title=f"The exporter {name!r} cannot be loaded",
            seen=f"{why}.",
            means="Nothing goes to it, and programs log that.",
            step=f"Install what it needs: pip install 'flightlog[{name}]', or take it out of "
            f"FLIGHTLOG_EXPORTERS.",
        )


def loss_findings(facts: Facts) -> Iterator[Finding]:
    """What was lost lately, by reason, and what could not be delivered."""
    quarantined = bool(facts.folder.quarantined[0])
    for lost in facts.content.lost:
        if not quarantined or not (is_unreadable(lost) or is_lacking(lost)):
            means, step = meaning(lost)
            yield Finding(
                code="lost",
                title=f"Lost: {lost.reason}",
                seen=f"{plural(lost.items, 'item')} of {lost.exporter or 'recording'}, the last "
                f"at {moment(lost.last_ns)}.",
                means=means,
                step=f'{step} All of it: flightlog sql "SELECT * FROM losses"',
            )
    for failed in facts.content.undelivered:
        yield Finding(
            code="undelivered",
            title=f"{failed.exporter} does not get what it should",
            seen=f"{plural(failed.items, 'item')} failed, the last at "
            f"{moment(failed.last_ns)}: {failed.reason or 'no reason was given'}.",
            means=f"They are not where {failed.exporter} delivers to. {_ELSEWHERE}",
            step="Mend what the reason says: address, key or network. All of it: "
            'flightlog sql "SELECT * FROM deliveries"',
        )


def is_unreadable(lost: Lost) -> bool:
    """Whether records are gone because they could not be read any more."""
    return lost.reason in _UNREADABLE


def is_lacking(lost: Lost) -> bool:
    """Whether records are there without one of their columns, which could not be read any more."""
    return lost.reason.startswith(_LACKING)


def meaning(lost: Lost) -> tuple[str, str]:
    """What a loss means, and what to do."""
    where = _HERE if lost.exporter == LOCAL else _ELSEWHERE
    known = _MEANINGS.get(lost.reason)
    if is_lacking(lost):
        column = lost.reason.removeprefix(_LACKING)
        return (
            f"A part was no longer as it had been written. Its records are there without "
            f"{column!r}, which could not be read.",
            _MEANINGS["damaged part"][1],
        )
    if known is not None:
        return f"{known[0]} {'' if lost.exporter == LOCAL else where}".rstrip(), known[1]
    raised = _RAISED.fullmatch(lost.reason)
    if raised is not None:
        return (
            f"The processor {lost.exporter} raised an exception in {raised[1]}, and missed what it "
            f"was told. Those beside it were told all the same.",
            "Mend it: the program's log has its traceback (logger flightlog.tracer).",
        )
    if "redact" in lost.reason.lower():
        return (
            "The redactor failed, and what it was given was left blank, so that nothing leaks.",
            "Mend it: the program's log says how it failed (logger flightlog.tracer).",
        )
    return (
        where,
        "Look in the program's log (logger flightlog.tracer) for what happened then.",
    )
