"""DuckDB draws no progress bar into what a program of a user prints."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import exporters

ROOT = Path(exporters.__file__).parent
OFF = "set enable_progress_bar = false"


def connecting(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions in which a connection is opened."""
    return [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "duckdb.connect"
            for node in ast.walk(function)
        )
    ]


FILES = [path for path in ROOT.rglob("*.py") if "duckdb.connect(" in path.read_text()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_off(path: Path) -> None:
    """Every connection has it switched off: an interactive Python has it on by itself."""
    functions = connecting(ast.parse(path.read_text(encoding="utf-8")))

    assert functions
    assert [function.name for function in functions if OFF not in ast.unparse(function)] == []
