"""Make the two environments that RECO needs, once; standard library only.

`.venv` holds the library, `.venv-qgis` (the system's Python, which sees QGIS)
holds pytest and pytest-qgis and nothing else: they never mix.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from house import LIBRARY_PYTHON, QGIS_PYTHON, RECO, ROOT, SYSTEM_PYTHON, has_qgis, say

STAMPS = ROOT / ".env-stamp"
EXTRAS = "causal,explain,report,modis,cosore,deep,search,cluster,dev"
LOWEST = (3, 11)
PACKAGES = ("qgis", "python3-qgis", "qgis-providers", "python3-venv", "xvfb", "xauth")
TEST_PACKAGES = ("pytest", "pytest-qgis")


class SetupError(RuntimeError):
    """The environment cannot be made; the message says what to do."""


def main() -> int:
    """Set up what is missing; say one line per step, nothing where all is there."""
    STAMPS.mkdir(exist_ok=True)
    try:
        with only_one():
            install_packages()
            make_library()
            if has_qgis():
                make_qgis_tests()
    except SetupError as error:
        say(str(error))
        return 1
    return 0


@contextmanager
def only_one() -> Iterator[None]:
    """Let one set-up work at a time; another one waits and then finds everything done."""
    with open(STAMPS / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this folder")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_packages() -> None:
    """Install QGIS and what it needs where that is allowed, else say the one line to run."""
    missing = missing_packages()
    if not missing:
        return
    line = "apt-get install -y --no-install-recommends " + " ".join(missing)
    if shutil.which("apt-get") is None:
        say("QGIS was not found and this system has no apt: install QGIS 3.22 or later by its own means. "
            "Going on without it")
        return
    root = administrator()
    if root is None:
        say(f"Going on without these packages. To install them, run:  sudo {line}")
        return
    say("installing " + " ".join(missing) + " (some minutes)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*root, "apt-get", "update", "-qq"], "apt-update", environment)
    if not run([*root, *line.split(), "-qq"], "apt", environment):
        say(f"apt did not succeed, see {STAMPS.name}/apt.log. Going on; to try again, run:  {line}")


def missing_packages() -> list[str]:
    """Return the system packages that are not installed."""
    if shutil.which("dpkg-query") is None:
        return [] if has_qgis() else list(PACKAGES)
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES],
                           capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in found.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in PACKAGES if name not in installed]


def administrator() -> list[str] | None:
    """Return what to put before a command to run it as root; None where that is not possible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"]
    return None


def make_library() -> None:
    """Install RECO and its dependencies, at the pinned versions, into `.venv`."""
    wanted = fingerprint(EXTRAS, (ROOT / "pyproject.toml").read_text(), constraints())
    if is_done("library", wanted) and RECO.exists() and works(LIBRARY_PYTHON):
        return
    make_venv(LIBRARY_PYTHON, base_python())
    say(f"installing the library into {LIBRARY_PYTHON.parents[1].name} (2.3 GB, some minutes)")
    if not pip(LIBRARY_PYTHON, ["-e", f"{ROOT}[{EXTRAS}]", "-c", str(ROOT / "constraints.txt")], "library"):
        raise SetupError(f"pip did not succeed, see {STAMPS.name}/library.log:\n" + tail("library"))
    mark_done("library", wanted)


def make_qgis_tests() -> None:
    """Install pytest and pytest-qgis, and nothing else, beside the Python of QGIS."""
    pins = [pin(name) for name in TEST_PACKAGES]
    wanted = fingerprint(*pins)
    if is_done("qgis", wanted) and works(QGIS_PYTHON):
        return
    if not can_make_venv(SYSTEM_PYTHON):
        say(f"{SYSTEM_PYTHON} cannot make environments, so the tests inside QGIS will not run. To mend it, run:  "
            "sudo apt-get install -y python3-venv")
        return
    make_venv(QGIS_PYTHON, SYSTEM_PYTHON, "--system-site-packages")
    say(f"installing {' and '.join(TEST_PACKAGES)} into {QGIS_PYTHON.parents[1].name}")
    if not pip(QGIS_PYTHON, pins, "qgis"):
        raise SetupError(f"pip did not succeed, see {STAMPS.name}/qgis.log:\n" + tail("qgis"))
    mark_done("qgis", wanted)


def base_python() -> Path:
    """Return a Python that is new enough and can make environments."""
    names = ["python3", "python3.11", "python3.12", "python3.13", "python3.14"]
    candidates = [os.environ.get("RECO_PYTHON"), sys.executable, str(SYSTEM_PYTHON), *map(shutil.which, names)]
    for candidate in candidates:
        if candidate and can_make_venv(Path(candidate)):
            return Path(candidate)
    raise SetupError("No Python 3.11 or later that can make environments was found. Run:  "
                     "sudo apt-get install -y python3-venv   (or set RECO_PYTHON to such a Python)")


def can_make_venv(python: Path) -> bool:
    """Return whether this Python is new enough and has venv and pip to give."""
    code = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < {LOWEST})"
    return works(python, code)


def works(python: Path, code: str = "pass") -> bool:
    """Return whether this Python runs `code` without an error."""
    try:
        return subprocess.run([str(python), "-I", "-c", code], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def make_venv(python: Path, base: Path, *options: str) -> None:
    """Make the environment that `python` stands in, unless it works already."""
    if works(python, "import pip"):
        return
    folder = python.parents[1]
    say(f"making {folder.name} with {base}")
    log = folder.name.strip(".")
    if not run([str(base), "-m", "venv", "--clear", *options, str(folder)], log):
        raise SetupError(f"{folder.name} could not be made, see {STAMPS.name}/{log}.log:\n" + tail(log))


def pip(python: Path, arguments: Sequence[str], log: str) -> bool:
    """Install with pip, its words going to a log."""
    return run([str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
                "--progress-bar", "off", *arguments], log)


def run(command: Sequence[str], log: str, environment: dict[str, str] | None = None) -> bool:
    """Run a command with its output going to a log; return whether it succeeded."""
    with open(STAMPS / f"{log}.log", "w") as file:
        return subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env=environment, cwd=ROOT, check=False).returncode == 0


def tail(log: str) -> str:
    """Return the last lines of a log."""
    return "\n".join((STAMPS / f"{log}.log").read_text(errors="replace").splitlines()[-15:])


def constraints() -> str:
    """Return the pinned versions as text."""
    return (ROOT / "constraints.txt").read_text()


def pin(name: str) -> str:
    """Return the pinned requirement of one package."""
    match = re.search(rf"^{re.escape(name)}==\S+", constraints(), re.MULTILINE)
    if match is None:
        raise SetupError(f"constraints.txt does not pin {name}")
    return match.group(0)


def fingerprint(*texts: str) -> str:
    """Return a hash of what an environment was made from, its place included."""
    return hashlib.sha256("\0".join([str(ROOT), *texts]).encode()).hexdigest()


def is_done(name: str, wanted: str) -> bool:
    """Return whether this environment was finished from the same description."""
    stamp = STAMPS / name
    return stamp.exists() and stamp.read_text() == wanted


def mark_done(name: str, wanted: str) -> None:
    """Remember what an environment was made from."""
    (STAMPS / name).write_text(wanted)


if __name__ == "__main__":
    sys.exit(main())
