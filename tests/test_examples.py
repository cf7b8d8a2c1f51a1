"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest

from source import CORE, ROOT, python_files


def module_name(path) -> str:
    """Return the dotted name of a file of the library."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


WITH_EXAMPLES = [path for path in python_files(CORE) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=module_name)
def test_examples_run(path):
    """What a docstring shows is what happens."""
    module = importlib.import_module(module_name(path))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
