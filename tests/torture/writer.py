"""Records spans until it is killed, and says on stdout what it has ended."""

import itertools
import sys
import time
from pathlib import Path

from exporters.duckdb.recording.journal import Journal
from exporters.duckdb.recording.lines import span_line
from tracer.snapshot import SpanRecord, Usage

store, name, pause = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
journal = Journal(store, fallback=None, sync="batch", segment_limit=15_000)
NOTHING = Usage(None, None, None, None)


def record(span: str, start: int, end: int | None) -> None:
    """One line of a span, with content that others have too."""
    content = (b'"what everybody says"', b'"item %d"' % (start % 7))
    journal.append(
        span_line(
            SpanRecord(
                trace_id=f"trace_{name}",
                span_id=f"span_{span}",
                parent_id=None,
                trace_name=name,
                group_id=None,
                metadata=None,
                name=span,
                type="generation",
                start_ns=start,
                end_ns=end,
                status="running" if end is None else "ok",
                error=None,
                model=None,
                usage=NOTHING,
                input=content,
                output=None,
                instructions=None,
                tools=None,
                data=b"{}",
                attributes={},
            )
        )
    )


record(f"{name}-open", time.time_ns(), None)
print("open", flush=True)
for number in itertools.count():
    start = time.time_ns()
    record(f"{name}-{number}", start, None)
    record(f"{name}-{number}", start, start + 1000)
    print(number, flush=True)
    time.sleep(pause)
