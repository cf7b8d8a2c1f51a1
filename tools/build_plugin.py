"""Build the QGIS plugin: one zip in dist/, the same bytes from the same files.

Inside the zip one folder, `reco`, holds metadata, licence, the files of `qgis_plugin/`,
`resources/`, and the library itself under `lib/`, where only the worker sees it:
plugin and library are always of one version.
"""

from __future__ import annotations

import configparser
import re
import sys
import zipfile
from pathlib import Path

from house import ROOT

PACKAGE = "reco"
PLAIN = ("metadata.txt", "LICENSE", "README.md", "CHANGELOG.md", "constraints.txt")
FOLDERS = {"qgis_plugin": "", "resources": "resources/", "reco_core": "lib/reco_core/"}
LEFT_OUT = ("__pycache__", ".mypy_cache", ".ruff_cache")
DATE = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Build the zip into dist/ and print its name."""
    try:
        path = build(ROOT, ROOT / "dist")
    except (OSError, ValueError) as error:
        print(f"[reco] the plugin was not built: {error}")
        return 1
    print(f"[reco] {path.relative_to(ROOT)} ({path.stat().st_size / 1024:.0f} KB)")
    return 0


def build(root: Path, folder: Path) -> Path:
    """Write the zip of the plugin in `root` into `folder` and return its path."""
    number = version(root)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PACKAGE}-{number}.zip"
    partial = path.with_suffix(".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in sorted(members(root).items()):
            entry = zipfile.ZipInfo(f"{PACKAGE}/{name}", DATE)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, source.read_bytes(), compresslevel=9)
    partial.replace(path)
    return path


def members(root: Path) -> dict[str, Path]:
    """Return what goes into the zip: name inside the plugin folder -> file."""
    found = {name: root / name for name in PLAIN}
    for folder, prefix in FOLDERS.items():
        for path in (root / folder).rglob("*"):
            parts = path.relative_to(root / folder).parts
            hidden = any(part in LEFT_OUT or part.startswith(".") for part in parts)
            if path.is_file() and not hidden and path.suffix not in (".pyc", ".pyo"):
                found[prefix + "/".join(parts)] = path
    return found


def version(root: Path) -> str:
    """Return the version of the library, which must be that of metadata.txt."""
    text = (root / "reco_core" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'__version__ = "([^"]+)"', text)
    metadata = configparser.ConfigParser()
    metadata.read(root / "metadata.txt", encoding="utf-8")
    stated = metadata.get("general", "version", fallback="none")
    if match is None or match.group(1) != stated:
        raise ValueError(f"metadata.txt says version {stated}, reco_core/version.py {match and match.group(1)}: "
                         "make them the same")
    return stated


if __name__ == "__main__":
    sys.exit(main())
