from hypothesis import given
from hypothesis import strategies as st

from viewer.cli.columns import Column, layout, lines
from viewer.cli.terminal import Terminal, width_of

COLUMNS = (
    Column("NAME", least=4),
    Column("N", right=True, drop=1),
    Column("CAUSE", least=4, drop=2),
)
ROWS = [["a", "1", "cause"], ["a long name", "100", "a much longer cause than fits"]]


def test_plain():
    """Where no width is given nothing is cut, and numbers stand to the right."""
    assert lines(COLUMNS, ROWS, Terminal(None, colour=False)) == [
        "NAME           N  CAUSE",
        "a              1  cause",
        "a long name  100  a much longer cause than fits",
    ]


def test_narrow():
    """The widest columns shrink first, then columns go, the least wanted first."""
    assert layout(COLUMNS, ROWS, 40) == {0: 11, 1: 3, 2: 22}
    assert layout(COLUMNS, ROWS, 12) == {0: 5, 2: 5}
    assert layout(COLUMNS, ROWS, 6) == {0: 6}


@given(
    st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=4),
    st.integers(12, 90),
)
def test_fits(rows, width):
    """Every line fits the terminal."""
    rows = [["".join(filter(str.isprintable, cell)) for cell in row] for row in rows]

    assert all(width_of(line) <= width for line in lines(COLUMNS, rows, Terminal(width, False)))
