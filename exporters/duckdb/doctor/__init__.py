"""The doctor: says in plain words why a trace is not there, or that all is well.

`examine` gathers facts and changes no more than any reading does; `diagnose` is a pure function
of them; neither fails. What cannot be read is itself a finding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import duckdb

from exporters.duckdb.doctor.content import content_facts
from exporters.duckdb.doctor.facts import Facts
from exporters.duckdb.doctor.finding import Finding
from exporters.duckdb.doctor.folder import folder_facts
from exporters.duckdb.doctor.recording import loss_findings, setting_findings
from exporters.duckdb.doctor.searching import (
    empty_findings,
    memory_findings,
    place_findings,
    reading_findings,
    trace_findings,
)
from exporters.duckdb.doctor.storage import (
    access_findings,
    catalog_findings,
    clock_findings,
    damage_findings,
    path_findings,
    upkeep_findings,
)
from exporters.duckdb.doctor.surroundings import chosen, places, settings_facts
from exporters.duckdb.layout import Layout, parse_part
from exporters.duckdb.parts import PartError, nothing
from exporters.duckdb.upkeep import salvage
from exporters.duckdb.upkeep.alone import alone

__all__ = ["Facts", "Finding", "diagnose", "examine", "repair"]

# What most likely is the cause comes first.
_LOOKS = (
    path_findings,
    setting_findings,
    access_findings,
    place_findings,
    trace_findings,
    damage_findings,
    loss_findings,
    upkeep_findings,
    clock_findings,
    catalog_findings,
)

# With one of these there is no need to say that nothing can be read, or that nothing is there.
_EXPLAINS = frozenset(
    {"path", "newer", "format", "moved", "disabled", "exporter-missing", "permission", "disk"}
    | {"fallback", "elsewhere", "damage", "quarantine"}
)


def examine(
    environ: Mapping[str, str],
    *,
    store: str | None = None,
    wanted: str | None = None,
    thorough: bool = False,
) -> Facts:
    """The facts about a store.

    Args:
        environ: The environment that says where the store is, and how programs record.
        store: The store's path, where it is not the one that the environment says.
        wanted: A trace that is looked for: its id, or a part of it, or what one may have instead.
        thorough: Read every byte of every part, however large the store is.
    """
    path, chosen_by = chosen(environ, store)
    layout = Layout.of(path)
    now_ns = time.time_ns()
    # What a reader finds damaged it sets aside: the folder is looked at as that leaves it.
    content = content_facts(layout, wanted, now_ns=now_ns)
    return Facts(
        store=layout.catalog,
        chosen_by=chosen_by,
        now_ns=now_ns,
        settings=settings_facts(environ),
        folder=folder_facts(layout, thorough=thorough),
        content=content,
        places=places(environ, layout.catalog, wanted),
    )


def diagnose(facts: Facts) -> list[Finding]:
    """What there is to say about the facts, the likeliest cause first; empty where all is well."""
    found = [finding for look in _LOOKS for finding in look(facts)]
    explained = any(finding.code in _EXPLAINS and finding.level == "trouble" for finding in found)
    if not explained:
        found = [*reading_findings(facts), *empty_findings(facts), *found]
    return [*found, *memory_findings(facts)]


def repair(facts: Facts) -> salvage.Mended:
    """Put away parts that were found damaged and cannot be read, and back what of them can.

    Nothing is done while somebody else compacts.

    Raises:
        OSError: If the store cannot be written.
    """
    done = salvage.Mended()
    layout = Layout.of(facts.store)
    named = {parse_part(one.path.parent.name) for one in facts.folder.damage}
    parts = sorted(part for part in named if part is not None)
    if parts:
        with alone(layout) as ours:
            if ours:
                try:
                    salvage.examine(layout, parts, done, nothing)
                except (duckdb.Error, PartError) as error:
                    done.problems.append(
                        f"What is damaged could not be made anew ({type(error).__name__}). It is "
                        f"left as it is. Restore it from a backup."
                    )
    return done
