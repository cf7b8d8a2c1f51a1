"""Run every test: the library's in `.venv`, those inside QGIS in `.venv-qgis`.

The closing line of each run is kept for the end, so that the last lines tell
how both went.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from house import LIBRARY_PYTHON, QGIS_PYTHON, ROOT, has_qgis, qgis_environment, say

CLOSING = re.compile(r"^=*\s?(\d+ \w+|no tests ran)\b.* in [\d.]+s")


def main(arguments: Sequence[str]) -> int:
    """Run both sets of tests; arguments go to pytest."""
    codes, closing = [], []
    say("library tests")
    code, line = run([str(LIBRARY_PYTHON), "-m", "pytest", "tests", "--ignore=tests/qgis", "-q", *arguments],
                     os.environ)
    codes.append(code)
    closing.append(line)
    if has_qgis() and QGIS_PYTHON.exists():
        say("tests inside QGIS")
        with tempfile.TemporaryDirectory(prefix="reco-tests-") as folder:
            code, line = run([str(QGIS_PYTHON), "-m", "pytest", "tests/qgis", "-q", *arguments],
                             qgis_environment(Path(folder)))
        codes.append(code)
        closing.append(line)
    else:
        say("QGIS or .venv-qgis is not installed: the tests in tests/qgis were NOT run")
        if os.environ.get("CI") == "true":
            say("that is a failure here, because CI=true")
            codes.append(1)
    for line in closing:
        print(line, flush=True)
    return max(codes)


def run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run pytest, passing on its words; return its exit code and its closing line."""
    process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert process.stdout is not None
    closing = f"{command[3]}: pytest ended without a result"
    for line in process.stdout:
        if CLOSING.match(line):
            closing = line.rstrip()
        else:
            print(line, end="", flush=True)
    return abs(process.wait()), closing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
