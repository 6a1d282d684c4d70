"""Records spans at a pace for a time, then says on stdout how many it has ended.

paced.py NAME SPANS_PER_SECOND SECONDS      at that pace
paced.py NAME 0 COUNT                       so many, as fast as it can
"""

import sys
import time

from tracer import function_span, trace

PER_TRACE = 10
TEXT = "What was asked and what was answered. " * 25

name, rate, much = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
begin = time.monotonic()
count = 0
while count < much if rate == 0 else time.monotonic() - begin < much:
    if rate and count > (time.monotonic() - begin) * rate:
        time.sleep(0.01)
        continue
    with trace(name, metadata={"first": count}):
        for _ in range(PER_TRACE):
            with function_span("step", input=f"{name} {count} {TEXT}") as span:
                span.set(writer=name, step=count)
                span.span_data.output = f"{TEXT} {count}"
            count += 1
print(count)
