"""Reads the source of this repository without running it, for the tests of its rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "reco_core"
PLUGIN = ROOT / "qgis_plugin"
# for programs that are to be interrupted: whoever runs the tests in the background may have switched Ctrl-C off
HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
DOORS = ("need", "import_module")


def python_files(*folders: Path) -> list[Path]:
    """Return every Python file below the folders."""
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def name(path: Path) -> str:
    """Return a path as it is written in this repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path, top: Path = ROOT) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of all that a file imports, inside functions too.

    `deps.need("name")` and `importlib.import_module("name")` count as imports.
    """
    package = path.relative_to(top).parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else ()
            dotted = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node.lineno, f"{dotted}.{alias.name}"
        elif isinstance(node, ast.Call) and called(node) in DOORS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value[:1] != ".":
                yield node.lineno, first.value


def called(node: ast.Call) -> str:
    """Return the last name of what is called: 'need' for both need() and deps.need()."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def functions(path: Path) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function of a module and every method of its classes, with the class."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield None, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield node, inner
