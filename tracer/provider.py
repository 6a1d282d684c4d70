"""The provider: makes traces and spans, and knows which processors hear of them."""

from __future__ import annotations

import abc
import atexit
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from tracer import context, plugins
from tracer.absent import Absent
from tracer.clock import Clock, SystemClock, iso
from tracer.config import usable_settings
from tracer.errors import ConfigError
from tracer.fanout import Fanout
from tracer.forking import anew_in_child
from tracer.ids import Ids, RandomIds
from tracer.logger import logger
from tracer.processor_interface import TracingProcessor
from tracer.processors import EXIT_SECONDS, ask_all_to_stop, deliver_all
from tracer.spans import LiveSpan, SilentSpan, Span, TSpanData
from tracer.traces import LiveTrace, SilentTrace, Trace, TracingConfig


class TraceProvider(abc.ABC):
    """Makes traces and spans. `set_trace_provider` puts another in place of ours."""

    @abc.abstractmethod
    def register_processor(self, processor: TracingProcessor) -> None:
        """Tell this processor too."""

    @abc.abstractmethod
    def set_processors(self, processors: list[TracingProcessor]) -> None:
        """Tell these processors and no others."""

    @abc.abstractmethod
    def get_current_trace(self) -> Trace | None:
        """The trace that is current in this context."""

    @abc.abstractmethod
    def get_current_span(self) -> Span[Any] | None:
        """The span that is current in this context."""

    @abc.abstractmethod
    def set_disabled(self, disabled: bool) -> None:
        """Record nothing from now on, or record again."""

    @abc.abstractmethod
    def create_trace(
        self,
        name: str,
        trace_id: str | None = None,
        group_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        disabled: bool = False,
        tracing: TracingConfig | None = None,
    ) -> Trace:
        """A trace that has not started."""

    @abc.abstractmethod
    def create_span(
        self,
        span_data: TSpanData,
        span_id: str | None = None,
        parent: Trace | Span[Any] | None = None,
        disabled: bool = False,
    ) -> Span[TSpanData]:
        """A span that has not started."""

    @abc.abstractmethod
    def time_iso(self) -> str:
        """The time now, as `export()` gives times."""

    @abc.abstractmethod
    def gen_trace_id(self) -> str:
        """A new trace id."""

    @abc.abstractmethod
    def gen_span_id(self) -> str:
        """A new span id."""

    @abc.abstractmethod
    def gen_group_id(self) -> str:
        """A new group id."""

    def force_flush(self) -> None:  # noqa: B027
        """Ask all processors to deliver what they hold."""

    def shutdown(self) -> None:  # noqa: B027
        """Ask all processors to deliver what they hold and to let go."""


class DefaultTraceProvider(TraceProvider):
    """The provider that is used unless another is set.

    Its processors are those of the exporters that the settings name; they are loaded with the
    first trace, so that importing starts no thread and opens no file. A name that cannot be
    loaded is one line in the log; if none can, the local store records. What fails to load for
    another cause than the settings is tried again at later traces, and what it does not get
    meanwhile is counted.

    Args:
        processors: Tell these instead of those of the settings.
        clock: Where times come from.
        ids: Where ids come from.
    """

    def __init__(
        self,
        processors: list[TracingProcessor] | None = None,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._ids: Ids = ids or RandomIds()
        self._fanout = Fanout(processors or ())
        self._loaded = processors is not None
        self._lacks_some = False
        self._disabled: bool | None = None
        self.make_anew()
        _alive.add(self)
        anew_in_child(self)

    def make_anew(self) -> None:
        """A lock of its own for a forked child."""
        self._lock = threading.RLock()

    def register_processor(self, processor: TracingProcessor) -> None:
        """Tell this processor too, after those of the settings."""
        with self._lock:
            self._ready()
            self._fanout.add(processor)

    def set_processors(self, processors: list[TracingProcessor]) -> None:
        """Tell these processors and no others, those of the settings included."""
        with self._lock:
            self._loaded = True
            self._lacks_some = False
            self._fanout.replace(processors)

    def set_disabled(self, disabled: bool) -> None:
        """Record nothing from now on, or record again, whatever the environment says."""
        self._disabled = disabled

    def get_current_trace(self) -> Trace | None:
        """The trace that is current in this context."""
        node = context.current()
        silent = isinstance(node, SilentSpan)
        while isinstance(node, SilentSpan):
            node = node.previous
        if node is None and silent:
            return SilentTrace()
        trace = node if isinstance(node, Trace) else getattr(node, "trace", None)
        return trace if isinstance(trace, Trace) else None

    def get_current_span(self) -> Span[Any] | None:
        """The span that is current in this context."""
        node = context.current()
        return node if isinstance(node, Span) else None

    def create_trace(
        self,
        name: str,
        trace_id: str | None = None,
        group_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        disabled: bool = False,
        tracing: TracingConfig | None = None,
    ) -> Trace:
        """A trace that has not started."""
        if disabled or self._is_disabled():
            return SilentTrace(name)
        self._ready()
        if self._lacks_some:
            self._load_absent()
        return LiveTrace(
            name,
            trace_id or self._ids.trace_id(),
            group_id,
            metadata,
            tracing,
            self._fanout,
            self._clock,
        )

    def create_span(
        self,
        span_data: TSpanData,
        span_id: str | None = None,
        parent: Trace | Span[Any] | None = None,
        disabled: bool = False,
    ) -> Span[TSpanData]:
        """A span that has not started, in the trace and span that are current or given.

        With neither it gets a trace of its own, which starts and ends with it.
        """
        node = parent if parent is not None else context.current()
        if disabled or self._is_disabled():
            return SilentSpan(span_data)
        trace: LiveTrace | None = None
        # An exact match spares the slow check of an abstract class, so a trace is not asked first
        # whether it is a span.
        if type(node) is not LiveTrace and isinstance(node, LiveSpan):
            trace = node.trace
        elif isinstance(node, LiveTrace):
            trace = node
        elif isinstance(node, SilentTrace | SilentSpan):
            return SilentSpan(span_data)
        self._ready()
        if node is None:
            trace = self._trace_for(span_data)
        return LiveSpan(
            span_data,
            span_id or self._ids.span_id(),
            None if node is None or node is trace else getattr(node, "span_id", None),
            trace,
            trace.trace_id if node is None and trace is not None else node.trace_id,
            self._fanout,
            self._clock,
            owns_trace=node is None,
        )

    def time_iso(self) -> str:
        """The time now, as `export()` gives times."""
        return iso(self._clock.now_ns()) or ""

    def gen_trace_id(self) -> str:
        """A new trace id."""
        return self._ids.trace_id()

    def gen_span_id(self) -> str:
        """A new span id."""
        return self._ids.span_id()

    def gen_group_id(self) -> str:
        """A new group id."""
        return self._ids.group_id()

    def force_flush(self) -> None:
        """Ask all processors to deliver what they hold."""
        self._fanout.force_flush()

    def shutdown(self) -> None:
        """Ask all processors to deliver what they hold and to let go."""
        self._fanout.shutdown()

    def _trace_for(self, data: Any) -> LiveTrace:
        name = getattr(data, "name", None) or data.type
        trace_id = self._ids.trace_id()
        return LiveTrace(str(name), trace_id, None, None, None, self._fanout, self._clock)

    def _is_disabled(self) -> bool:
        disabled = self._disabled
        if disabled is None:
            disabled = self._disabled = usable_settings().disabled
        return disabled

    def _ready(self) -> None:
        if self._loaded:
            return
        with self._lock:
            if not self._loaded:
                self._put(_processors(usable_settings().exporters))
                self._loaded = True

    def _load_absent(self) -> None:
        """Load what could not be loaded before, where it is time for another try."""
        if not self._lock.acquire(blocking=False):  # somebody is at it
            return
        try:
            before = self._fanout.processors
            now = [_again(one) if isinstance(one, Absent) else one for one in before]
            if any(one is not other for one, other in zip(now, before, strict=True)):
                self._put(now)
        finally:
            self._lock.release()

    def _put(self, processors: list[TracingProcessor]) -> None:
        self._fanout.replace(processors)
        self._lacks_some = any(isinstance(one, Absent) for one in processors)


_alive: weakref.WeakSet[DefaultTraceProvider] = weakref.WeakSet()


@atexit.register
def _shut_down_at_exit() -> None:
    """Shut everything down within one deadline, whatever hangs."""
    deadline = time.monotonic() + EXIT_SECONDS
    ask_all_to_stop()  # exporters deliver on their threads while the other processors shut down
    providers = list(_alive)
    for provider in providers:
        provider._fanout.end_by(deadline)
        provider.shutdown()
    deliver_all(max(0.0, deadline - time.monotonic()))
    for provider in providers:
        provider._fanout.give_up()


def _processors(names: tuple[str, ...]) -> list[TracingProcessor]:
    """The processors of these exporters; the local store where none of them can be loaded."""
    if not names:
        logger.warning(
            "FLIGHTLOG_EXPORTERS names no exporter. Traces go only to processors that the program "
            "adds itself. Unset it to record to the local store, or set FLIGHTLOG_DISABLED=1 if "
            "nothing is to be recorded."
        )
    loaded = [processor for name in names if (processor := _try(name)) is not None]
    if all(isinstance(one, Absent) for one in loaded) and names and "duckdb" not in names:
        store = _try("duckdb")
        if store is not None:
            logger.error("None of the exporters named can be loaded; recording to the local store.")
            loaded.append(store)
    return loaded


def _try(name: str) -> TracingProcessor | None:
    """The exporter's processor, or its stand-in; None where the setting has to change first."""
    try:
        return plugins.load(name)
    except plugins.NoneFoundError as error:
        logger.error("%s", error)
        return Absent(name)
    except ConfigError as error:
        logger.error("%s", error)
        return None
    except Exception:  # noqa: BLE001 (a broken plug-in must not break the program)
        logger.exception(
            "The exporter %r cannot be loaded. Traces do not reach it and are counted; the run "
            "goes on, and it is tried again now and then. Mend it, or take it out of "
            "FLIGHTLOG_EXPORTERS.",
            name,
        )
        return Absent(name)


def _again(absent: Absent) -> TracingProcessor:
    """The exporter's processor if it is time to try and can be loaded now; else its stand-in."""
    if not absent.is_due():
        return absent
    try:
        loaded = plugins.load(absent.name)
    except Exception:  # noqa: BLE001 (it was said when it failed first)
        logger.debug("The exporter %r still cannot be loaded.", absent.name, exc_info=True)
        return absent
    logger.warning("The exporter %r is loaded now; traces reach it again.", absent.name)
    return loaded
