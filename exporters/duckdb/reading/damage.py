"""What to do about a part that cannot be read: leave it out, and set it aside if it is damaged.

A part that was merely replaced while it was being read is none of that. Where the store cannot be
written, the part stays where it is and is left out of what is read; the log says so once.
"""

from __future__ import annotations

import os

from exporters.duckdb.layout import TRACES, Layout, PartName
from exporters.duckdb.parts import damaged_files
from exporters.duckdb.reading.inventory import Inventory
from exporters.duckdb.upkeep.quarantine import quarantine_part
from tracer.logger import logger

_said: set[str] = set()
_SAID_LIMIT = 1000


def set_aside(layout: Layout, inventory: Inventory, part: PartName, error: Exception) -> None:
    """Count a part no more that cannot be read.

    Its summaries do not matter, which are nothing but a digest.

    Raises:
        Exception: The error itself, where the part is sound and it is us who cannot read.
    """
    if not os.path.lexists(layout.part(part)):
        return
    try:
        damaged = [name for name in damaged_files(layout, part) if name != TRACES]
    except OSError as own:  # not ours to read
        inventory.leave_out(part)
        warn_once(_left_out(layout, part, str(own.strerror)))
        return
    if not damaged:
        raise error
    inventory.leave_out(part)
    if os.access(layout.quarantine, os.W_OK) and os.access(layout.parts, os.W_OK):
        try:
            quarantine_part(layout, part, str(error))
            return
        except OSError as own:
            damaged = [*damaged, str(own.strerror)]
    warn_once(_left_out(layout, part, ", ".join(damaged)))


def warn_once(text: str) -> None:
    """Say something in the log that would be true again and again."""
    if text not in _said and len(_said) < _SAID_LIMIT:
        _said.add(text)
        logger.warning(text)


def _left_out(layout: Layout, part: PartName, why: str) -> str:
    return (
        f"The part {part.dirname!r} of {str(layout.catalog)!r} cannot be read ({why}). A part is a "
        f"folder of whole Parquet files. What it holds is left out here. Give yourself permission, "
        f"or see: flightlog doctor"
    )
