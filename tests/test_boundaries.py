"""The rules of the house that a reader cannot see at a glance, held by the syntax trees."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "tracer": {"tracer"},
    "runtime": {"runtime", "tracer"},
    "exporters": {"exporters", "tracer"},
    "viewer": {"viewer", "exporters"},
}
DOORS = {"viewer/cli": {"viewer", "exporters", "runtime", "tracer"}}
DOORS["viewer/demo"] = DOORS["viewer/cli"]
RUNTIME_DOORS = {"runtime/instrument.py", "runtime/__init__.py"}
REFUSED_NAMES = {"utils", "helpers", "common", "base", "core", "misc", "internal", "types"}
REFUSED_SUFFIXES = ("Impl", "Manager", "Helper", "Abstract", "NoOp")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FILES = [path for path in FILES if "node_modules" not in path.parts]


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def relative(path: Path) -> str:
    """The path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """The name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, those under TYPE_CHECKING included."""
    here = module_name(path).split(".")
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module


def allowed(path: Path) -> set[str]:
    """Packages of ours that a file may import."""
    name = relative(path)
    for door, packages in DOORS.items():
        if name.startswith(door):
            return packages
    return PACKAGES[name.split("/")[0]]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_arrows(path: Path) -> None:
    """A package imports only those that the arrows of the architecture lead to."""
    ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)

    assert ours <= allowed(path)


@pytest.mark.parametrize("path", [p for p in FILES if "runtime" in p.parts], ids=relative)
def test_one_door_to_tracer(path: Path) -> None:
    """Within the runtime only the instrument, and the package's own names, import the tracer."""
    uses = any(name.split(".")[0] == "tracer" for name in imports(path))

    assert not uses or relative(path) in RUNTIME_DOORS


def for_types(path: Path) -> set[str]:
    """Modules that a file imports under TYPE_CHECKING."""
    guarded = [
        node
        for node in ast.walk(parse(path))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        inner.module
        for node in guarded
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom) and inner.module
    }


def test_no_cycles() -> None:
    """No module imports itself by way of others, not even for types, but for those of an agent.

    An agent is made of tools, handoffs and guardrails whose callbacks are given an agent, and the
    public names of their types say so. No third file could break that circle, only `Any`.
    """
    graph = {
        name: {
            other
            for other in imports(path)
            if other in MODULES
            and other != name
            and not (other == "runtime.agent" and other in for_types(path))
        }
        for name, path in MODULES.items()
    }

    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_on_top(path: Path) -> None:
    """Nothing is imported inside a function; that would hide a cycle."""
    inside = [
        node.lineno
        for function in ast.walk(parse(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert inside == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_environment_has_one_reader(path: Path) -> None:
    """Only `tracer/config.py` reads the environment."""
    if relative(path) == "tracer/config.py":
        return
    reads = [
        node.lineno
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
    ]

    assert reads == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_size(path: Path) -> None:
    """No file has over 700 lines and no function over 60."""
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1}"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]

    assert len(path.read_text(encoding="utf-8").splitlines()) <= 700
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_names(path: Path) -> None:
    """No file or class hides what it is behind a name that says nothing."""
    classes = [
        node.name
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(REFUSED_SUFFIXES)
    ]

    assert path.stem not in REFUSED_NAMES
    assert classes == []


ROOMS = ("limits", "recording", "views", "upkeep", "reading", "sql")


@pytest.mark.parametrize("room", ROOMS)
def test_rooms(room: str) -> None:
    """A room of the local store imports only its ground and the rooms before it."""
    ground = {"schema", "layout", "parts", "footprint", "scratch"}
    known = ground | set(ROOMS[: ROOMS.index(room) + 1])
    files = (ROOT / "exporters" / "duckdb" / room).glob("*.py")
    found = {
        name for path in files for name in imports(path) if name.startswith("exporters.duckdb.")
    }

    assert {name.split(".")[2] for name in found} <= known
