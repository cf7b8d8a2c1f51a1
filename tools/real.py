"""The methods on real towers and grids, into runs/; rows go into benchmarks/RESULTS.md.

Part a: skill on held-out towers (benchmarks/ter_towers.py).
Part b: European towers to maps of the upper Moselle (benchmarks/real/moselle.toml).
Part c: site-years to annual maps 1950-1999 (benchmarks/real/conus.toml).
Part d: all models that can be used, side by side, on three real tables (benchmarks/compare_real.py).
Maps of b, and ten years of c, are made again through `qgis_process` and must be the same rasters.
Last, every test that reads real data is run, and none may be skipped.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import rasterio

from house import LIBRARY_PYTHON, QGIS_PROCESS, RECO, ROOT, has_qgis, qgis_environment, say

RUNS = ROOT / "runs"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
WINDOW = "1990/1999"
TREND_YEARS = "10"


def main() -> int:
    """Run all parts and return 0 if everything was as it must be."""
    RUNS.mkdir(exist_ok=True)
    parts = sys.argv[1:] or ["a", "b", "c", "d", "tests"]
    started = time.monotonic()
    codes = []
    if "a" in parts:
        codes.append(call([str(LIBRARY_PYTHON), "benchmarks/ter_towers.py", "--results", str(RESULTS)]))
    if "b" in parts:
        codes.append(region("moselle", "b"))
    if "c" in parts:
        codes.append(region("conus", "c"))
    if "d" in parts:
        codes.append(call([str(LIBRARY_PYTHON), "benchmarks/compare_real.py", "--results", str(RESULTS), "--docs",
                           "docs/skill.md"]))
    if "tests" in parts:
        codes.append(real_tests())
    say(f"real data: {(time.monotonic() - started) / 60:.1f} minutes in all")
    return int(any(codes))  # a program that was killed has a negative code


def call(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Run a command in the project's folder, showing it."""
    say(" ".join(command).replace(f"{ROOT}/", ""))
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def region(name: str, part: str) -> int:
    """Make the maps of one region by run file, again through QGIS, and compare them."""
    started = time.monotonic()
    code = call([str(RECO), "run", f"benchmarks/real/{name}.toml", "--progress", "none"])
    if code:
        return code
    seconds = time.monotonic() - started
    row(part, name, seconds, "reco run")
    scores = RUNS / "ter_towers" / "scores.csv"
    if part == "b" and scores.exists():
        code = call([str(RECO), "report", "--folder", str(RUNS / name), "--scores", str(scores), "--title",
                     "Ecosystem respiration of the upper Moselle, 1989-1993", "--output",
                     str(RUNS / name / "report.html"), "--progress", "none"])
        if code:
            return code
    if not has_qgis():
        say("QGIS is not installed: the maps were not made a second time")
        return 1
    return through_qgis(name, part)


def through_qgis(name: str, part: str) -> int:
    """Make the maps with `qgis_process` and compare every raster with those of the run file."""
    started = time.monotonic()
    record = json.loads((RUNS / name / "run.json").read_text(encoding="utf-8"))
    values = {key: value for key, value in record["parameters"].items() if value is not None}
    expected = RUNS / name
    if part == "c":
        values["period"] = WINDOW
        values["min_years"] = TREND_YEARS
        expected = RUNS / f"{name}-window"
        command = [str(RECO), "estimate_region", "--out", str(expected), "--progress", "none"]
        for key, value in values.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        if call(command):
            return 1
    made = RUNS / f"{name}-qgis"
    with tempfile.TemporaryDirectory(prefix="reco-real-") as folder:
        environment = installed_plugin(Path(folder))
        pairs = [f"{key.upper()}={value}" for key, value in values.items()]
        files = {output: Path(path).name for output, path in record["outputs"].items() if str(path).endswith(".tif")}
        pairs += [f"{key.upper()}={made / file}" for key, file in files.items()] + [f"FOLDER={made}"]
        if part == "c" and "trend" not in files:
            pairs.append(f"TREND={made / 'trend.tif'}")
        code = call([str(QGIS_PROCESS), "run", "reco:estimate_region", "--", *pairs], environment)
    if code:
        return code
    wrong = [str(path.relative_to(expected)) for path in sorted(expected.rglob("*.tif"))
             if not (made / path.relative_to(expected)).exists()
             or path.read_bytes() != (made / path.relative_to(expected)).read_bytes()]
    compared = len(list(expected.rglob("*.tif")))
    say(f"{compared} rasters compared with those made through qgis_process: {len(wrong)} differ {wrong or ''}")
    row(part, name + ("-window" if part == "c" else ""), time.monotonic() - started,
        f"qgis_process; {compared - len(wrong)} of {compared} rasters the same bytes")
    return 1 if wrong or not compared else 0


def installed_plugin(folder: Path) -> dict[str, str]:
    """Build the plugin, install it into a fresh profile and return the environment to run QGIS in."""
    subprocess.run([str(LIBRARY_PYTHON), "tools/build_plugin.py"], cwd=ROOT, check=True)
    environment = qgis_environment(folder)
    plugins = Path(environment["QGIS_CUSTOM_CONFIG_PATH"]) / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    archive = max((ROOT / "dist").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(plugins)
        package = packed.namelist()[0].split("/")[0]
    subprocess.run([str(QGIS_PROCESS), "plugins", "enable", package], env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return dict(environment)


def row(part: str, name: str, seconds: float, through: str) -> None:
    """Write one row of results."""
    base = RUNS / name.replace("-window", "")
    model = json.loads((base / "model" / "model.json").read_text(encoding="utf-8"))["meta"]
    held_out = model["scores"]["held_out"]
    with rasterio.open(RUNS / name / "applicability.tif") as file:
        near = file.read(masked=True)
    boosters = boosters_of(model)
    sixth = f"{float((near.compressed() >= 0.5).mean()):.2f}" if part == "b" else str(boosters)
    line = "| " + " | ".join(str(item) for item in (
        datetime.date.today(), machine(), held_out["sites"], held_out["n"], f"{held_out['r2_nse']:.3f}",
        f"{near.count()} of {near.size}", sixth, f"{seconds:.0f}", through)) + " |"
    say(line)
    append(f"`make real`, part {part}", line)


def boosters_of(model: dict) -> int:
    """Return how many boosters the estimate and the contributions are the mean of."""
    return int(model["scores"]["folds"]) * len(model["provenance"]["seeds"])


def machine() -> str:
    """Return the kind of this machine in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB"


def append(heading: str, line: str) -> None:
    """Add a row to the table under the heading that contains a text."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    start = next(i for i, text in enumerate(lines) if text.startswith("## ") and heading in text)
    end = next(i for i in range(start + 1, len(lines) + 1) if i == len(lines) or
               (i > start + 3 and not lines[i].startswith("|")))
    lines.insert(end, line)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def real_tests() -> int:
    """Run the tests that read real data; list them in the results."""
    say("tests that read real data; a skip is a failure")
    environment = dict(os.environ, RECO_REQUIRE_DATA="1")
    done = subprocess.run([str(LIBRARY_PYTHON), "-m", "pytest", "-m", "real", "-q", "-rA", "--ignore=tests/qgis"],
                          cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:])
    passed = sorted(re.findall(r"^PASSED (\S+)", done.stdout, flags=re.MULTILINE))
    text = RESULTS.read_text(encoding="utf-8")
    heading = "## Tests on real data run by `make real`"
    listing = f"{heading}\n\n{datetime.date.today()}, {len(passed)} passed:\n\n" + \
        "\n".join(f"- `{name}`" for name in passed) + "\n"
    text = text.split(heading)[0].rstrip() + "\n\n" + listing
    RESULTS.write_text(text, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
