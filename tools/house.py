"""Where things lie in this repository, and how QGIS is started; standard library only."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY_PYTHON = ROOT / ".venv" / "bin" / "python"
RECO = ROOT / ".venv" / "bin" / "reco"
QGIS_PYTHON = ROOT / ".venv-qgis" / "bin" / "python"
QGIS_PROCESS = Path("/usr/bin/qgis_process.bin")
SYSTEM_PYTHON = Path("/usr/bin/python3")
QGIS_BINDINGS = Path("/usr/lib/python3/dist-packages/qgis")


def say(text: str) -> None:
    """Print one step for the person who waits."""
    print(f"[reco] {text}", flush=True)


def has_qgis() -> bool:
    """Return whether QGIS, its command line and its Python are installed."""
    return QGIS_PROCESS.exists() and SYSTEM_PYTHON.exists() and QGIS_BINDINGS.exists()


def qgis_environment(folder: Path) -> dict[str, str]:
    """Return the environment for QGIS without a display, with a fresh profile inside `folder`.

    PATH is cut to the system's: a shim of another Python that comes first there
    makes the interpreter embedded in QGIS take the wrong standard library and crash.
    """
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items()
            if key in ("HOME", "LANG", "LC_ALL", "TMPDIR", "CI", "USER") or key.startswith("RECO_")}
    return {
        **kept,
        "PATH": "/usr/bin:/bin",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "QGIS_CUSTOM_CONFIG_PATH": str(folder / "profile"),
        "RECO_WORKER_PYTHON": str(LIBRARY_PYTHON),
    }
