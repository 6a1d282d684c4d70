"""JSON schemas in the strict dialect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from runtime.exceptions import UserError
from runtime.strict_schema import ensure_strict_json_schema


class Inner(BaseModel):
    n: int | None = None


class Outer(BaseModel):
    inner: Inner = Field(description="The inside.")
    many: list[Inner] = []
    either: int | str = 1


def objects(schema):
    """Every object schema within a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_empty():
    """No schema is an object without properties."""
    assert ensure_strict_json_schema({})["properties"] == {}


def test_models():
    """Every object is closed and requires all it has; defaults of None are gone."""
    schema = ensure_strict_json_schema(Outer.model_json_schema())

    assert len(list(objects(schema))) >= 2
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    assert "default" not in schema["$defs"]["Inner"]["properties"]["n"]


def test_reference_with_siblings():
    """A reference beside other keywords is written out, and these win."""
    inner = ensure_strict_json_schema(Outer.model_json_schema())["properties"]["inner"]

    assert "$ref" not in inner
    assert inner["description"] == "The inside."
    assert inner["properties"].keys() == {"n"}


def test_open_object():
    """An object that is open on purpose is refused, and the error says where it is."""
    schema = {
        "type": "object",
        "properties": {"x": {"type": "object", "additionalProperties": True}},
    }

    with pytest.raises(UserError, match="#/properties/x"):
        ensure_strict_json_schema(schema)


def test_lost_reference():
    """A reference to nothing is refused by its name."""
    with pytest.raises(UserError, match="Nothing"):
        ensure_strict_json_schema({"$ref": "#/$defs/Nothing", "title": "x"})


def test_endless_reference():
    """A reference that has to be written out within itself is an error, not a hang."""
    inside = {"$ref": "#/$defs/A", "title": "again"}
    schema = {"$defs": {"A": {"type": "object", "properties": {"a": inside}}}, "$ref": "#/$defs/A"}

    with pytest.raises(UserError, match="nested deeper"):
        ensure_strict_json_schema(schema)


def test_variants():
    """OneOf becomes anyOf, and an allOf of one is unwrapped."""
    schema = ensure_strict_json_schema(
        {
            "type": "object",
            "properties": {
                "a": {"oneOf": [{"type": "string"}, {"type": "object"}]},
                "b": {"allOf": [{"type": "integer"}], "title": "B"},
            },
        }
    )

    assert schema["properties"]["a"]["anyOf"][1]["additionalProperties"] is False
    assert schema["properties"]["b"] == {"title": "B", "type": "integer"}


TYPES = st.recursive(
    st.sampled_from([int, str, float, bool, Inner, int | None]),
    lambda inner: st.one_of(inner.map(lambda t: list[t]), inner.map(lambda t: t | None)),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from("abcde"), TYPES, min_size=1))
def test_idempotent(fields):
    """A strict schema stays as it is, and every object of it is closed."""
    model = create_model("M", **{name: (kind, ...) for name, kind in fields.items()})

    once = ensure_strict_json_schema(model.model_json_schema())

    assert all(part["additionalProperties"] is False for part in objects(once))
    assert ensure_strict_json_schema(once) == once
