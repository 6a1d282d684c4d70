"""Records one trace step by step, as the lines on stdin say; answers each when it is recorded.

open NAME    a span inside what is open        tool NAME    the same, of a tool
end          ends the innermost span           close        ends the trace
"""

import contextlib
import sys

from tracer import custom_span, flush_traces, function_span, trace

opened = contextlib.ExitStack()
spans: list[contextlib.ExitStack] = []
opened.enter_context(trace(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    verb, _, name = line.strip().partition(" ")
    if verb in ("open", "tool"):
        spans.append(contextlib.ExitStack())
        make = custom_span if verb == "open" else function_span
        spans[-1].enter_context(make(name))
    elif verb == "end":
        spans.pop().close()
    elif verb == "close":
        opened.close()
    flush_traces()
    print(verb, flush=True)
