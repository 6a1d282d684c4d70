"""The type of an agent's final output: its JSON schema, and the way back from JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from runtime.exceptions import UserError
from runtime.json_input import parse_json
from runtime.strict_schema import ensure_strict_json_schema

# A schema's root must be an object, so that other types travel as the value of this key.
WRAPPER_KEY = "response"


class AgentOutputSchemaBase(ABC):
    """What the final output of an agent looks like.

    Implement it to parse outputs in your own way. The runner asks it at every model call and
    calls `validate_json` once, with the text of the model's last message.
    """

    @abstractmethod
    def is_plain_text(self) -> bool:
        """Tell whether the output is text; nothing else is asked if it is."""

    @abstractmethod
    def name(self) -> str:
        """Return the name of the type."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema the model must follow."""

    @abstractmethod
    def is_strict_json_schema(self) -> bool:
        """Tell whether the schema is in the strict dialect."""

    @abstractmethod
    def validate_json(self, json_str: str) -> Any:
        """Return the output made from JSON, or raise `ModelBehaviorError` if it does not fit."""


@dataclass(init=False)
class AgentOutputSchema(AgentOutputSchemaBase):
    """The schema of any type that Pydantic can describe."""

    output_type: type[Any]
    _adapter: TypeAdapter[Any] = field(repr=False)
    _wrapped: bool
    _schema: dict[str, Any] = field(repr=False)
    _strict: bool

    def __init__(self, output_type: type[Any], strict_json_schema: bool = True) -> None:
        """Describe `output_type`.

        Args:
            output_type: A Pydantic model, dataclass, TypedDict, list, … or `str` for plain text.
            strict_json_schema: Whether to ask the model for strict mode; keep it on where you can.

        Raises:
            UserError: If the type cannot be described in strict mode.
        """
        self.output_type = output_type
        self._strict = strict_json_schema
        self._wrapped = not self.is_plain_text() and not _is_object(output_type)
        self._adapter = TypeAdapter(_wrap(output_type) if self._wrapped else output_type)
        self._schema = self._adapter.json_schema()
        if strict_json_schema and not self.is_plain_text():
            self._schema = self._strict_schema()

    def is_plain_text(self) -> bool:
        """Tell whether the output is text."""
        return self.output_type is None or self.output_type is str

    def is_strict_json_schema(self) -> bool:
        """Tell whether the schema is in the strict dialect."""
        return self._strict

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema the model must follow."""
        if self.is_plain_text():
            raise UserError(
                f"The output type {self.name()!r} has no JSON schema: it is plain text. Ask "
                "is_plain_text() first."
            )
        return self._schema

    def validate_json(self, json_str: str) -> Any:
        """Return the output made from JSON, or raise `ModelBehaviorError` if it does not fit."""
        value = parse_json(json_str, self._adapter, what=f"contents of output {self.name()!r}")
        return value[WRAPPER_KEY] if self._wrapped else value

    def name(self) -> str:
        """Return the name of the type."""
        return _name(self.output_type)

    def _strict_schema(self) -> dict[str, Any]:
        try:
            return ensure_strict_json_schema(self._schema)
        except UserError as error:
            raise UserError(
                f"The output type {self.name()!r} does not fit a strict JSON schema. {error} "
                "For this output type: AgentOutputSchema(YourType, strict_json_schema=False)."
            ) from error


def _is_object(output_type: Any) -> bool:
    origin = get_origin(output_type) or output_type
    return isinstance(origin, type) and issubclass(origin, BaseModel | dict)


def _wrap(output_type: Any) -> Any:
    make: Any = TypedDict
    return make("OutputType", {WRAPPER_KEY: output_type})


def _name(output_type: Any) -> str:
    args = get_args(output_type)
    if not args:
        return getattr(output_type, "__name__", repr(output_type))
    origin = get_origin(output_type)
    return f"{getattr(origin, '__name__', origin)}[{', '.join(map(_name, args))}]"
