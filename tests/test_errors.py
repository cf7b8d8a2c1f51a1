"""Errors tell what was seen and how to mend it, and end with documented exit codes."""

from __future__ import annotations

import ast
import builtins

import pytest

from reco_core import errors
from reco_core.errors import ERRORS, Cancelled, RecoError
from source import CORE, called, name, python_files, tree


def test_every_class_is_listed():
    """The table by name holds the root and all its classes."""
    defined = {key: value for key, value in vars(errors).items()
               if isinstance(value, type) and issubclass(value, RecoError)}
    assert ERRORS == defined


def test_exit_codes_are_distinct():
    """Each class ends the command line with a code of its own, never with success."""
    codes = [cls.exit_code for cls in ERRORS.values()]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 256 for code in codes)


@pytest.mark.parametrize("cls", ERRORS.values())
def test_message_and_hint_are_kept(cls):
    """Message and hint are two texts; the message alone is what is printed."""
    error = cls("column 'ta' is missing", "give a column map")
    assert (str(error), error.message, error.hint) == (
        "column 'ta' is missing", "column 'ta' is missing", "give a column map")


def test_cancelling_needs_no_words():
    """Stopping on request is an error without a remedy, with the exit code of an interrupt."""
    assert (str(Cancelled()), Cancelled().hint, Cancelled.exit_code) == ("Cancelled", "", 130)


def raised() -> list[tuple[str, ast.Call]]:
    """Return place and call of every `raise SomeError(...)` in the library."""
    return [(f"{name(path)}:{node.lineno}", node.exc) for path in python_files(CORE)
            for node in ast.walk(tree(path)) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]


def test_every_error_gives_a_hint():
    """Whoever raises an error for users also says how to mend it."""
    silent = [place for place, call in raised()
              if called(call) in ERRORS and called(call) != "Cancelled" and len(call.args) < 2
              and not any(keyword.arg in ("hint", None) for keyword in call.keywords)
              and not any(isinstance(argument, ast.Starred) for argument in call.args)]
    assert silent == []


def test_only_known_errors_are_raised():
    """Users meet our own classes; mistakes in code stay the standard ones."""
    standard = (TypeError, ValueError, LookupError, AttributeError, OSError, ImportError, MemoryError, SystemExit)
    strange = [f"{place} raises {called(call)}" for place, call in raised()
               if called(call)[:1].isupper() and called(call) not in (*ERRORS, "ArgumentTypeError")
               and not issubclass(getattr(builtins, called(call), Exception), standard)]
    assert strange == []
