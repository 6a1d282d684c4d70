"""The type of an agent's final output."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from runtime import AgentOutputSchema, ModelBehaviorError, UserError


class Model(BaseModel):
    n: int


class Typed(TypedDict):
    n: int


@dataclass
class Data:
    n: int


@pytest.mark.parametrize(
    ("kind", "json", "value", "name"),
    [
        (Model, '{"n": 1}', Model(n=1), "Model"),
        (Typed, '{"n": 1}', {"n": 1}, "Typed"),
        (Data, '{"response": {"n": 1}}', Data(1), "Data"),
        (list[int], '{"response": [1]}', [1], "list[int]"),
        (int, '{"response": 1}', 1, "int"),
    ],
)
def test_types(kind, json, value, name):
    """Any type that Pydantic knows can be an output; what is no object travels in one."""
    schema = AgentOutputSchema(kind)

    assert schema.validate_json(json) == value
    assert schema.name() == name
    assert schema.json_schema()["type"] == "object"
    assert schema.is_strict_json_schema()
    assert not schema.is_plain_text()


@pytest.mark.parametrize("kind", [str, None])
def test_plain_text(kind):
    """Text has no schema."""
    schema = AgentOutputSchema(kind)

    assert schema.is_plain_text()
    with pytest.raises(UserError, match="is_plain_text"):
        schema.json_schema()


def test_not_strict():
    """An open type is refused, and the error says how to have it all the same."""
    with pytest.raises(UserError, match="strict_json_schema=False"):
        AgentOutputSchema(dict[str, int])

    loose = AgentOutputSchema(dict[str, int], strict_json_schema=False)
    assert loose.validate_json('{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("json", ["", "{", "[]", '{"n": "secret"}'])
def test_invalid(json):
    """What does not fit says where, and never what."""
    with pytest.raises(ModelBehaviorError, match="'Model'") as caught:
        AgentOutputSchema(Model).validate_json(json)

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
