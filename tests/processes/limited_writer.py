"""Records traces of random text until so many megabytes are written, and says how many."""

import os
import sys
import time

from tracer import custom_span, trace

name, megabytes, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
began = time.monotonic()
written = count = 0
while written < megabytes * 1e6:
    with trace(f"{name} {count}"):
        for step in range(10):
            text = os.urandom(1000).hex()
            with custom_span(f"step {step}", {"text": text}):
                pass
            written += 2 * len(text)  # as it started and as it ended
    count += 1
    time.sleep(max(0.0, written / 1e6 / rate - (time.monotonic() - began)))
print(count, flush=True)
