import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.cli.terminal import (
    Terminal,
    cut,
    json_visible,
    one_line,
    pad,
    plain_streams,
    visible,
    width_of,
)
from viewer.cli.wording import MARKS
from viewer.encoding import to_json


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08", "a\\x0db\\x08"),
        ("\u202eabc", "\\u202eabc"),
        ("line\n\tnext", "line\n\tnext"),
        ("héé 猫", "héé 猫"),
    ],
)
def test_visible(text, wanted):
    """Recorded text cannot drive the terminal: what would is written out."""
    assert visible(text) == wanted


@given(st.text())
def test_never_controls(text):
    """No control character is left, whatever the text; in one line no break either."""
    assert not [c for c in visible(text) if ord(c) < 32 and c not in "\n\t"]
    assert one_line(text).isprintable() or not one_line(text).isascii()
    assert "\x1b" not in one_line(text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_visible(value):
    """JSON with its controls written out is the same value."""
    shown = json_visible(to_json(value).decode())

    assert json.loads(shown) == value
    assert "\x7f" not in shown
    assert "\x9b" not in shown


@given(st.text(), st.integers(1, 40))
def test_cut(text, width):
    """What is cut fits, and what fits is not cut."""
    line = one_line(text)

    assert width_of(cut(line, width)) <= width
    assert cut(line, width_of(line) + 1) == line
    assert width_of(pad(line, width)) >= width


def test_wide():
    """Characters of two columns count as two."""
    assert width_of("猫a") == 3
    assert cut("猫猫猫", 5) == "猫猫…"
    assert pad("猫", 4, right=True) == "  猫"


def test_paint():
    """Colours are there only where they are wanted."""
    assert Terminal(80, colour=True).paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert Terminal(80, colour=False).paint("x", "red") == "x"
    assert Terminal(80, colour=True).paint("x", None) == "x"


def test_no_unicode(monkeypatch):
    """Where a stream has no signs like ours it gets others of the same width, each of its own."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    plain_streams()

    marks = [mark.glyph for mark in MARKS.values()]
    stream.write("".join(marks) + "\n└─ a · b→c…\n猫\udc80\n")
    stream.flush()
    glyphs, line, odd = stream.buffer.getvalue().decode("ascii").splitlines()

    assert len(set(glyphs)) == len(marks)
    assert line == "`- a - b>c~"
    assert odd == "\\u732b\\udc80"
