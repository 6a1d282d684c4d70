"""Compacts and collects again and again, and kills itself when it has taken a step so often."""

import os
import signal
import sys
import time

from exporters.duckdb.upkeep.compaction import compact
from exporters.duckdb.upkeep.retention import Limits
from exporters.store import StoreError

store, fatal, left, deadline = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def steps(step: str) -> None:
    """Die at the step that was asked for."""
    global left
    if step == fatal:
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


until = time.monotonic() + deadline
while time.monotonic() < until:
    try:
        report = compact(store, steps=steps, grace_s=0, limits=Limits())
    except StoreError as error:
        print(error, flush=True)
        sys.exit(3)
    if report.problems:
        print(report.problems, flush=True)
        sys.exit(4)
    time.sleep(0.02)
