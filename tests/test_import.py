"""Importing RECO is quick and loads nothing heavy."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

from source import ROOT

CODE = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(",".join(sorted(loaded - set(sys.stdlib_module_names) - {{"reco_core"}})))
"""


def fresh_import(module: str) -> tuple[float, list[str]]:
    """Return seconds taken by an import in a new interpreter and the foreign packages it loaded."""
    done = subprocess.run([sys.executable, "-c", CODE.format(module=module)], cwd=ROOT, check=True,
                          capture_output=True, text=True)
    seconds, foreign = done.stdout.split("\n")[:2]
    return float(seconds), [name for name in foreign.split(",") if name]


def test_import_is_quick():
    """`import reco_core` takes less than 0.2 s."""
    assert statistics.median(fresh_import("reco_core")[0] for _ in range(3)) < 0.2


@pytest.mark.parametrize("module", ["reco_core", "reco_core.catalogue", "reco_core.errors", "reco_core.progress"])
def test_import_loads_only_the_standard_library(module):
    """What QGIS itself imports, and the bare package, need no numpy."""
    assert fresh_import(module)[1] == []


def test_public_names_exist():
    """Every name that `reco_core` offers can be fetched."""
    import reco_core

    missing = []
    for public in reco_core.__all__:
        try:
            getattr(reco_core, public)
        except (AttributeError, ImportError) as error:
            missing.append(f"{public}: {error}")
    assert missing == []


def test_unknown_name_is_refused():
    """A misspelled name is an AttributeError, as in any module."""
    import reco_core

    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = reco_core.nothing_of_the_kind
