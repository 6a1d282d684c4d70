"""What a tool may return beside plain text: texts, images and files for the model."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

from openai.types.responses.response_function_call_output_item_list_param import (
    ResponseFunctionCallOutputItemListParam,
    ResponseFunctionCallOutputItemParam,
)
from pydantic import BaseModel, TypeAdapter, ValidationError, model_validator


class ToolOutputText(BaseModel):
    """A text for the model."""

    type: Literal["text"] = "text"
    text: str


class ToolOutputImage(BaseModel):
    """An image for the model, by URL (a data URL too) or by the id of an uploaded file."""

    type: Literal["image"] = "image"
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto"] | None = None

    @model_validator(mode="after")
    def _has_source(self) -> ToolOutputImage:
        if self.image_url is None and self.file_id is None:
            raise ValueError("An image output names no source. Give image_url or file_id.")
        return self


class ToolOutputFileContent(BaseModel):
    """A file for the model: its content in base64, a URL, or the id of an uploaded file."""

    type: Literal["file"] = "file"
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None

    @model_validator(mode="after")
    def _has_source(self) -> ToolOutputFileContent:
        if self.file_data is None and self.file_url is None and self.file_id is None:
            raise ValueError("A file output names no source. Give file_data, file_url or file_id.")
        return self


ToolOutput: TypeAlias = ToolOutputText | ToolOutputImage | ToolOutputFileContent

_ADAPTER: TypeAdapter[ToolOutput] = TypeAdapter(ToolOutput)


def as_call_output(value: Any) -> str | ResponseFunctionCallOutputItemListParam:
    """Return a tool's result as the `output` field of a `function_call_output` item."""
    if isinstance(value, str):
        return value
    values = value if isinstance(value, list | tuple) else [value]
    parts = [part for part in map(_part, values) if part is not None]
    if parts and len(parts) == len(values):
        return parts
    return str(value)


def _part(value: Any) -> ResponseFunctionCallOutputItemParam | None:
    if isinstance(value, dict) and "type" in value:
        try:
            value = _ADAPTER.validate_python(value)
        except ValidationError:
            return None
    match value:
        case ToolOutputText():
            return {"type": "input_text", "text": value.text}
        case ToolOutputImage():
            return cast(ResponseFunctionCallOutputItemParam, _fields("input_image", value))
        case ToolOutputFileContent():
            return cast(ResponseFunctionCallOutputItemParam, _fields("input_file", value))
        case _:
            return None


def _fields(type: str, value: BaseModel) -> dict[str, Any]:
    return {"type": type, **value.model_dump(exclude={"type"}, exclude_none=True)}
