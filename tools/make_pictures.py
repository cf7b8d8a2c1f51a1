"""The picture of README and the report in docs, from the folder that `make demo` wrote.

python tools/make_pictures.py [result folder] [--title TEXT] [--name NAME]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from house import ROOT, say
from reco_core.actions.reports import gather, read_record
from reco_core.errors import RecoError
from reco_core.report.overview import overview

IMAGES = ROOT / "docs" / "images"


def main(arguments: list[str] | None = None) -> int:
    """Draw six maps of a result folder into docs/images/ and copy its report into docs/."""
    parser = argparse.ArgumentParser(description="Draw six maps of a result folder and copy its report into docs/.")
    parser.add_argument("folder", nargs="?", default=str(ROOT / "demo"), help="folder of estimate_region")
    parser.add_argument("--title", default="Respiration of a synthetic world")
    parser.add_argument("--name", default="demo", help="the files are images/NAME-maps.png and NAME-report.html")
    given = parser.parse_args(arguments)
    folder = Path(given.folder)
    try:
        picture = overview(gather(folder, title=given.title, record=read_record(folder)))
    except RecoError as error:
        say(f"{error.message}. {error.hint}")
        return error.exit_code
    IMAGES.mkdir(parents=True, exist_ok=True)
    target = IMAGES / f"{given.name}-maps.png"
    target.write_bytes(picture)
    say(f"{target.relative_to(ROOT)}: {len(picture) / 1e3:.0f} kB")
    if (folder / "report.html").exists():
        target = ROOT / "docs" / f"{given.name}-report.html"
        shutil.copyfile(folder / "report.html", target)
        say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
