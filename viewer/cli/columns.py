"""Tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from viewer.cli.terminal import Terminal, cut, pad, width_of

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `least` is how far it may shrink; one with a `drop` goes before others with more.

    Without `least` it never shrinks; without `drop` it never goes.
    """

    title: str
    right: bool = False
    least: int | None = None
    drop: int | None = None


def layout(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> dict[int, int]:
    """Which columns are shown, by index, and how wide: pure."""
    widths = {
        index: max([width_of(column.title), *(width_of(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    }
    while width is not None and _total(widths) > width:
        if _shrink(columns, widths, _total(widths) - width):
            continue
        going = [index for index in widths if columns[index].drop is not None]
        if not going or len(widths) == 1:
            break
        del widths[min(going, key=lambda index: columns[index].drop or 0)]
    return widths


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _shrink(columns: Sequence[Column], widths: dict[int, int], excess: int) -> bool:
    """Takes from the widest columns, all of the excess or nothing."""
    room = {
        i: w for i, w in widths.items() if (least := columns[i].least) is not None and w > least
    }
    if sum(w - (columns[i].least or 0) for i, w in room.items()) < excess:
        return False
    while excess > 0:
        index = max(room, key=lambda i: (room[i] - (columns[i].least or 0) > 0, room[i]))
        room[index] -= 1
        excess -= 1
    widths.update(room)
    return True


def lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    terminal: Terminal,
    *,
    colours: Sequence[str | None] = (),
) -> list[str]:
    """A table's lines, header first; `colours` has one for each row."""
    shown = layout(columns, rows, terminal.width)
    titles = [column.title for column in columns]
    painted = [terminal.paint(_line(columns, titles, shown), "dim")]
    for index, row in enumerate(rows):
        colour = colours[index] if index < len(colours) else None
        painted.append(terminal.paint(_line(columns, row, shown), colour))
    return painted


def _line(columns: Sequence[Column], row: Sequence[str], shown: dict[int, int]) -> str:
    cells = [
        pad(cut(row[index], width), width, right=columns[index].right)
        for index, width in shown.items()
    ]
    return _GAP.join(cells).rstrip()
