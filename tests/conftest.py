"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

try:
    from hypothesis import settings
except ImportError:  # beside QGIS there is pytest and nothing else
    pass
else:
    settings.register_profile("reco", deadline=None, derandomize=True)
    settings.load_profile("reco")

ROOT = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """Return where the real data lies."""
    return Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def real_data():
    """Return a function from a name inside the real data to its path; skips where it is absent."""

    def find(name: str) -> Path:
        path = data_folder() / name
        if not path.exists():
            message = f"real data '{name}' is not here (set RECO_DATA)"
            if os.environ.get("RECO_REQUIRE_DATA") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


def pytest_collection_modifyitems(items):
    """Mark the tests that read real data, so that they can be run and listed by themselves."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)
