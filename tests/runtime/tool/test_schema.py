import contextlib
import dataclasses
import enum
import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

from runtime.exceptions import ModelBehaviorError, UserError
from runtime.run_context import RunContextWrapper
from runtime.tool.schema import function_schema
from runtime.tool_context import ToolContext


class Place(TypedDict):
    lat: float
    long: float
    label: NotRequired[str]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    number: int
    items: list[str] = []


@dataclasses.dataclass
class Size:
    width: int
    height: int = 1


class Opaque:
    """A type that no schema describes."""


def properties(func, **options):
    """The properties of a function's schema."""
    return function_schema(func, **options).params_json_schema["properties"]


def call(func, arguments):
    """What a function returns for arguments as a model sends them."""
    schema = function_schema(func, strict_json_schema=False)
    positional, named = schema.to_call_args(schema.parse(json.dumps(arguments)))
    return func(*positional, **named)


def everything(
    number: int,
    place: Place,
    colour: Colour,
    order: Order,
    size: Size,
    mode: Literal["fast", "slow"] = "fast",
    note: str | None = None,
    *rest: int,
    limit: Annotated[int, Field(ge=0, le=9)] = 3,
) -> tuple[Any, ...]:
    """Take one of each."""
    return number, place, colour, order, size, mode, note, rest, limit


def test_every_kind():
    """Plain types, models, TypedDicts, dataclasses, enums and literals reach the function."""
    order = {"number": 7, "items": ["tea"]}
    arguments = {
        "number": 1,
        "place": {"lat": 1.5, "long": 2.5},
        "colour": "red",
        "order": order,
        "size": {"width": 4},
        "rest": [5, 6],
        "limit": 9,
    }

    place = {"lat": 1.5, "long": 2.5}
    made = (1, place, Colour.RED, Order(**order), Size(4), "fast", None, (5, 6), 9)
    assert call(everything, arguments) == made


def test_documented_schema():
    """The schema is the one the documentation shows, made strict."""

    def read_file(  # noqa: D417
        ctx: RunContextWrapper[Any], path: str, directory: str | None = None
    ) -> str:
        """Read the contents of a file.

        Args:
            path: The path to the file to read.
            directory: The directory to read the file from.
        """
        raise NotImplementedError

    schema = function_schema(read_file, name_override="fetch_data")

    assert schema.name == "fetch_data"
    assert schema.description == "Read the contents of a file."
    assert schema.takes_context
    assert schema.params_json_schema == {
        "properties": {
            "path": {
                "description": "The path to the file to read.",
                "title": "Path",
                "type": "string",
            },
            "directory": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "description": "The directory to read the file from.",
                "title": "Directory",
            },
        },
        "required": ["path", "directory"],
        "title": "fetch_data_args",
        "type": "object",
        "additionalProperties": False,
    }


def test_constraints():
    """Constraints and descriptions of `Field` are in the schema and are enforced."""

    def take(
        count: Annotated[int, Field(ge=1, description="How many.")],
        code: str = Field(default="ab", max_length=3),
        note: Annotated[str, "A note."] = "",
    ) -> Any:
        return count, code, note

    described = properties(take)
    assert described["count"]["minimum"] == 1
    assert described["count"]["description"] == "How many."
    assert described["code"]["maxLength"] == 3
    assert described["note"]["description"] == "A note."
    assert call(take, {"count": 1}) == (1, "ab", "")
    with pytest.raises(ModelBehaviorError, match="count"):
        call(take, {"count": 0})


def test_docstring_can_be_ignored():
    """Without docstring information neither the tool nor its parameters are described."""

    def take(count: int) -> None:
        """Take.

        Args:
            count: How many.
        """

    schema = function_schema(take, use_docstring_info=False)
    assert schema.description is None
    assert "description" not in schema.params_json_schema["properties"]["count"]


@pytest.mark.parametrize(
    "name", ["schema", "copy", "json", "model_config", "self", "_id", "__dunder", "cls", "x__y"]
)
def test_awkward_names(name):
    """Parameters may be called what fields of a model may not."""
    scope: dict[str, Any] = {}
    exec(f"def take({name}: int = 0): return {name}", scope)

    assert list(properties(scope["take"])) == [name]
    assert call(scope["take"], {name: 5}) == 5


def test_context_kinds():
    """Both kinds of context are recognised, bare, with a parameter, and annotated."""

    def bare(ctx: RunContextWrapper, a: int) -> None: ...
    def tool(ctx: ToolContext[str], a: int) -> None: ...
    def annotated(ctx: Annotated[RunContextWrapper[str], "c"], a: int) -> None: ...
    def none(a: int) -> None: ...

    kinds = [function_schema(func).takes_context for func in (bare, tool, annotated, none)]
    assert kinds == [True, True, True, False]
    assert all(list(properties(func)) == ["a"] for func in (bare, tool, annotated, none))


def test_context_must_be_first():
    """A context anywhere else is refused by name."""

    def take(a: int, ctx: RunContextWrapper) -> None: ...

    with pytest.raises(UserError, match=r"Parameter 'ctx' of tool 'take'.*first parameter"):
        function_schema(take)


def test_opaque_type():
    """A type without a schema is refused with function, parameter, type and advice."""

    def take(a: int, thing: Opaque) -> None: ...

    with pytest.raises(UserError) as caught:
        function_schema(take)
    text = str(caught.value)
    assert "Parameter 'thing' of tool 'take' has the type 'Opaque'" in text
    assert "Use plain types" in text


@pytest.mark.parametrize("hint", [Callable[[int], int], dict[str, Opaque], list[Opaque] | None])
def test_opaque_parts(hint):
    """A type whose parts have no schema is refused too."""

    def take(thing: hint) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(UserError, match="Parameter 'thing' of tool 'take'"):
        function_schema(take)


def test_open_object():
    """A dict of any keys is no strict schema; without strict mode it is fine."""

    def take(counts: dict[str, int]) -> dict[str, int]:
        return counts

    with pytest.raises(UserError, match=r"Parameter 'counts'.*strict_mode=False"):
        function_schema(take)
    assert call(take, {"counts": {"a": 1}}) == {"a": 1}


def test_named_extras():
    """`**kwargs` needs strict mode off, and takes no name twice."""

    def take(a: int, **rest: int) -> Any:
        return a, rest

    with pytest.raises(UserError, match=r"\*\*rest"):
        function_schema(take)
    assert call(take, {"a": 1, "rest": {"b": 2}}) == (1, {"b": 2})
    with pytest.raises(ModelBehaviorError, match="'a' twice"):
        call(take, {"a": 1, "rest": {"a": 2}})


def test_unresolved_hint():
    """A type that is not defined is refused when the tool is made."""

    def take(a: "Nowhere") -> None: ...  # noqa: F821

    with pytest.raises(UserError, match=r"tool 'take' cannot be resolved: name 'Nowhere'"):
        function_schema(take)


def test_no_hints():
    """Without hints anything goes."""

    def take(a, b=2):
        return a, b

    assert call(take, {"a": [1]}) == ([1], 2)


def test_odd_default():
    """A default that JSON cannot write stays out of the schema and still works."""

    def take(a: Any = Opaque) -> Any:
        return a

    assert "default" not in properties(take)["a"]
    assert call(take, {}) is Opaque


def test_methods_and_objects():
    """Bound methods and objects that can be called are functions too."""

    class Counter:
        """Counts."""

        def add(self, a: int) -> int:
            return a + 1

        def __call__(self, b: int) -> int:
            return b + 2

    assert call(Counter().add, {"a": 1}) == 2
    assert call(Counter(), {"b": 1}) == 3
    assert function_schema(Counter()).name == "Counter"


def test_partial():
    """A partial function is described by the function it is made of."""

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    add_two = functools.partial(add, b=2)
    assert call(add_two, {"a": 1}) == 3
    schema = function_schema(add_two)
    assert (schema.name, schema.description) == ("add", "Add.")


def test_descriptions_in_order():
    """The docstring describes a parameter before `Annotated` text and `Field` do."""

    def take(a: Annotated[int, "x"], b: int = Field(default=2, description="y", ge=1)) -> Any:
        """Take.

        Args:
            a: From the docstring.
            b: From the docstring.
        """
        return a, b

    assert {part["description"] for part in properties(take).values()} == {"From the docstring."}
    assert properties(take)["b"]["minimum"] == 1
    assert call(take, {"a": 1}) == (1, 2)


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_no_arguments(arguments):
    """Nothing at all stands for no arguments."""

    def take() -> str:
        return "done"

    schema = function_schema(take)
    assert schema.to_call_args(schema.parse(arguments)) == ([], {})


@pytest.mark.parametrize("arguments", ["[]", "null", "{", '{"a": "secret"}', "{}", '"a"'])
def test_wrong_arguments(arguments):
    """Wrong arguments are the model's fault; the message never repeats them."""

    def take(a: int) -> None: ...

    with pytest.raises(ModelBehaviorError, match="arguments of tool 'take'") as caught:
        function_schema(take).parse(arguments)
    assert "secret" not in str(caught.value)


_HINTS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**60), 2**60)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text(max_size=10)),
    (bool, st.booleans()),
    (int | None, st.none() | st.integers(-5, 5)),
    (list[int], st.lists(st.integers(-5, 5), max_size=4)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Colour, st.sampled_from(Colour)),
    (Order, st.builds(Order, number=st.integers(-5, 5), items=st.lists(st.text(max_size=3)))),
    (Size, st.builds(Size, width=st.integers(-5, 5), height=st.integers(-5, 5))),
    (
        Place,
        st.fixed_dictionaries(
            {"lat": st.floats(-9, 9), "long": st.floats(-9, 9)},
            optional={"label": st.text(max_size=3)},
        ),
    ),
    (tuple[int, str], st.tuples(st.integers(-5, 5), st.text(max_size=3))),
    (dict[str, int], st.dictionaries(st.text(max_size=3), st.integers(-5, 5), max_size=3)),
    (list[Order | Size], st.lists(st.builds(Size, width=st.integers(0, 5)), max_size=2)),
]


@st.composite
def signatures(draw):
    """A function with random parameters, and values that its signature accepts."""
    chosen = draw(st.lists(st.sampled_from(_HINTS), min_size=0, max_size=5))
    names = [f"p{position}" for position in range(len(chosen))]
    keyword_from = draw(st.integers(0, len(names)))
    parts = [f"{name}: h_{name}" for name in names]
    if keyword_from < len(names):
        parts.insert(keyword_from, "*")
    scope: dict[str, Any] = {
        f"h_{name}": hint for name, (hint, _) in zip(names, chosen, strict=True)
    }
    shown = ", ".join(f"{name!r}: {name}" for name in names)
    exec(f"def take({', '.join(parts)}): return {{{shown}}}", scope)
    values = {name: draw(strategy) for name, (_, strategy) in zip(names, chosen, strict=True)}
    hints = {name: hint for name, (hint, _) in zip(names, chosen, strict=True)}
    return scope["take"], hints, values


@settings(deadline=None)
@given(signatures())
def test_round_trip(signature):
    """What a signature accepts, written as JSON, its schema accepts, and the function gets it."""
    func, hints, values = signature
    written = {
        name: TypeAdapter(hints[name]).dump_python(value, mode="json")
        for name, value in values.items()
    }

    assert call(func, written) == values


@settings(deadline=None)
@given(signatures())
def test_schema_names_parameters(signature):
    """The schema has exactly the parameters, and asks for those without a default."""
    func, hints, _ = signature
    schema = function_schema(func, strict_json_schema=False).params_json_schema

    json.dumps(schema)
    assert list(schema["properties"]) == list(hints)
    assert schema.get("required", []) == list(hints)


@settings(deadline=None)
@given(st.text(max_size=30) | st.binary(max_size=10).map(lambda raw: raw.decode("latin-1")))
def test_any_arguments(text):
    """Whatever a model sends as arguments is accepted or refused as its fault."""

    def take(a: int = 0) -> int:
        return a

    schema = function_schema(take)
    with contextlib.suppress(ModelBehaviorError):
        schema.to_call_args(schema.parse(text))
