"""Pins: traces that no limit of age or size deletes.

A pin is an empty file in the store's folder `pins`, named by the trace. An id is whatever text a
program chose, so a name keeps small letters, digits, `_` and `-`, and writes every other byte as
`%xx`: it cannot leave the folder, and two ids cannot share a name where file systems ignore case.
An id that is too long for a name is named by its hash, and stands in the file.
"""

from __future__ import annotations

import os
import re
import secrets
from hashlib import blake2b
from pathlib import Path

from exporters.duckdb.layout import Layout, sync_folder

_PLAIN = re.compile(rb"[^a-z0-9_-]")
_WRITTEN = re.compile(rb"%([0-9a-f]{2})")
_LONGEST = 200  # bytes; names of files end at 255
_HASHED = "%."  # no `%` is followed by a dot otherwise


def pin(layout: Layout, trace_id: str) -> bool:
    """Keep a trace; says whether it was not pinned before.

    Raises:
        OSError: If the store cannot be written.
    """
    path = _path(layout, trace_id)
    if path.exists():
        return False
    layout.pins.mkdir(exist_ok=True)
    draft = layout.tmp / f"pin-{secrets.token_hex(8)}"
    draft.write_bytes(_raw(trace_id) if path.name.startswith(_HASHED) else b"")
    os.replace(draft, path)
    sync_folder(layout.pins)
    return True


def unpin(layout: Layout, trace_id: str) -> bool:
    """Let a trace go when its time comes; says whether it was pinned.

    Raises:
        OSError: If the store cannot be written.
    """
    try:
        _path(layout, trace_id).unlink()
    except FileNotFoundError:
        return False
    sync_folder(layout.pins)
    return True


def pinned(layout: Layout) -> frozenset[str]:
    """Ids of the traces that are pinned, whether they are there or not.

    Raises:
        OSError: If the pins are there and cannot be read.
    """
    try:
        entries = os.listdir(layout.pins)
    except FileNotFoundError:
        return frozenset()
    return frozenset(_trace_id(layout, name) for name in entries)


def _path(layout: Layout, trace_id: str) -> Path:
    raw = _raw(trace_id)
    name = _PLAIN.sub(lambda match: b"%%%02x" % match[0][0], raw).decode()
    if not 0 < len(name) <= _LONGEST:
        name = f"{_HASHED}{blake2b(raw, digest_size=16).hexdigest()}"
    return layout.pins / name


def _trace_id(layout: Layout, name: str) -> str:
    if name.startswith(_HASHED):
        raw = (layout.pins / name).read_bytes()
    else:
        raw = _WRITTEN.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(name))
    return raw.decode("utf-8", "surrogatepass")


def _raw(trace_id: str) -> bytes:
    return trace_id.encode("utf-8", "surrogatepass")
