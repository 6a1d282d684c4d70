"""What a run comes to: at its end, or while it streams."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from runtime.channel import Channel
from runtime.guardrail import InputGuardrailResult, OutputGuardrailResult
from runtime.instrument import Trace
from runtime.items import ItemHelpers, ModelResponse, RunItem, TResponseInputItem
from runtime.run_context import RunContextWrapper
from runtime.state import State
from runtime.stream_events import StreamEvent
from runtime.together import stop

if TYPE_CHECKING:
    from runtime.agent import Agent

T = TypeVar("T")

# So many events may wait for a slow reader before the run waits for it too.
MAX_WAITING_EVENTS = 256


@dataclass
class RunResultBase(ABC):
    """What both kinds of result have."""

    input: str | list[TResponseInputItem]
    """What the run began with, a session's history included."""

    new_items: list[RunItem]
    """What the run produced, in order."""

    raw_responses: list[ModelResponse]
    final_output: Any
    """What the last agent answered, in its output type; None if the run did not get there."""

    input_guardrail_results: list[InputGuardrailResult]
    output_guardrail_results: list[OutputGuardrailResult]
    context_wrapper: RunContextWrapper[Any]

    @property
    @abstractmethod
    def last_agent(self) -> Agent[Any]:
        """The agent that worked last."""

    @property
    def last_response_id(self) -> str | None:
        """The id of the last response, for `previous_response_id` of the next run."""
        return self.raw_responses[-1].response_id if self.raw_responses else None

    def final_output_as(self, cls: type[T], raise_if_incorrect_type: bool = False) -> T:
        """Return the final output, typed for the reader and type checker.

        Raises:
            TypeError: If asked to check, and it is of another type.
        """
        if raise_if_incorrect_type and not isinstance(self.final_output, cls):
            raise TypeError(
                f"The final output is a {type(self.final_output).__name__!r}, not a "
                f"{cls.__name__!r}. final_output_as() with raise_if_incorrect_type needs the "
                "output_type of the last agent; look at result.last_agent."
            )
        output: T = self.final_output
        return output

    def to_input_list(self) -> list[TResponseInputItem]:
        """Return input and new items as the input of a next run."""
        given = ItemHelpers.input_to_new_input_list(self.input)
        return given + [item.to_input_item() for item in self.new_items]

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}:\n"
            f"- Last agent: {self.last_agent.name!r}\n"
            f"- Final output ({type(self.final_output).__name__}):\n"
            f"    {self.final_output}\n"
            f"- {len(self.new_items)} new items, {len(self.raw_responses)} model responses\n"
            f"- {len(self.input_guardrail_results)} input and "
            f"{len(self.output_guardrail_results)} output guardrail results"
        )


@dataclass
class RunResult(RunResultBase):
    """What a run came to."""

    _last_agent: Agent[Any] = field(kw_only=True, repr=False)

    @property
    def last_agent(self) -> Agent[Any]:
        """The agent that worked last."""
        return self._last_agent

    @classmethod
    def of(cls, state: State) -> RunResult:
        """Return the result of a run that has ended."""
        return cls(
            input=state.input,
            new_items=state.items,
            raw_responses=state.responses,
            final_output=state.output,
            input_guardrail_results=state.input_guardrail_results,
            output_guardrail_results=state.output_guardrail_results,
            context_wrapper=state.context,
            _last_agent=state.agent,
        )


@dataclass
class RunResultStreaming(RunResultBase):
    """A run while it goes, and what it came to once `stream_events` has ended.

    The run goes on in a task of its own, at most 256 events ahead of the reader.
    """

    current_agent: Agent[Any]
    """The agent at work."""

    current_turn: int
    max_turns: int
    trace: Trace | None = field(repr=False)
    """The trace the run started; None if it joined one."""

    is_complete: bool = False
    """Whether the run has ended, in whatever way."""

    _state: State = field(kw_only=True, repr=False)
    _channel: Channel[StreamEvent] = field(
        default_factory=lambda: Channel(MAX_WAITING_EVENTS), init=False, repr=False
    )
    _task: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    _cancelled: bool = field(default=False, init=False, repr=False)

    @classmethod
    def of(cls, state: State, trace: Trace | None) -> RunResultStreaming:
        """Return the result of a run that is about to begin."""
        return cls(
            input=state.input,
            new_items=state.items,
            raw_responses=state.responses,
            final_output=None,
            input_guardrail_results=state.input_guardrail_results,
            output_guardrail_results=state.output_guardrail_results,
            context_wrapper=state.context,
            current_agent=state.agent,
            current_turn=0,
            max_turns=state.max_turns,
            trace=trace,
            _state=state,
        )

    @property
    def last_agent(self) -> Agent[Any]:
        """The agent at work; once the run has ended, the one that worked last."""
        return self.current_agent

    async def stream_events(self) -> AsyncIterator[StreamEvent]:
        """Yield what happens, as it happens, until the run ends.

        Leaving the loop early ends the run, as `cancel()` does.

        Raises:
            Exception: What ended the run, once all events before it are read.
        """
        task = self._task
        assert task is not None, "run_streamed starts the task before it returns the result"
        try:
            while (event := await self._channel.receive()) is not None:
                yield event
            await asyncio.wait([task])
        finally:
            if not task.done():
                self.cancel()
            await stop([task])
        if not self._cancelled and not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def cancel(self, mode: Literal["immediate", "after_turn"] = "immediate") -> None:
        """End the run before its time.

        Args:
            mode: `immediate` stops whatever is going on and drops events not yet read.
                `after_turn` lets the turn end, tools and session included; go on reading
                `stream_events` until it ends by itself.
        """
        if mode == "after_turn":
            self._state.stop_after_turn = True
            return
        self._cancelled = True
        self.is_complete = True
        self._channel.close(discard=True)
        if self._task is not None:
            self._task.cancel()

    def start(self, task: asyncio.Task[None]) -> None:
        """Take charge of the task in which the run goes on."""
        self._task = task
        task.add_done_callback(self._ended)

    async def emit(self, event: StreamEvent) -> None:
        """Show the reader how the run stands, then the event."""
        self._look()
        await self._channel.send(event)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._look()
        self.is_complete = True
        self._channel.close()
        if self._cancelled and not task.cancelled():
            task.exception()  # Seen here: who cancelled does not read it any more.

    def _look(self) -> None:
        state = self._state
        self.input = state.input
        self.new_items = state.items
        self.final_output = state.output
        self.current_agent = state.agent
        self.current_turn = state.turn
