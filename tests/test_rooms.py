"""The house: imports point up the list only, and the first four rooms are pure."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "decision_stream"
UPPER = ("stats", "model", "strategies", "engine", "wire", "stream", "broker")
ROOMS = (*UPPER, "edge", "sim", "tools", "settings", "serve", "cli", "__main__")
PURE = ("stats", "model", "strategies", "engine")
PURE_MODULES = frozenset(
    {
        "__future__", "annotated_types", "collections", "dataclasses", "enum", "functools", "hashlib", "itertools",
        "math", "msgspec", "numpy", "operator", "statistics", "struct", "types", "typing", "uuid", "scipy", "bisect",
        "fnmatch", "numbers", "array",
    }
)  # fmt: skip
PURE_CALLS = frozenset({"open", "print", "input", "exec", "eval"})


def imports_of(path: Path, text: str) -> list[tuple[int, str]]:
    """Line and absolute name of every module a file imports."""
    package = ["decision_stream", *path.relative_to(PACKAGE).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found.append((node.lineno, ".".join([*base, *([node.module] if node.module else [])])))
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(path: Path, text: str) -> list[str]:
    """What a file does that its room does not allow."""
    room = room_of(path)
    if room == "__init__":
        return []
    wrong = []
    for line, name in imports_of(path, text):
        parts = name.split(".")
        if parts[0] == "decision_stream":
            target = parts[1] if len(parts) > 1 else None
            if target in ROOMS and ROOMS.index(target) > ROOMS.index(room):
                wrong.append(f"{path.name}:{line} imports {target}, which lies below {room}")
        elif room in PURE and parts[0] not in PURE_MODULES:
            wrong.append(f"{path.name}:{line} imports {name}; {room} is pure")
        if room in PURE and name.startswith(("scipy.stats", "numpy.random")):
            wrong.append(f"{path.name}:{line} imports {name}")
    if room in PURE:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PURE_CALLS:
                wrong.append(f"{path.name}:{node.lineno} calls {node.func.id}")
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global):
                wrong.append(f"{path.name}:{node.lineno} is asynchronous or global")
    return wrong


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_keeps_to_its_room(path):
    assert violations(path, path.read_text()) == []


def test_every_room_is_known():
    found = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert found <= set(ROOMS)


@pytest.mark.parametrize(
    ("room", "text"),
    [
        ("engine", "import time"),
        ("engine", "from ..stream import record"),
        ("model", "from ..engine.step import step"),
        ("stats", "from scipy.stats import norm"),
        ("strategies", "print(1)"),
        ("wire", "from decision_stream.sim import world"),
        ("engine", "async def f(): ..."),
    ],
)
def test_the_check_finds_a_planted_violation(room, text):
    assert violations(PACKAGE / room / "planted.py", text)
