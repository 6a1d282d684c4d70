"""Makes the JSON schema of a function's arguments, and calls the function with such arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from runtime.exceptions import ModelBehaviorError, UserError
from runtime.json_input import parse_json
from runtime.run_context import RunContextWrapper
from runtime.strict_schema import ensure_strict_json_schema
from runtime.tool.docstring import DocstringStyle, generate_func_documentation

_BOUND_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass
class FuncSchema:
    """A function as a tool: its name, its description and the schema of its arguments."""

    name: str
    description: str | None
    params_pydantic_model: type[BaseModel]
    params_json_schema: dict[str, Any]
    signature: inspect.Signature
    takes_context: bool = False
    """Whether the first parameter is the run's context, which no model ever sees."""
    strict_json_schema: bool = True

    def parse(self, arguments_json: str) -> BaseModel:
        """Return the arguments a model sent, validated.

        Raises:
            ModelBehaviorError: If they are no JSON or do not fit the schema.
        """
        adapter = TypeAdapter(self.params_pydantic_model)
        return parse_json(arguments_json or "{}", adapter, what=f"arguments of tool {self.name!r}")

    def to_call_args(self, data: BaseModel) -> tuple[list[Any], dict[str, Any]]:
        """Return validated arguments as the function takes them: by position and by name."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for position, parameter in enumerate(_asked(self.signature, self.takes_context)):
            value = getattr(data, _field_name(position))
            match parameter.kind:
                case parameter.VAR_POSITIONAL:
                    positional.extend(value)
                case parameter.VAR_KEYWORD:
                    self._refuse_repeated(parameter.name, value)
                    named.update(value)
                case parameter.KEYWORD_ONLY:
                    named[parameter.name] = value
                case _:
                    positional.append(value)
        return positional, named

    def _refuse_repeated(self, collector: str, values: dict[str, Any]) -> None:
        taken = [x.name for x in self.signature.parameters.values() if x.kind in _BOUND_BY_NAME]
        repeated = sorted(set(taken) & set(values))
        if repeated:
            raise ModelBehaviorError(
                f"The arguments of tool {self.name!r} give {', '.join(map(repr, repeated))} twice."
                f" A key of {collector!r} must not be the name of another parameter."
                " Run again, or rename the parameter."
            )


def function_schema(
    func: Callable[..., Any],
    docstring_style: DocstringStyle | None = None,
    name_override: str | None = None,
    description_override: str | None = None,
    use_docstring_info: bool = True,
    strict_json_schema: bool = True,
) -> FuncSchema:
    """Describe `func` as a tool, from its signature and its docstring.

    Args:
        func: The function; a first parameter of type `RunContextWrapper` or `ToolContext` is left
            out of the schema.
        docstring_style: The style of the docstring; found out if not given.
        name_override: The name of the tool, if not that of the function.
        description_override: The description, if not that of the docstring.
        use_docstring_info: Whether the docstring describes the tool and its parameters.
        strict_json_schema: Whether the schema is made strict, which binds the model to it.

    Raises:
        UserError: If a parameter has a type that no schema can describe.
    """
    document = generate_func_documentation(func, docstring_style)
    name = name_override or document.name
    described = (document.param_descriptions or {}) if use_docstring_info else {}
    signature = inspect.signature(func)
    hints = _type_hints(func, name)
    takes_context = _takes_context(signature, hints, name)
    asked = _asked(signature, takes_context)
    if strict_json_schema:
        _refuse_open_end(asked, name)
    fields = {
        _field_name(position): _field(parameter, hints, described.get(parameter.name))
        for position, parameter in enumerate(asked)
    }
    model, schema = _schema_of(name, fields, strict=strict_json_schema)
    text = document.description if use_docstring_info else None
    return FuncSchema(
        name=name,
        description=description_override or text,
        params_pydantic_model=model,
        params_json_schema=schema,
        signature=signature,
        takes_context=takes_context,
        strict_json_schema=strict_json_schema,
    )


class _QuietSchema(GenerateJsonSchema):
    """Leaves out defaults that JSON cannot write, without warning: the function still has them."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012


def _schema_of(
    name: str, fields: dict[str, Any], *, strict: bool
) -> tuple[type[BaseModel], dict[str, Any]]:
    try:
        return _build(name, fields, strict=strict)
    except (PydanticUserError, UserError) as error:
        # One parameter at a time shows whose type it is.
        for field_name, definition in fields.items():
            try:
                _build(name, {field_name: definition}, strict=strict)
            except (PydanticUserError, UserError) as fault:
                raise _no_schema(name, definition, fault) from fault
        raise UserError(
            f"Tool {name!r} cannot be described to a model: {_first_line(error)}"
            " Every tool needs a JSON schema of its parameters; change their types."
        ) from error


def _build(
    name: str, fields: dict[str, Any], *, strict: bool
) -> tuple[type[BaseModel], dict[str, Any]]:
    model: type[BaseModel] = create_model(f"{name}_args", **fields)
    schema = model.model_json_schema(schema_generator=_QuietSchema)
    return model, ensure_strict_json_schema(schema) if strict else schema


def _no_schema(tool: str, definition: Any, fault: Exception) -> UserError:
    hint, *_, info = get_args(definition)
    if isinstance(fault, UserError):
        rule = f"a strict JSON schema cannot describe it: {_first_line(fault)}"
        advice = "Use a model or TypedDict with named fields, or function_tool(strict_mode=False)."
    else:
        rule = "no JSON schema can describe it."
        advice = "Use plain types, Pydantic models, dataclasses, TypedDicts or enums instead."
    return UserError(
        f"Parameter {info.alias!r} of tool {tool!r} has the type {_type_name(hint)!r}, and {rule}"
        f" {advice}"
    )


def _field(parameter: inspect.Parameter, hints: dict[str, Any], description: str | None) -> Any:
    """Return the annotation of the field that holds one argument; its last part is ours.

    The field is named by position and carries the parameter's name as its alias, because many
    good parameter names (`schema`, `copy`, `_id`) are not good field names.
    """
    hint = hints.get(parameter.name, Any)
    details: dict[str, Any] = {"alias": parameter.name}
    if description := description or _annotated_description(hint):
        details["description"] = description
    default = parameter.default
    match parameter.kind:
        case parameter.VAR_POSITIONAL:
            return Annotated[list[hint], Field(default_factory=list, **details)]  # type: ignore[valid-type]
        case parameter.VAR_KEYWORD:
            return Annotated[dict[str, hint], Field(default_factory=dict, **details)]  # type: ignore[valid-type]
    if default is parameter.empty:
        return Annotated[hint, Field(**details)]
    if isinstance(default, FieldInfo):
        return Annotated[hint, default, Field(**details)]
    return Annotated[hint, Field(default=default, **details)]


def _annotated_description(hint: Any) -> str | None:
    """Return the text in `Annotated[T, "text"]`."""
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in get_args(hint)[1:] if isinstance(extra, str)), None)


def _type_hints(func: Callable[..., Any], name: str) -> dict[str, Any]:
    if isinstance(func, functools.partial):
        func = func.func
    if not inspect.isroutine(func):
        func = type(func).__call__
    try:
        return get_type_hints(func, include_extras=True)
    except (NameError, TypeError) as error:
        raise UserError(
            f"The type hints of tool {name!r} cannot be resolved: {error}."
            " They are read when the tool is made, so every name in them must be defined by then,"
            " at the top level of its module. Move or import the type."
        ) from error


def _takes_context(signature: inspect.Signature, hints: dict[str, Any], name: str) -> bool:
    kinds = [_is_context(hints.get(parameter)) for parameter in signature.parameters]
    if any(kinds[1:]):
        position = kinds.index(True, 1)
        raise UserError(
            f"Parameter {list(signature.parameters)[position]!r} of tool {name!r} takes the run's"
            f" context at position {position + 1}. The context must be the first parameter."
            " Move it to the front."
        )
    return bool(kinds) and kinds[0]


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, RunContextWrapper)


def _asked(signature: inspect.Signature, takes_context: bool) -> list[inspect.Parameter]:
    """Return the parameters the model is asked for."""
    return list(signature.parameters.values())[1 if takes_context else 0 :]


def _refuse_open_end(parameters: list[inspect.Parameter], name: str) -> None:
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            raise UserError(
                f"Tool {name!r} takes '**{parameter.name}', which a strict JSON schema cannot"
                " describe, because every argument must have a name. Name the arguments, or use"
                " function_tool(strict_mode=False)."
            )


def _field_name(position: int) -> str:
    return f"argument_{position}"


def _type_name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
