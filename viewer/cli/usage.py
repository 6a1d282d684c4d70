"""Wrong use of a command, and commands that cannot do what they are asked."""

from __future__ import annotations

import argparse
from collections.abc import Callable


class UsageError(Exception):
    """Words of a command line that cannot be followed; the text says which, why, what to do."""


class CommandError(Exception):
    """Something that a command failed at; the text says what, why, and what to do."""


def whole_number(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """The type of an argument: an integer between two bounds."""

    def parse(text: str) -> int:
        rule = f"It takes a whole number from {least} to {most}"
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number. {rule}") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is out of bounds. {rule}")
        return number

    return parse
