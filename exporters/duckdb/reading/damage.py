"""What to do about a part that cannot be read: leave it out, and mend it if it is damaged.

What can be read of it goes back into the store, and the part into quarantine. That takes the
store's lock; while somebody else holds it, the part stays where it is and is left out.

A part that was merely replaced while it was being read is none of that. Where the store cannot be
written, the part stays where it is and is left out of what is read; the log says so once.
"""

from __future__ import annotations

import os
import time

import duckdb

from exporters.duckdb.layout import TRACES, Layout, PartName
from exporters.duckdb.parts import PartError, damaged_files, nothing
from exporters.duckdb.reading.inventory import Inventory
from exporters.duckdb.upkeep.alone import alone
from exporters.duckdb.upkeep.quarantine import quarantine_part
from exporters.duckdb.upkeep.salvage import Mended, rescue
from tracer.logger import logger

_said: set[str] = set()
_SAID_LIMIT = 1000
_PATIENCE_S = 5.0
_PAUSE_S = 0.05


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
    # The error's own text may quote what was recorded.
    why = f"{', '.join(damaged)} cannot be read ({type(error).__name__})"
    if os.access(layout.quarantine, os.W_OK) and os.access(layout.parts, os.W_OK):
        try:
            if _rescued(layout, part, why):
                return
        except duckdb.OutOfMemoryException as own:
            damaged = [*damaged, str(own).partition("\n")[0]]
        except OSError as own:
            damaged = [*damaged, str(own.strerror)]
    warn_once(_left_out(layout, part, ", ".join(damaged)))


def _rescued(layout: Layout, part: PartName, why: str) -> bool:
    """Put a damaged part away and what can be read of it back; False while others change parts.

    Raises:
        OSError: If the store cannot be written.
        duckdb.OutOfMemoryException: If there is too little memory for it.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        with alone(layout) as ours:
            if ours:
                if os.path.lexists(layout.part(part)):  # else somebody has dealt with it
                    _rescue(layout, part, why)
                return True
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE_S)


def _rescue(layout: Layout, part: PartName, why: str) -> None:
    try:
        rescue(layout, part, why, Mended(), nothing)
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, PartError):  # damaged in a way that nothing can be made of
        quarantine_part(layout, part, why)


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
