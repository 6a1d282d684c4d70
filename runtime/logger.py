"""The runtime's logger. Payloads, keys and prompts appear in it at debug level at most."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("flightlog.runtime")


def enable_verbose_stdout_logging() -> None:
    """Print everything flightlog logs, debug level included, to standard output."""
    root = logging.getLogger("flightlog")
    root.setLevel(logging.DEBUG)
    root.addHandler(logging.StreamHandler(sys.stdout))
