"""The main job on the synthetic world of docs/examples/demo.toml, into demo/.

Every step is run by the command that a user would type. The last one, the map,
goes through QGIS (`qgis_process`, the built plugin in a fresh profile) where
QGIS is installed, else through the command line.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from house import LIBRARY_PYTHON, QGIS_PROCESS, RECO, ROOT, has_qgis, qgis_environment, say
from reco_core.catalogue import resolve
from reco_core.runfile import PlannedStep, read_plan

EXAMPLE = ROOT / "docs" / "examples" / "demo.toml"
DEMO = ROOT / "demo"


def main() -> int:
    """Run the demo and say what to open."""
    started = time.monotonic()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    plan = read_plan(EXAMPLE)
    *before, last = plan.steps
    try:
        for planned in before:
            step(planned)
        if has_qgis():
            step_in_qgis(last)
        else:
            say("QGIS is not installed: the map is made by the command line instead")
            step(last)
    except subprocess.CalledProcessError as error:
        say(f"the demo stopped: exit code {error.returncode}")
        return error.returncode if error.returncode > 0 else 1
    show(time.monotonic() - started)
    return 0


def step(planned: PlannedStep) -> None:
    """Run one step with the command `reco`."""
    command = [str(RECO), planned.step.name]
    for name, value in planned.values.items():
        command += [planned.step.param(name).flag, *(map(str, value) if isinstance(value, list) else [str(value)])]
    run([*command, "--out", str(DEMO), "--progress", "none"])


def step_in_qgis(planned: PlannedStep) -> None:
    """Run one step with `qgis_process`: build the plugin, install it into a fresh profile, run."""
    run([str(LIBRARY_PYTHON), str(ROOT / "tools" / "build_plugin.py")])
    archive = max((ROOT / "dist").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    with tempfile.TemporaryDirectory(prefix="reco-demo-") as folder:
        environment = qgis_environment(Path(folder))
        plugins = Path(environment["QGIS_CUSTOM_CONFIG_PATH"]) / "profiles" / "default" / "python" / "plugins"
        plugins.mkdir(parents=True)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(plugins)
            package = packed.namelist()[0].split("/")[0]
        run([str(QGIS_PROCESS), "plugins", "enable", package], environment)
        values = resolve(planned.step, planned.values, str(DEMO))
        keys = {param.name for param in planned.step.outputs} | set(planned.values)
        pairs = [f"{name.upper()}={values[name]}".replace("{flux}", "reco") for name in values
                 if name in keys and values[name] is not None]
        run([str(QGIS_PROCESS), "run", f"reco:{planned.step.name}", "--", *pairs], environment)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Show a command as one would type it in this folder, and run it."""
    shown = shlex.join(command).replace(f"{ROOT}/", "").replace(".venv/bin/", "")
    say(shown)
    subprocess.run(command, cwd=ROOT, env=None if environment is None else dict(environment), check=True,
                   stdin=subprocess.DEVNULL)


def show(seconds: float) -> None:
    """Say what was made and what to open first."""
    say(f"done in {seconds:.0f} s. Open in a browser or in QGIS:")
    for name, words in (("report.html", "maps, skill, drivers, provenance on one page"),
                        ("reco.tif", "respiration, a band per month (g C m-2 month-1)"),
                        ("contribution_groups.tif", "what drives it: environment, biotic, spatiotemporal"),
                        ("contributions", "the contribution of each driver, a band per month"),
                        ("trend.tif", "trend of the annual sums"),
                        ("truth.tif", "the respiration that the world was made with")):
        mark = "" if (DEMO / name).exists() else "   (missing)"
        print(f"    demo/{name:<25}{words}{mark}")


if __name__ == "__main__":
    sys.exit(main())
