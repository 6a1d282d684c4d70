"""The door to the schema of a function's arguments; it lives in `runtime.tool`."""

from runtime.tool.docstring import (
    DocstringStyle,
    FuncDocumentation,
    generate_func_documentation,
)
from runtime.tool.schema import FuncSchema, function_schema

__all__ = [
    "DocstringStyle",
    "FuncDocumentation",
    "FuncSchema",
    "function_schema",
    "generate_func_documentation",
]
