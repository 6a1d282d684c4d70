import gc

from tracer import forking


def test_forgotten():
    """What is told of forks is not kept alive by that."""

    class Thing:
        def make_anew(self) -> None:
            """Nothing."""

    before = len(forking._things)
    thing = Thing()
    forking.anew_in_child(thing)
    assert len(forking._things) == before + 1
    del thing
    gc.collect()

    assert len(forking._things) <= before


def test_child(python):
    """Each is told once in the child, and never in the parent."""
    python("""
        import os
        from tracer.forking import anew_in_child
        class Thing:
            told = 0
            def make_anew(self):
                self.told += 1
        thing = Thing()
        anew_in_child(thing)
        anew_in_child(thing)
        child = os.fork()
        if child == 0:
            os._exit(thing.told)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert thing.told == 0
    """)
