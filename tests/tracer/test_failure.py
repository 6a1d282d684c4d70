import asyncio

import pytest

from tracer.failure import error_of, verdict


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def caught(make) -> BaseException:
    """What the function raises."""
    try:
        make()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("exc", "outcome"),
    [
        (ValueError("x"), "error"),
        (TimeoutError(), "error"),
        (StopIteration(), "error"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(), "ok"),
        (SystemExit(0), "ok"),
        (SystemExit(3), "error"),
        (SystemExit("broken"), "error"),
    ],
)
def test_verdict(exc: BaseException, outcome: str):
    """A cancellation is no error, and leaving with code 0 is a normal end."""
    assert verdict(exc) == outcome


def test_error():
    """An error has the message, the qualified type and the stack."""

    def fails():
        raise ValueError("no such order")

    error = error_of(caught(fails))

    assert error["message"] == "no such order"
    assert error["data"] is not None
    assert error["data"]["type"] == "ValueError"
    assert "in fails" in error["data"]["stack"]
    assert "causes" not in error["data"]


def test_qualified():
    """The type of an exception that is not built in names its module."""
    error = error_of(asyncio.QueueEmpty())

    assert error["data"] is not None
    assert error["data"]["type"] == "asyncio.queues.QueueEmpty"
    assert error["message"] == "asyncio.queues.QueueEmpty"


def test_causes():
    """Causes are listed, the nearest first, and what was raised meanwhile counts as one."""

    def chain():
        try:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise OSError("second") from error
        except OSError:
            raise ValueError("third")  # noqa: B904

    data = error_of(caught(chain))["data"]

    assert data is not None
    assert data["causes"] == [
        {"type": "OSError", "message": "second"},
        {"type": "KeyError", "message": "'first'"},
    ]


def test_suppressed():
    """`from None` hides what came before."""

    def chain():
        try:
            raise KeyError("secret")
        except KeyError:
            raise ValueError("shown") from None

    data = error_of(caught(chain))["data"]

    assert data is not None
    assert "causes" not in data


def test_circle():
    """Causes in a circle end, and a long chain is cut."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    long = last = ValueError("0")
    for number in range(100):
        last.__cause__ = ValueError(str(number))
        last = last.__cause__

    assert error_of(one)["data"]["causes"] == [{"type": "ValueError", "message": "two"}]  # type: ignore[index]
    assert len(error_of(long)["data"]["causes"]) == 16  # type: ignore[index]


def test_group():
    """The members of an exception group are listed."""
    error = error_of(ExceptionGroup("two tools failed", [ValueError("a"), KeyError("b")]))

    assert error["message"] == "two tools failed (2 sub-exceptions)"
    assert error["data"] is not None
    assert error["data"]["exceptions"] == [
        {"type": "ValueError", "message": "a"},
        {"type": "KeyError", "message": "'b'"},
    ]


def test_unprintable():
    """An exception that cannot be printed is recorded by its type."""

    def fails():
        raise Unprintable

    error = error_of(caught(fails))

    assert error["message"] == "<unprintable Unprintable>"
    assert error["data"] is not None
    assert error["data"]["type"].endswith("Unprintable")
