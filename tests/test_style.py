"""The source keeps the rules of the house: short, documented, typed, and free of surprises."""

from __future__ import annotations

import ast
import re

import pytest

from source import CORE, PLUGIN, ROOT, called, functions, imports, name, python_files, tree

PACKAGES = python_files(CORE, PLUGIN)
EVERYTHING = python_files(CORE, PLUGIN, ROOT / "tests", ROOT / "tools", ROOT / "benchmarks")
LOADED_BY_QGIS = [*python_files(PLUGIN, CORE / "catalogue"), CORE / "errors.py", CORE / "progress.py"]
MOST_FILE_LINES, MOST_FUNCTION_LINES, MOST_COLUMNS = 400, 80, 120
TEXTS = (".py", ".md", ".toml", ".txt", ".sh", ".cff", ".yaml", ".yml", ".html", ".css", ".svg", ".qml", ".json",
         ".model3", "Makefile", "run")
MADE = {".git", ".venv", ".venv-qgis", ".env-stamp", "build", "dist", "demo", "runs", "__pycache__",
        ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
MACHINE = re.compile(r"/(?:ho" r"me|ro" r"ot|Us" r"ers)/[a-z]|/wo" r"rk/")
HOST = re.compile(r"//[a-z.-]*(?:deb" r"ian|py" r"pi|pythonho" r"sted|np" r"mjs)[a-z.-]*/")


def places(path, wanted):
    """Return where nodes of a file fulfil a condition."""
    return [f"{name(path)}:{node.lineno}" for node in ast.walk(tree(path)) if wanted(node)]


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_file_is_one_room(path):
    """No file is longer than 400 lines, no line longer than 120 characters, no function longer than 80 lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_FILE_LINES
    assert [number for number, line in enumerate(lines, 1) if len(line) > MOST_COLUMNS] == []
    assert places(path, lambda node: isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                  and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_file_says_what_it_is_for(path):
    """Every file starts with a sentence."""
    text = ast.get_docstring(tree(path)) or ""
    assert text.split("\n")[0].endswith("."), f"{name(path)} has no opening sentence"


@pytest.mark.parametrize("path", [path for path in PACKAGES if name(path) != "reco_core/cli.py"], ids=name)
def test_nothing_prints(path):
    """Only the command line prints; everything else logs or reports progress."""
    assert places(path, lambda node: isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print") == []


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_errors_are_not_vague(path):
    """Nothing raises a bare Exception, and nothing swallows every error without a word."""
    def raises_bare(node):
        return isinstance(node, ast.Raise) and (
            getattr(node.exc, "id", "") or (called(node.exc) if isinstance(node.exc, ast.Call) else "")
        ) in ("Exception", "BaseException", "RuntimeError")

    def swallows(node):
        broad = isinstance(node, ast.ExceptHandler) and (
            node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
        return broad and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)

    assert places(path, raises_bare) == []
    assert places(path, swallows) == []


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_nothing_runs_foreign_code(path):
    """No pickles, no joblib, no whole torch objects, no eval, exec or shell."""
    unsafe = ("pickle", "cPickle", "dill", "joblib", "marshal", "shelve")
    assert [f"{name(path)}:{line} {target}" for line, target in imports(path) if target.split(".")[0] in unsafe] == []
    assert places(path, lambda node: isinstance(node, ast.Call)
                  and getattr(node.func, "id", "") in ("eval", "exec", "compile")) == []
    assert places(path, lambda node: isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle")
                  and getattr(node.value, "value", True) is not False) == []


def documented_methods() -> set[str]:
    """Return the names of methods that some class of the packages documents: a subclass inherits the words."""
    return {function.name for path in PACKAGES for owner, function in functions(path)
            if owner is not None and ast.get_docstring(function)}


def is_compiled(function) -> bool:
    """Return whether numba compiles this function: it finds the types itself and takes no keywords."""
    return any(getattr(decorator, "id", "") == "jit" for decorator in function.decorator_list)


def is_public(owner, function) -> bool:
    """Return whether users may call this function or method."""
    return not function.name.startswith("_") and (owner is None or not owner.name.startswith("_"))


@pytest.mark.parametrize("path", python_files(CORE), ids=name)
def test_public_names_are_documented(path):
    """Public classes, functions and methods say what they do; an overriding method inherits the words."""
    inherited = documented_methods()
    silent = [f"{name(path)}:{function.lineno} {function.name}" for owner, function in functions(path)
              if is_public(owner, function) and not ast.get_docstring(function)
              and not (owner is not None and owner.bases and function.name in inherited)]
    silent += [f"{name(path)}:{node.lineno} {node.name}" for node in tree(path).body
               if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)]
    assert silent == []


@pytest.mark.parametrize("path", python_files(CORE), ids=name)
def test_public_functions_are_typed(path):
    """Every argument and result of a public function has a type; numba finds those of compiled kernels."""
    bare = []
    for owner, function in functions(path):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        static = any(getattr(decorator, "id", "") == "staticmethod" for decorator in function.decorator_list)
        arguments = arguments[1:] if owner is not None and not static else arguments
        typed = function.returns is not None and all(argument.annotation is not None for argument in arguments)
        if is_public(owner, function) and not typed and not is_compiled(function):
            bare.append(f"{name(path)}:{function.lineno} {function.name}")
    assert bare == []


@pytest.mark.parametrize("path", python_files(CORE), ids=name)
def test_many_arguments_are_named(path):
    """A public function takes at most six arguments by position; the rest are keywords."""
    crowded = [f"{name(path)}:{function.lineno} {function.name}" for owner, function in functions(path)
               if is_public(owner, function) and not is_compiled(function)
               and len(function.args.posonlyargs + function.args.args) > 6]
    assert crowded == []


@pytest.mark.parametrize("path", LOADED_BY_QGIS, ids=name)
def test_what_qgis_loads_is_old_python(path):
    """Files that run inside QGIS keep to the grammar of Python 3.9."""
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_nothing_is_left_unfinished():
    """No reminders to oneself, no bodies that are still to be written."""
    words = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|raise NotImplemented" r"Error")
    found = [f"{name(path)}:{number}" for path in PACKAGES
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if words.search(line)]
    assert found == []


def test_no_place_of_one_machine():
    """No file of the repository names a home folder or the host of a package registry."""
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if MADE & set(parts) or not path.is_file() or not path.name.endswith(TEXTS) or ".egg-info" in str(path):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE.search(line) or HOST.search(line):
                found.append(f"{name(path)}:{number}")
    assert found == []
