"""The runtime's only door to the tracer: every span of a run is opened here.

    trace → task → agent → turn → generation | response, function, handoff, guardrail

Each function is a context manager around the work it records, used within one task. Nothing here
decides anything: with tracing off the run goes the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from openai import NotGiven, Omit
from openai.types.responses import Response

import tracer
from runtime.guardrail import GuardrailFunctionOutput
from runtime.usage import Usage
from tracer import Span, Trace, __version__
from tracer.config import usable_settings
from tracer.encoding import plain
from tracer.failure import type_name, verdict
from tracer.traces import SILENT_ID

if TYPE_CHECKING:
    from runtime.items import ModelResponse

__all__ = [
    "Recording",
    "Trace",
    "__version__",
    "current_model_call",
    "record_request",
    "record_response",
    "usable_settings",
]

TRIPPED = "Guardrail tripwire triggered"

# Headers and queries may carry keys; how the answer travels is not what was asked.
_NEVER_RECORDED = frozenset({"extra_headers", "extra_query", "stream", "stream_options"})

# Settings of a request in which personal data may travel.
_PRIVATE_SETTINGS = frozenset({"extra_args", "extra_body", "metadata"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording:
    """What a run wants recorded."""

    name: str = "Agent workflow"
    trace_id: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None
    disabled: bool = False
    content: bool = True
    """Whether inputs, outputs, arguments, instructions and error texts are recorded."""
    steps: bool = True
    """Whether tasks and turns get spans."""
    api_key: str | None = None


# The trace whose input and output are those of the outermost run in this context.
_run_trace: ContextVar[Trace | None] = ContextVar("flightlog_run_trace", default=None)


def new_trace(recording: Recording) -> Trace | None:
    """Return the trace a run starts, or None if it joins the current one."""
    if tracer.get_current_trace() is not None and not recording.disabled:
        return None
    return tracer.trace(
        recording.name,
        trace_id=recording.trace_id,
        group_id=recording.group_id,
        metadata=recording.metadata,
        # A silent trace silences what is within it, also inside a trace of the caller's.
        disabled=recording.disabled,
        tracing={"api_key": recording.api_key} if recording.api_key else None,
    )


def current_trace() -> Trace | None:
    """Return the trace that records the caller; None if none does."""
    trace, span = tracer.get_current_trace(), tracer.get_current_span()
    innermost = trace if span is None else span  # a silent span silences, whatever is around it
    return None if innermost is None or innermost.trace_id == SILENT_ID else trace


class RunRecord:
    """A run being recorded."""

    def __init__(self, recording: Recording, task: Span[Any] | None) -> None:
        self._recording = recording
        self._task = task
        self.trace = current_trace()
        self._outermost = self.trace is not _run_trace.get()

    def asked(self, value: Any) -> None:
        """Note what the run was asked, unless it is a run within a run."""
        if self._outermost and self._recording.content and self.trace is not None:
            self.trace.record_input(value)

    def answered(self, output: Any) -> None:
        """Note the final output, unless it is that of a run within a run."""
        if self._outermost and self._recording.content and self.trace is not None:
            self.trace.record_output(output)

    def used(self, usage: Usage) -> None:
        """Note what all model calls of the run consumed."""
        if self._task is not None:
            self._task.span_data.usage = usage_dict(usage)


@contextmanager
def run(recording: Recording, trace: Trace | None) -> Iterator[RunRecord]:
    """Record one call of the runner, in a trace of its own or in the current one."""
    with ExitStack() as stack:
        if trace is not None:
            stack.enter_context(_veiled_trace(trace, recording))
        task = tracer.task_span(recording.name) if recording.steps else None
        if task is not None:
            stack.enter_context(_veiled(task, recording))
        record = RunRecord(recording, task)
        token = _run_trace.set(record.trace)
        try:
            yield record
        finally:
            _run_trace.reset(token)


class AgentRecord:
    """An agent at work, being recorded."""

    def __init__(self, span: Span[Any]) -> None:
        self._span = span

    def offers(self, tools: list[str], handoffs: list[str]) -> None:
        """Note which tools and handoffs the agent has; these may change from turn to turn."""
        self._span.span_data.tools = tools
        self._span.span_data.handoffs = handoffs


@contextmanager
def agent(recording: Recording, name: str, output_type: str) -> Iterator[AgentRecord]:
    """Record one agent at work, from its first turn to its answer or its handoff."""
    with _veiled(tracer.agent_span(name, output_type=output_type), recording) as span:
        yield AgentRecord(span)


class TurnRecord:
    """A turn being recorded."""

    def __init__(self, span: Span[Any] | None) -> None:
        self._span = span

    def used(self, usage: Usage) -> None:
        """Note what the model call of the turn consumed."""
        if self._span is not None:
            self._span.span_data.usage = usage_dict(usage)


@contextmanager
def turn(recording: Recording, number: int, agent_name: str) -> Iterator[TurnRecord]:
    """Record one turn of the loop."""
    if not recording.steps:
        yield TurnRecord(None)
        return
    with _veiled(tracer.turn_span(number, agent_name), recording) as span:
        yield TurnRecord(span)


class ModelCall:
    """A model call being recorded."""

    def __init__(self, span: Span[Any], content: bool) -> None:
        self._span = span
        self._content = content

    def asked(self, request: Mapping[str, Any]) -> None:
        """Note the request. The last call counts, as it knows best what was really sent."""
        rest = {
            key: value
            for key, value in request.items()
            if key not in _NEVER_RECORDED and _given(value)
        }
        data = self._span.span_data
        data.model = str(rest.pop("model", None) or data.model)
        instructions = rest.pop("instructions", None)
        sent = rest.pop("input", rest.pop("messages", None))
        tools = rest.pop("tools", None)
        if self._content:
            data.instructions = instructions
            data.input = sent
            data.tools = tools
        else:
            rest = {key: rest[key] for key in rest if key not in _PRIVATE_SETTINGS}
        data.model_config = rest

    def first_output(self) -> None:
        """Note the time at which a stream brought its first piece of output; once."""
        if self._span.span_data.first_token_at is None:
            self._span.span_data.first_token_at = tracer.get_trace_provider().time_iso()

    def answered(self, response: ModelResponse, rest: Mapping[str, Any] | None = None) -> None:
        """Note what the model answered, be it the whole answer or what came of it.

        Args:
            response: The answer. Output that is already on the span stays there.
            rest: What else the server said, under its own names.
        """
        data = self._span.span_data
        data.response_id = response.response_id or data.response_id
        data.response_rest = dict(rest) if rest else data.response_rest
        if _reported(response.usage):
            data.usage = usage_dict(response.usage)
        if self._content and not data.output:
            data.output = plain(response.output) or data.output

    def raw(self, response: Response) -> None:
        """Note the response object itself."""
        data = self._span.span_data
        data.response_id = response.id
        data.model = response.model or data.model
        if not self._content:
            return
        data.output = plain(response.output)  # never raises or warns, whatever a server sent
        if data.type == "response":
            data.response = response


_model_call: ContextVar[ModelCall | None] = ContextVar("flightlog_model_call", default=None)


@contextmanager
def model_call(recording: Recording, model: Any, request: Mapping[str, Any]) -> Iterator[ModelCall]:
    """Record one call of `model`, whose class says of which type the span is.

    Args:
        recording: What the run wants recorded.
        model: Any model; `span_type` and `model` are read from it if it has them.
        request: What the model was given, for models that do not report what they really send.
    """
    is_response = getattr(model, "span_type", "generation") == "response"
    opened = tracer.response_span() if is_response else tracer.generation_span()
    opened.span_data.model = str(getattr(model, "model", type(model).__name__))
    with _veiled(opened, recording) as span:
        call = ModelCall(span, recording.content)
        call.asked(request)
        token = _model_call.set(call)
        try:
            yield call
        finally:
            _model_call.reset(token)


def current_model_call() -> ModelCall | None:
    """Return the model call that the caller is part of, if it is recorded."""
    return _model_call.get()


def record_request(request: Mapping[str, Any]) -> None:
    """Put the request a model really sends on the span of the current model call, if any.

    Args:
        request: The arguments of the client's `create`: `instructions`, `input` (or `messages`),
            `tools` and `model` have places of their own, everything else is a setting.
    """
    call = _model_call.get()
    if call is not None:
        call.asked(request)


def record_response(response: Response) -> None:
    """Put the response a model really got on the span of the current model call, if any."""
    call = _model_call.get()
    if call is not None:
        call.raw(response)


class FunctionRecord:
    """A tool call being recorded."""

    def __init__(self, span: Span[Any], content: bool) -> None:
        self._span = span
        self._content = content

    def returned(self, output: Any) -> None:
        """Note what the tool returned."""
        if self._content:
            self._span.span_data.output = output

    def failed(self, error: Exception) -> None:
        """Note what the tool raised, though it was made into an answer and the run goes on."""
        if self._content:
            self._span.record_exception(error)
        else:
            self._span.set_error(_veil(error))


@contextmanager
def function(
    recording: Recording, name: str, call_id: str, arguments: str
) -> Iterator[FunctionRecord]:
    """Record one call of a tool."""
    opened = tracer.function_span(name, input=arguments if recording.content else None)
    with _veiled(opened, recording) as span:
        span.set(call_id=call_id)
        yield FunctionRecord(span, recording.content)


class HandoffRecord:
    """A handoff being recorded."""

    def __init__(self, span: Span[Any]) -> None:
        self._span = span

    def went_to(self, agent_name: str) -> None:
        """Note who took over."""
        self._span.span_data.to_agent = agent_name

    def one_of(self, agent_names: list[str]) -> None:
        """Note that the model asked for several handoffs at once, of which the first counts."""
        self._span.set_error(
            {
                "message": "Multiple handoffs requested",
                "data": {"requested_agents": agent_names},
            }
        )


@contextmanager
def handoff(recording: Recording, from_agent: str) -> Iterator[HandoffRecord]:
    """Record control passing from one agent to another."""
    with _veiled(tracer.handoff_span(from_agent=from_agent), recording) as span:
        yield HandoffRecord(span)


class GuardrailRecord:
    """A guardrail's check being recorded."""

    def __init__(self, span: Span[Any], parent: Span[Any] | None, name: str, content: bool) -> None:
        self._span = span
        self._parent = parent
        self._name = name
        self._content = content

    def found(self, output: GuardrailFunctionOutput) -> None:
        """Note the verdict; a tripped guardrail also marks the span it stands in."""
        self._span.span_data.triggered = output.tripwire_triggered
        if self._content:
            self._span.span_data.output_info = output.output_info
        if output.tripwire_triggered and self._parent is not None:
            self._parent.set_error({"message": TRIPPED, "data": {"guardrail": self._name}})


@contextmanager
def guardrail(recording: Recording, name: str) -> Iterator[GuardrailRecord]:
    """Record one guardrail's check."""
    parent = tracer.get_current_span()
    with _veiled(tracer.guardrail_span(name), recording) as span:
        yield GuardrailRecord(span, parent, name, recording.content)


def usage_dict(usage: Usage) -> dict[str, Any]:
    """Return usage as spans hold it; without tokens where no server reported any."""
    if not _reported(usage):
        return {"requests": usage.requests}
    return {
        "requests": usage.requests,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_tokens_details": usage.input_tokens_details.model_dump(exclude_none=True),
        "output_tokens_details": usage.output_tokens_details.model_dump(exclude_none=True),
    }


def _reported(usage: Usage) -> bool:
    # No answer costs nothing: zeros stand for a server that did not say.
    return bool(usage.total_tokens or usage.input_tokens or usage.output_tokens)


def tool_definitions(tools: Sequence[Any], handoffs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return tools and handoffs in the form of the Responses API."""
    defined: list[dict[str, Any]] = []
    for tool in tools:
        schema = getattr(tool, "params_json_schema", None)
        if schema is None:
            defined.append({"type": tool.name})
        else:
            strict = tool.strict_json_schema
            defined.append(_function_definition(tool.name, tool.description, schema, strict))
    defined.extend(
        _function_definition(
            way.tool_name, way.tool_description, way.input_json_schema, way.strict_json_schema
        )
        for way in handoffs
    )
    return defined


def _function_definition(
    name: str, description: str, schema: Mapping[str, Any], strict: bool
) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": schema,
        "strict": strict,
    }


@contextmanager
def _veiled(span: Span[Any], recording: Recording) -> Iterator[Span[Any]]:
    """Open a span; where content is off, only the type of an error gets onto it."""
    with span:
        try:
            yield span
        except BaseException as error:
            if not recording.content and span.error is None and verdict(error) == "error":
                span.set_error(_veil(error))
            raise


@contextmanager
def _veiled_trace(trace: Trace, recording: Recording) -> Iterator[None]:
    with trace:
        try:
            yield
        except BaseException as error:
            hidden = not recording.content and verdict(error) == "error"
            if hidden and getattr(trace, "error", ...) is None:
                trace.error = _veil(error)  # type: ignore[attr-defined]
            raise


def _veil(error: BaseException) -> tracer.SpanError:
    name = type_name(error)
    return {"message": name, "data": {"type": name}}


def _given(value: Any) -> bool:
    return value is not None and not isinstance(value, NotGiven | Omit)
