"""Compacts within limits once, and kills itself at a step."""

import os
import signal
import sys

from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.retention import Limits

store, fatal, max_bytes, max_age_s = sys.argv[1:]


def steps(step: str) -> None:
    """Die at the step that was asked for."""
    if step == fatal:
        os.kill(os.getpid(), signal.SIGKILL)


compact(store, steps=steps, limits=Limits(int(max_bytes) or None, float(max_age_s) or None))
