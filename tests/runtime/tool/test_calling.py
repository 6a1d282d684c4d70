import asyncio
import contextvars
import threading

import pytest

from runtime.exceptions import ModelBehaviorError, ToolTimeoutError
from runtime.run_context import RunContextWrapper
from runtime.tool import FunctionTool, call_tool, function_tool
from runtime.tool_context import ToolContext


def call(tool, arguments="{}", context=None):
    """The outcome of calling a tool."""
    return asyncio.run(call_tool(tool, tool_context(tool, context), arguments))


def tool_context(tool, context=None):
    """The context of a call."""
    return ToolContext(context, tool_name=tool.name, tool_call_id="call_1", tool_arguments="")


@function_tool
def divide(a: int, b: int) -> float:
    """Divide."""
    return a / b


def test_sync_and_async():
    """Functions of both kinds return what they return."""

    @function_tool
    async def double(a: int) -> int:
        return 2 * a

    assert call(divide, '{"a": 6, "b": 3}').output == 2.0
    assert call(double, '{"a": 6}').output == 12


def test_sync_runs_in_a_thread():
    """A sync function runs off the event loop and sees the run's context variables."""
    flag = contextvars.ContextVar("flag", default="unset")

    @function_tool
    def where() -> tuple[str, str]:
        return threading.current_thread().name, flag.get()

    flag.set("set")
    thread, seen = call(where).output
    assert thread != threading.current_thread().name
    assert seen == "set"


def test_sync_calls_overlap():
    """Two sync tools of one turn run at the same time."""
    barrier = threading.Barrier(2, timeout=60)

    @function_tool
    def meet() -> int:
        return barrier.wait()

    async def both():
        calls = [call_tool(meet, tool_context(meet), "{}") for _ in range(2)]
        return await asyncio.gather(*calls)

    assert sorted(outcome.output for outcome in asyncio.run(both())) == [0, 1]


def test_context():
    """The first parameter gets the context of the call."""

    @function_tool
    def greet(ctx: RunContextWrapper[str], name: str) -> str:
        return f"{ctx.context} {name}"

    assert call(greet, '{"name": "Ann"}', context="Hello").output == "Hello Ann"


def test_default_failure():
    """A tool that fails tells the model, and the outcome keeps the error."""
    outcome = call(divide, '{"a": 1, "b": 0}')

    assert outcome.output.startswith("An error occurred while running the tool. Please try again.")
    assert "division by zero" in outcome.output
    assert isinstance(outcome.error, ZeroDivisionError)


def test_wrong_arguments():
    """Arguments that do not fit are told to the model like any other failure."""
    outcome = call(divide, '{"a": "x"')

    assert isinstance(outcome.error, ModelBehaviorError)
    assert "arguments of tool 'divide'" in outcome.output


@pytest.mark.parametrize("is_async", [False, True])
def test_own_failure_function(is_async):
    """An error function of one's own, sync or async, has the last word."""

    def told(ctx, error):
        return f"Sorry: {type(error).__name__}"

    async def told_later(ctx, error):
        return told(ctx, error)

    @function_tool(failure_error_function=told_later if is_async else told)
    def fail() -> None:
        raise KeyError("x")

    assert call(fail).output == "Sorry: KeyError"


def test_no_failure_function():
    """Without an error function the error leaves the tool as it is."""

    @function_tool(failure_error_function=None)
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        call(fail)
    with pytest.raises(ModelBehaviorError):
        call(fail, "{")


def test_stop_iteration():
    """A StopIteration out of a thread is an error like any other; it never hangs the run."""

    @function_tool
    def fail() -> None:
        next(iter(()))

    assert "StopIteration" in call(fail).output


def test_late_tool():
    """A tool that is late is told to the model, with the time it had."""

    @function_tool(timeout=0.01)
    async def sleep() -> None:
        await asyncio.Event().wait()

    outcome = call(sleep)
    assert outcome.output == "Tool 'sleep' timed out after 0.01 seconds."
    assert isinstance(outcome.error, ToolTimeoutError)


def test_late_thread():
    """A late sync tool is not waited for."""
    release = threading.Event()

    @function_tool(timeout=0.01)
    def wait() -> None:
        release.wait(60)

    async def late():
        outcome = await call_tool(wait, tool_context(wait), "{}")
        release.set()
        return outcome

    assert isinstance(asyncio.run(late()).error, ToolTimeoutError)


def test_late_tool_raises():
    """A late tool ends the run if it asked to, whatever its error function."""

    @function_tool(timeout=0.01, timeout_behavior="raise_exception")
    async def sleep() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ToolTimeoutError, match="'sleep'"):
        call(sleep)


def test_own_timeout_function():
    """What the model is told of a late tool can be chosen."""

    @function_tool(timeout=0.01, timeout_error_function=lambda ctx, error: "too slow")
    async def sleep() -> None:
        await asyncio.Event().wait()

    assert call(sleep).output == "too slow"


def test_own_timeout_error():
    """A TimeoutError of the tool itself is no time-out of ours."""

    @function_tool(timeout=10, failure_error_function=None)
    async def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        call(fail)


def test_cancelled():
    """Cancelling a call cancels the tool and is never told to the model."""
    ended = []

    @function_tool
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def cancel():
        task = asyncio.create_task(call_tool(wait, tool_context(wait), "{}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert ended == [True]


def test_own_tool():
    """A FunctionTool made by hand is called with the raw arguments; its errors are its own."""

    async def invoke(ctx, arguments):
        if not arguments:
            raise ValueError("nothing")
        return f"{ctx.tool_name}:{arguments}"

    tool = FunctionTool("echo", "", {"type": "object", "properties": {}}, invoke)

    assert call(tool, "raw").output == "echo:raw"
    with pytest.raises(ValueError, match="nothing"):
        call(tool, "")
