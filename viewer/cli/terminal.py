"""Text on a terminal: how wide it is, and that recorded text cannot drive it."""

from __future__ import annotations

import codecs
import io
import re
import shutil
import sys
import unicodedata
from dataclasses import dataclass
from typing import TextIO

from tracer.config import child_environ

# C0 without tab and line feed, DEL, C1 (8-bit CSI and OSC among them), and what turns the order
# of the text around it: recorded text with these could hide or forge what the terminal shows.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_GAPS = re.compile(r"\s+")
_STANDING_IN = "flightlog.ascii"
# Of the marks of statuses, each is another in ASCII too.
_ASCII = dict(zip("✔✖⊘○‼▶·…→└├│─", "+x/o!>-~>`||-", strict=True))
_RESET = "\x1b[0m"
COLOURS = {"red": "\x1b[31m", "yellow": "\x1b[33m", "blue": "\x1b[34m", "dim": "\x1b[2m"}


def visible(text: str) -> str:
    r"""Text with its control characters written out, such as `\x1b`; lines and tabs stay."""
    return _CONTROLS.sub(lambda match: _written(match[0]), text)


def json_visible(text: str) -> str:
    """The same for JSON, which stays the same value."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Text in one visible line: every run of white space is one space."""
    return visible(_GAPS.sub(" ", text).strip())


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def width_of(text: str) -> int:
    """How many columns a line of text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """A line that takes at most `width` columns, with an ellipsis where it was cut."""
    if width_of(text) <= width:
        return text
    taken, used = [], 0
    for character in text:
        used += _columns(character)
        if used > width - 1:
            break
        taken.append(character)
    return "".join(taken) + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """A line that takes at least `width` columns."""
    gap = " " * max(0, width - width_of(text))
    return gap + text if right else text + gap


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a result goes. `width` is None when it is no terminal: then nothing is cut."""

    width: int | None
    colour: bool

    def paint(self, text: str, colour: str | None) -> str:
        """Text in a colour of `COLOURS`, where colours are wanted."""
        return f"{COLOURS[colour]}{text}{_RESET}" if colour and self.colour else text

    def cut(self, text: str) -> str:
        """A line that fits."""
        return text if self.width is None else cut(text, self.width)


def terminal() -> Terminal:
    """What stdout is."""
    if not sys.stdout.isatty():
        return Terminal(None, colour=False)
    environ = child_environ()
    colour = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Terminal(max(shutil.get_terminal_size().columns, 20), colour)


def plain_streams() -> None:
    """Have stdout and stderr write whatever there is: never fail at a character."""
    codecs.register_error(_STANDING_IN, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_STANDING_IN)


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an encoding without our signs has instead: of the same width, and else written out."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(
        _ASCII.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text
    ), error.end


def complain(message: str, *, prog: str = "flightlog") -> None:
    """Tell the user on stderr what went wrong."""
    say(f"{prog}: {message}")


def say(message: str, *, stream: TextIO | None = None) -> None:
    """Tell the user something on stderr that is not the result."""
    print(visible(message), file=stream or sys.stderr)
