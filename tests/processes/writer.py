"""Records spans until its stdin is closed, and says on stdout what it has ended."""

import select
import sys

from tracer import custom_span, trace

PACE = 0.005  # seconds between spans
name = sys.argv[1]
count = 0
with trace(f"writer {name}"), custom_span("outer"):
    while not select.select([sys.stdin], [], [], PACE)[0]:
        with custom_span(f"step {count}", {"writer": name, "step": count}):
            pass
        print(count, flush=True)
        count += 1
