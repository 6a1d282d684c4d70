"""What the runner asks of a model, and of whoever finds models by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from enum import Enum
from typing import ClassVar, Literal

from openai.types.responses import ResponsePromptParam

from runtime.agent_output import AgentOutputSchemaBase
from runtime.handoffs import Handoff
from runtime.items import ModelResponse, TResponseInputItem, TResponseStreamEvent
from runtime.model_settings import ModelSettings
from runtime.tool import Tool


class ModelTracing(Enum):
    """How much of a model call may be recorded."""

    DISABLED = 0
    ENABLED = 1
    ENABLED_WITHOUT_DATA = 2
    """Names, numbers and errors are recorded, inputs and outputs are not."""

    def is_disabled(self) -> bool:
        """Tell whether nothing may be recorded."""
        return self is ModelTracing.DISABLED

    def include_data(self) -> bool:
        """Tell whether inputs and outputs may be recorded."""
        return self is ModelTracing.ENABLED


class Model(ABC):
    """Something that answers a list of items with items.

    Items are those of the Responses API, whatever the provider speaks. The runner calls a model
    once a turn, inside the span of that call and from the run's event loop; several runs may call
    the same model at once, so a model keeps no state of a call. Errors of the provider pass
    through; an answer that makes no sense raises `ModelBehaviorError`.
    """

    span_type: ClassVar[Literal["generation", "response"]] = "generation"
    """The type of span the runner opens around a call."""

    @abstractmethod
    async def get_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        """Answer once, whole.

        Args:
            system_instructions: The instructions of the agent.
            input: The history, or the one message a string stands for.
            model_settings: Settings of this call.
            tools: The tools the model may call.
            output_schema: What the final answer must look like; `None` for plain text.
            handoffs: The agents the model may hand over to, each shown to it as a tool.
            tracing: How much of the call may be recorded.
            previous_response_id: The response this one continues (Responses API).
            conversation_id: The conversation stored by the provider (Responses API).
            prompt: A prompt stored by the provider (Responses API).
        """

    @abstractmethod
    def stream_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Answer in pieces: Responses API events, the last one `response.completed`.

        Takes the arguments of `get_response`. Closing the iterator early closes the connection.
        """


class ModelProvider(ABC):
    """Finds a model by its name."""

    @abstractmethod
    def get_model(self, model_name: str | None) -> Model:
        """Return the model called `model_name`, or the default model for `None`."""
