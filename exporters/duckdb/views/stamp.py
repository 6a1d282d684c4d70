"""What `catalog.json` says: which views the catalog file was last given, and by whom.

So that nobody has to open the catalog to know whether it is up to date. A file that was put in
its place since, such as an empty database, is smaller or another one, and shows.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from hashlib import blake2b

from exporters.duckdb.layout import Layout
from exporters.duckdb.schema import SCHEMA
from tracer.version import __version__


@dataclass(frozen=True, slots=True)
class Stamp:
    """The views that a catalog was given.

    Attributes:
        schema: The schema that they are for.
        flightlog: The version whose views they are.
        views: A hash of their texts.
        inode: Which file they were put into.
        size: How large it was then, at least.
        root: Where the data was.
    """

    schema: int
    flightlog: str
    views: str
    inode: int
    size: int
    root: str

    def holds(self, layout: Layout, texts: tuple[str, ...]) -> bool:
        """Whether the catalog that is there is the one that was stamped, and need not change.

        Views of a newer version stay as they are. Where the data was is of no matter while it
        is there too: a store may be reached by two paths.

        Raises:
            OSError: If there is no catalog.
        """
        found = os.stat(layout.catalog)
        if found.st_ino != self.inode or found.st_size < self.size:
            return False
        if self.root != str(layout.root) and not os.path.isdir(self.root):
            return False
        ours, theirs = (SCHEMA, _parts(__version__)), (self.schema, _parts(self.flightlog))
        return theirs > ours or (theirs == ours and self.views == _digest(texts))


def read_stamp(layout: Layout) -> Stamp | None:
    """The stamp; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        said = json.loads((layout.root / "catalog.json").read_bytes())
        fields = {name: said[name] for name in Stamp.__slots__ if name in said}
        stamp = Stamp(**fields)
        if all(isinstance(value, int | str) for value in fields.values()):
            return stamp
    return None


def write_stamp(layout: Layout, texts: tuple[str, ...], made: os.stat_result) -> None:
    """Say that a catalog has these views.

    Args:
        layout: The store.
        texts: The views.
        made: The file when it was given them: by now another may be in its place.

    Raises:
        OSError: If the store cannot be written.
    """
    stamp = Stamp(
        schema=SCHEMA,
        flightlog=__version__,
        views=_digest(texts),
        inode=made.st_ino,
        size=made.st_size,
        root=str(layout.root),
    )
    draft = layout.tmp / f"stamp-{secrets.token_hex(8)}.json"
    try:
        draft.write_text(json.dumps(asdict(stamp)))
        os.replace(draft, layout.root / "catalog.json")
    finally:
        draft.unlink(missing_ok=True)


def _digest(texts: tuple[str, ...]) -> str:
    return blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
