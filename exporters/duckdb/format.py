"""What the file FORMAT says; and what the store says of itself where that file is damaged.

No recorded data is in FORMAT, so a bit of it that flipped must cost none. Where it is no JSON
object of ours, and says of no newer version that it wrote it, readers go by what the data says;
whoever may write puts it into quarantine and writes it anew. It is never missing meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from exporters.duckdb.schema import FORMAT, SCHEMA

_CLAIM = re.compile(rb'"(format|schema)"\s*:\s*(\d{1,18})')
_STORE_ID = re.compile(rb'"store_id"\s*:\s*"([0-9a-f]{32})"')
_VERSION = re.compile(rb'\{"crc":"[0-9a-f]{8}","k":"[a-z]+","v":(\d{1,3}),')


@dataclass(frozen=True, slots=True)
class Format:
    """What FORMAT says.

    Attributes:
        format: How the store is laid out.
        schema: Which columns it has.
        store_id: Which store it is.
        damaged: FORMAT itself does not say it; the data does.
    """

    format: int
    schema: int
    store_id: str
    damaged: bool = False


def parse(raw: bytes) -> Format | None:
    """What the bytes of a FORMAT say; None where they are no JSON object of ours."""
    try:
        said = json.loads(raw)
        found = Format(said["format"], said["schema"], said["store_id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = type(found.format) is type(found.schema) is int and isinstance(found.store_id, str)
    return found if whole else None


def claimed(raw: bytes) -> tuple[int, int]:
    """The highest format and schema that a damaged FORMAT still names; 0 where it names none."""
    highest = {b"format": 0, b"schema": 0}
    for name, number in _CLAIM.findall(raw):
        highest[name] = max(highest[name], int(number))
    return highest[b"format"], highest[b"schema"]


def told_by_data(root: Path, raw: bytes, status: os.stat_result) -> Format | None:
    """What a store says of itself where its FORMAT is damaged.

    Args:
        root: The folder of the data.
        raw: What FORMAT holds.
        status: The file that holds it: all who see the same damage find the same id.

    Returns:
        None where the folder is not known to be a store's, or FORMAT names a newer version.
    """
    newest = claimed(raw)
    if newest[0] > FORMAT or newest[1] > SCHEMA:
        return None
    if not (os.path.isdir(root / "hot") and os.path.isdir(root / "parts")):
        return None
    schema = max(_schemas_of_parts(root), default=0) or max(_schemas_of_segments(root), default=0)
    return Format(FORMAT, schema or SCHEMA, _store_id(root, raw, status), damaged=True)


def write_draft(root: Path, found: Format) -> Path:
    """A synced file beside FORMAT that says so; the caller gives it its name or deletes it.

    Raises:
        OSError: If the store cannot be written.
    """
    said = {"format": found.format, "schema": found.schema, "store_id": found.store_id}
    draft = root / f"FORMAT.{secrets.token_hex(8)}.tmp"
    fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, json.dumps(said, separators=(",", ":")).encode() + b"\n")
        os.fsync(fd)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    return draft


def mend(root: Path, told: Callable[[str], object]) -> bool:
    """Put a damaged FORMAT into quarantine and write it anew, by a rename; says whether it did.

    Of several at once one does it: it holds a lock on the damaged file, and who comes later sees
    that another file has the name. Nobody waits.

    Args:
        root: The folder of the data.
        told: Given the message for people.

    Raises:
        OSError: If the store cannot be written.
    """
    path = root / "FORMAT"
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # no locks here: two at once write the same
        status = os.fstat(file.fileno())
        raw = file.read()
        if parse(raw) is not None or not os.path.samestat(status, os.stat(path)):
            return False
        found = told_by_data(root, raw, status)
        if found is None:
            return False
        target = _keep(root / "quarantine", raw)
        draft = write_draft(root, found)
        try:
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    told(
        f"{str(path)!r} was damaged: it held {raw[:40]!r}. It says which format the store has, and "
        f"the data says so too. It was moved to {str(target)!r} and written anew, with schema "
        f"{found.schema}; no recorded data was in it."
    )
    return True


def _keep(quarantine: Path, raw: bytes) -> Path:
    quarantine.mkdir(exist_ok=True)
    target = quarantine / "FORMAT"
    if os.path.lexists(target):
        target = target.with_name(f"FORMAT.{secrets.token_hex(4)}")
    target.write_bytes(raw)
    note = target.with_name(f"{target.name}.txt")
    note.write_text("It was damaged. It was written anew, and no data was in it.\n", "utf-8")
    return target


def _store_id(root: Path, raw: bytes, status: os.stat_result) -> str:
    """The id as the rest of FORMAT says it, or a copy from before a migration; else a new one."""
    left = _STORE_ID.search(raw)
    if left is not None:
        return left[1].decode()
    with contextlib.suppress(OSError):
        for copy in sorted(root.glob("backup/*/FORMAT")):
            before = parse(copy.read_bytes())
            if before is not None:
                return before.store_id
    file = f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {root}"
    return blake2b(raw + file.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _schemas_of_parts(root: Path) -> Iterator[int]:
    for part in _entries(root / "parts"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            schema = json.loads((part / "manifest.json").read_bytes())["schema"]
            if type(schema) is int:
                yield schema


def _schemas_of_segments(root: Path) -> Iterator[int]:
    for segment in _entries(root / "hot"):
        with contextlib.suppress(OSError), segment.open("rb") as file:
            begins = _VERSION.match(file.read(64))
            if begins is not None:
                yield int(begins[1])


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
