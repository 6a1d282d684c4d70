"""Records spans until it is told to stop, and says on stdout what it has ended."""

import sys
import time

from tracer import custom_span, trace

name, seconds = sys.argv[1], float(sys.argv[2])
deadline = time.monotonic() + seconds
count = 0
with trace(f"writer {name}"), custom_span("outer"):
    while time.monotonic() < deadline:
        with custom_span(f"step {count}", {"writer": name, "step": count}):
            pass
        print(count, flush=True)
        count += 1
        time.sleep(0.005)
