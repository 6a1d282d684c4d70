"""The three verbs: run an agent and wait, without async, or while it streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runtime import instrument
from runtime.arguments import RunOptions, check_agent, check_input, check_options
from runtime.ask import Emit
from runtime.conversation import Chain, check_memory
from runtime.exceptions import UserError
from runtime.hooks import Hooks
from runtime.instrument import Trace
from runtime.items import TResponseInputItem
from runtime.lifecycle import RunHooksBase
from runtime.loop import drive
from runtime.memory.session import Session
from runtime.result import RunResult, RunResultStreaming
from runtime.run_config import (
    DEFAULT_MAX_TURNS,
    CallModelData,
    CallModelInputFilter,
    ModelInputData,
    RunConfig,
    TracingOptions,
)
from runtime.run_context import RunContextWrapper, TContext
from runtime.state import State
from runtime.stream_events import StreamEvent
from runtime.thread_loop import run_in_thread_loop

if TYPE_CHECKING:
    from runtime.agent import Agent

__all__ = [
    "DEFAULT_MAX_TURNS",
    "CallModelData",
    "CallModelInputFilter",
    "ModelInputData",
    "RunConfig",
    "RunOptions",
    "Runner",
    "TracingOptions",
]


class Runner:
    """Runs agents.

    The three verbs take the same arguments and do the same; `RunOptions` describes those that are
    not obvious.

    A run raises `MaxTurnsExceeded`, `ModelBehaviorError`, `UserError` or a guardrail's tripwire,
    or whatever a model or hook raised. The exception carries `run_data` and `trace_id`.
    """

    @classmethod
    async def run(  # noqa: PLR0913
        cls,
        starting_agent: Agent[TContext],
        input: str | list[TResponseInputItem],
        *,
        context: TContext | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        hooks: RunHooksBase[Any, Any] | None = None,
        run_config: RunConfig | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | None = None,
    ) -> RunResult:
        """Run until there is a final output, and return the result."""
        state = _state(
            starting_agent,
            input,
            context,
            RunOptions(
                max_turns=max_turns,
                hooks=hooks,
                run_config=run_config,
                previous_response_id=previous_response_id,
                auto_previous_response_id=auto_previous_response_id,
                conversation_id=conversation_id,
                session=session,
            ),
            streamed=False,
        )
        await _recorded(state, instrument.new_trace(state.recording), _ignore)
        return RunResult.of(state)

    @classmethod
    def run_sync(  # noqa: PLR0913
        cls,
        starting_agent: Agent[TContext],
        input: str | list[TResponseInputItem],
        *,
        context: TContext | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        hooks: RunHooksBase[Any, Any] | None = None,
        run_config: RunConfig | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | None = None,
    ) -> RunResult:
        """Run as `run` does, from code that is not async.

        Raises:
            UserError: If an event loop is running in this thread.
        """
        return run_in_thread_loop(
            cls.run(
                starting_agent,
                input,
                context=context,
                max_turns=max_turns,
                hooks=hooks,
                run_config=run_config,
                previous_response_id=previous_response_id,
                auto_previous_response_id=auto_previous_response_id,
                conversation_id=conversation_id,
                session=session,
            )
        )

    @classmethod
    def run_streamed(  # noqa: PLR0913
        cls,
        starting_agent: Agent[TContext],
        input: str | list[TResponseInputItem],
        context: TContext | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        hooks: RunHooksBase[Any, Any] | None = None,
        run_config: RunConfig | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | None = None,
    ) -> RunResultStreaming:
        """Start a run in a task of its own, and return at once.

        Read `result.stream_events()` to its end to see what happens and to have the result.

        Raises:
            UserError: If no event loop is running in this thread.
        """
        if asyncio._get_running_loop() is None:
            raise UserError(
                "Runner.run_streamed() was called while no event loop is running in this thread. "
                "A streamed run goes on in a task, which needs one. Call it in async code, or use "
                "Runner.run_sync()."
            )
        state = _state(
            starting_agent,
            input,
            context,
            RunOptions(
                max_turns=max_turns,
                hooks=hooks,
                run_config=run_config,
                previous_response_id=previous_response_id,
                auto_previous_response_id=auto_previous_response_id,
                conversation_id=conversation_id,
                session=session,
            ),
            streamed=True,
        )
        trace = instrument.new_trace(state.recording)
        result = RunResultStreaming.of(state, trace)
        result.start(asyncio.create_task(_recorded(state, trace, result.emit)))
        return result


async def _recorded(state: State, trace: Trace | None, emit: Emit) -> None:
    """Drive a run with its trace around it; an error gets what the run had produced."""
    trace_id: str | None = None
    try:
        with instrument.run(state.recording, trace) as record:
            trace_id = None if record.trace is None else record.trace.trace_id
            record.asked(state.input)
            try:
                await drive(state, emit)
            finally:
                record.used(state.context.usage)
            if state.finished:
                record.answered(state.output)
    except Exception as error:
        _attach(error, state, trace_id)
        raise


def _attach(error: Exception, state: State, trace_id: str | None) -> None:
    try:
        error.run_data = state.error_details()  # type: ignore[attr-defined]
        error.trace_id = trace_id  # type: ignore[attr-defined]
    except AttributeError:
        return  # A class of the user's that takes no attributes.


def _state(
    agent: Agent[Any],
    given: str | list[TResponseInputItem],
    context: Any,
    options: RunOptions,
    *,
    streamed: bool,
) -> State:
    check_agent(agent)
    check_input(given)
    check_options(options)
    hooks = options.get("hooks")
    config = options.get("run_config") or RunConfig()
    session = options.get("session")
    chain = Chain(
        previous_response_id=options.get("previous_response_id"),
        conversation_id=options.get("conversation_id"),
        automatic=options.get("auto_previous_response_id", False),
    )
    check_memory(session, chain)
    wrapper: RunContextWrapper[Any] = RunContextWrapper(context)
    return State(
        agent=agent,
        input=given,
        context=wrapper,
        config=config,
        recording=config.recording(),
        hooks=Hooks(wrapper, hooks or RunHooksBase()),
        max_turns=options.get("max_turns", DEFAULT_MAX_TURNS),
        session=session,
        chain=chain,
        streamed=streamed,
    )


async def _ignore(event: StreamEvent) -> None:
    """Hear an event of a run that nobody watches."""
