"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
