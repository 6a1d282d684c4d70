"""JSON schemas in the strict dialect, which lets a model promise to follow them."""

from __future__ import annotations

import copy
from typing import Any

from runtime.exceptions import UserError

# A chain of references can double at every step; real schemas stay far below both limits.
MAX_NODES = 100_000
MAX_DEPTH = 100


def ensure_strict_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Change `schema` in place so that strict mode accepts it, and return it.

    Every object is closed and all its properties required; `oneOf` becomes `anyOf`, an `allOf` of
    one is unwrapped, a default of None goes away, and a reference with siblings is written out.

    Raises:
        UserError: If an object is open on purpose, a reference leads nowhere, or it is too large.
    """
    if not schema:
        return {"additionalProperties": False, "type": "object", "properties": {}, "required": []}
    return _Strictness(schema).apply(schema, path=())


class _Strictness:
    def __init__(self, root: dict[str, Any]) -> None:
        # References are read from here, as the schema itself changes on the way.
        self.root = copy.deepcopy(root)
        self.nodes = 0

    def apply(self, schema: Any, path: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(schema, dict):
            raise UserError(
                f"The JSON schema has {schema!r} at {_where(path)}. Each part of a schema that "
                "describes a value must be an object; correct it there."
            )
        self._count(path)
        for group in ("$defs", "definitions", "properties"):
            for name, part in (schema.get(group) or {}).items():
                schema[group][name] = self.apply(part, (*path, group, name))
        self._close(schema, path)
        if isinstance(schema.get("items"), dict):
            schema["items"] = self.apply(schema["items"], (*path, "items"))
        self._variants(schema, path)
        if schema.get("default", ...) is None:
            del schema["default"]
        if "$ref" in schema and len(schema) > 1:
            return self._write_out(schema, path)
        return schema

    def _count(self, path: tuple[str, ...]) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > 2 * MAX_DEPTH:
            raise UserError(
                f"The JSON schema has more than {MAX_NODES} parts or is nested deeper than "
                f"{MAX_DEPTH}. Strict mode needs it written out whole; make it smaller, or do not "
                "ask for a strict schema."
            )

    def _close(self, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        if schema.get("type") != "object":
            return
        if schema.setdefault("additionalProperties", False):
            raise UserError(
                f"The object at {_where(path)} allows properties it does not name. Strict JSON "
                "schemas have only closed objects. Name its properties (a model instead of a "
                "dict), or turn strict mode off for this tool or output type."
            )
        schema["additionalProperties"] = False
        if "properties" in schema:
            schema["required"] = list(schema["properties"])

    def _variants(self, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        if "oneOf" in schema:
            schema["anyOf"] = schema.get("anyOf", []) + schema.pop("oneOf")
            schema.pop("discriminator", None)
        if isinstance(schema.get("anyOf"), list):
            schema["anyOf"] = [
                self.apply(part, (*path, "anyOf", str(i))) for i, part in enumerate(schema["anyOf"])
            ]
        parts = schema.get("allOf")
        if isinstance(parts, list):
            made = [self.apply(part, (*path, "allOf", str(i))) for i, part in enumerate(parts)]
            if len(made) == 1:
                del schema["allOf"]
                schema.update({**made[0], **schema})
            else:
                schema["allOf"] = made

    def _write_out(self, schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        # Strict mode takes a reference alone only; what stands beside it wins over its target.
        target = self._resolve(schema.pop("$ref"), path)
        schema.update({**target, **schema})
        return self.apply(schema, (*path, "$ref"))

    def _resolve(self, reference: Any, path: tuple[str, ...]) -> dict[str, Any]:
        target: Any = self.root
        try:
            for key in str(reference).removeprefix("#/").split("/"):
                target = target[key.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            target = None
        if not isinstance(target, dict):
            raise UserError(
                f"The JSON schema refers to {reference!r} at {_where(path)}, which is not in it. "
                "References must lead to a part of the same schema, as in '#/$defs/Name'."
            )
        return copy.deepcopy(target)


def _where(path: tuple[str, ...]) -> str:
    return "/".join(("#", *path))
