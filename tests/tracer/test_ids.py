import re

from tracer import gen_group_id, gen_span_id, gen_trace_id
from tracer.ids import RandomIds
from tracer.testing import CountingIds


def test_format():
    """Ids have a prefix and a fixed number of lower-case hex digits."""
    for ids in (RandomIds(), CountingIds()):
        assert re.fullmatch(r"trace_[0-9a-f]{32}", ids.trace_id())
        assert re.fullmatch(r"span_[0-9a-f]{24}", ids.span_id())
        assert re.fullmatch(r"group_[0-9a-f]{24}", ids.group_id())


def test_generators():
    """The public generators draw from the provider in use."""
    assert re.fullmatch(r"trace_[0-9a-f]{32}", gen_trace_id())
    assert re.fullmatch(r"span_[0-9a-f]{24}", gen_span_id())
    assert re.fullmatch(r"group_[0-9a-f]{24}", gen_group_id())


def test_unique():
    """No id comes twice."""
    ids = RandomIds()

    assert len({ids.trace_id() for _ in range(2000)}) == 2000
    assert len({ids.span_id() for _ in range(2000)}) == 2000


def test_ordered():
    """Trace ids begin with their time, so that a later one sorts after an earlier one."""
    ids = RandomIds()
    first = ids.trace_id()[:18]

    assert ids.trace_id()[:18] >= first


def test_forked_children(python):
    """A forked child draws other ids than its parent."""
    out = python("""
        import os
        from tracer.ids import RandomIds
        ids = RandomIds()
        ids.span_id()
        reader, writer = os.pipe()
        for _ in range(4):
            if os.fork() == 0:
                os.write(writer, (ids.span_id() + "\\n").encode())
                os._exit(0)
        for _ in range(4):
            os.wait()
        os.close(writer)
        print(os.read(reader, 10000).decode() + ids.span_id())
    """).stdout

    assert len(set(out.split())) == 5
