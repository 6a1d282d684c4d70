"""The runtime's logger."""

from __future__ import annotations

import logging

from runtime import enable_verbose_stdout_logging
from runtime.logger import logger


def test_verbose(capsys):
    """Verbose logging prints what the runtime and the tracer log at debug level."""
    root = logging.getLogger("flightlog")
    level, handlers = root.level, list(root.handlers)
    try:
        enable_verbose_stdout_logging()
        logger.debug("a detail")
    finally:
        root.setLevel(level)
        root.handlers = handlers

    assert "a detail" in capsys.readouterr().out
