"""The tool that makes the Python environment RECO runs in; only ever on the user's wish."""

import os
import re
import shutil
from contextlib import contextmanager

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
)

from .. import compat, environment, runner
from ..core import shipped
from ..texts import tr
from .tool import Tool

EXTRAS = ("causal", "report", "modis", "cosore", "explain")
OLDER = ".older"
SMOKE = "import numpy, rasterio, xarray, sklearn, xgboost"
PROBE = ("import sys, venv, ensurepip; "
         "sys.stdout.write('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info[:2] < {!r})".format(
             environment.LOWEST))


class CreateEnvironment(Tool):
    """Makes a virtual environment and installs the pinned packages into it."""

    NAME = "create_environment"
    TITLE = "Create the RECO environment"
    HELP = ("<p>Makes a Python environment of its own and installs the packages that RECO needs, at the versions it "
            "was tested with. Nothing is installed into the Python of QGIS. About 0.4 GB is downloaded, and it "
            "takes 1.2 GB on the disk.</p>"
            "<p>A base Python 3.11 or later is needed (python.org, conda, or the system's; on Debian also the package "
            "python3-venv). Without an internet connection give a folder of wheels.</p>")

    def initAlgorithm(self, configuration=None):
        """Declare inputs and outputs."""
        self._add(QgsProcessingParameterFile("PYTHON", tr("Base Python"), compat.FILE, optional=True),
                  "Interpreter, 3.11 or later, that makes the environment. Empty: the usual places are searched.")
        self._add(QgsProcessingParameterEnum("EXTRAS", tr("Extras"), list(EXTRAS), allowMultiple=True,
                                             defaultValue=list(EXTRAS[:-1]), optional=True, usesStaticStrings=True),
                  "causal: tigramite, the reference of find_links; report: figures of the HTML report; modis: "
                  "satellite products in HDF4; cosore: chambers in files of R; explain: shap.")
        self._add(QgsProcessingParameterFile("WHEELS", tr("Folder of wheels"), compat.FOLDER, optional=True),
                  "Packages for an installation without internet; nothing is downloaded then.", advanced=True)
        self._add(QgsProcessingParameterBoolean("REMEMBER", tr("Use it from now on"), defaultValue=True),
                  "Write the interpreter into the QGIS settings ({}).".format(environment.SETTING))
        self._add(QgsProcessingParameterFolderDestination(
            "ENVIRONMENT", tr("Environment folder"), defaultValue=environment.default_folder()),
            "Where the environment is made. An older environment in it is replaced; any other folder must be empty.")
        self.addOutput(QgsProcessingOutputString("ENVIRONMENT_PYTHON", tr("Python of the environment")))

    def _add(self, definition, help_text, advanced=False):
        definition.setHelp(tr(help_text))
        if advanced:
            definition.setFlags(definition.flags() | compat.ADVANCED)
        self.addParameter(definition)

    def processAlgorithm(self, given, context, feedback):
        """Make the environment; what was begun is removed where it cannot be finished."""
        folder = os.path.abspath(self.parameterAsFileOutput(given, "ENVIRONMENT", context))
        check_folder(folder)
        check_folder(folder + OLDER)
        base = find_base(self.parameterAsFile(given, "PYTHON", context), feedback)
        pins = requirements(self.parameterAsEnumStrings(given, "EXTRAS", context))
        wheels = self.parameterAsFile(given, "WHEELS", context)
        feedback.pushInfo("Base Python: {}".format(base))
        with replacing(folder):
            python = install(base, folder, pins, wheels, feedback)
        if self.parameterAsBoolean(given, "REMEMBER", context):
            environment.remember(python)
        feedback.pushInfo("RECO runs with {}".format(python))
        return {"ENVIRONMENT": folder, "ENVIRONMENT_PYTHON": python}


def check_folder(folder):
    """Refuse a folder that holds anything but an environment: making one would empty it."""
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.exists(os.path.join(folder, "pyvenv.cfg")):
        raise QgsProcessingException(
            "'{}' is not empty and no Python environment; choose another folder".format(folder))


@contextmanager
def replacing(folder):
    """Put an older environment aside; it comes back where the new one cannot be finished."""
    older = folder + OLDER
    shutil.rmtree(older, ignore_errors=True)
    if os.path.isdir(folder):
        os.rename(folder, older)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.isdir(older):
            os.rename(older, folder)
        raise
    shutil.rmtree(older, ignore_errors=True)


def find_base(wanted, feedback):
    """Return an interpreter that is new enough and can make environments."""
    for python in [wanted] if wanted else environment.base_pythons():
        said = []
        try:
            code, cancelled = runner.run_process([python, "-I", "-c", PROBE], feedback, said.append)
        except QgsProcessingException as error:
            feedback.pushInfo(str(error))
            continue
        if cancelled:
            raise QgsProcessingException(runner.CANCELLED)
        if code == 0 and re.fullmatch(r"\d+\.\d+", "".join(said)):
            return python
        feedback.pushInfo("{} cannot be used (Python {}, exit code {})".format(python, "".join(said) or "?", code))
    raise QgsProcessingException(
        "No Python 3.11 or later that can make environments was found. Install one (python.org, conda; on Debian the "
        "package python3-venv) and name it as the base Python.")


def requirements(extras):
    """Return the pinned packages of the core and of some extras, from the constraints that ship with the plugin."""
    path = shipped("constraints.txt")
    if not path:
        raise QgsProcessingException("constraints.txt is missing; install the plugin again")
    pins, section = [], ""
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            text = line.strip()
            if text.startswith("#"):
                section = text.lstrip("# ").lower()
            elif text and section in ("core", *extras):
                pins.append(text)
    return pins


def install(base, folder, pins, wheels, feedback):
    """Make the environment, install the packages and try them; return its interpreter."""
    run([base, "-m", "venv", "--clear", folder], feedback)
    python = environment.python_in(folder)
    feedback.setProgress(5)
    argv = [python, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    if wheels:
        argv += ["--no-index", "--find-links", wheels]
    run(argv + pins, feedback, PipProgress(feedback))
    feedback.setProgressText(tr("Trying the packages"))
    feedback.setProgress(95)
    run([python, "-I", "-c", SMOKE], feedback)
    feedback.setProgress(100)
    return python


def run(argv, feedback, on_line=None):
    """Run a program to its end, or raise."""
    code, cancelled = runner.run_process(argv, feedback, on_line)
    if cancelled:
        raise QgsProcessingException(runner.CANCELLED)
    if code:
        raise QgsProcessingException("'{}' ended with exit code {}; see the lines above".format(
            " ".join(argv[:5]), code))


class PipProgress:
    """Turns the lines of pip into progress from 5 to 90 %."""

    _COLLECT = re.compile(r"Collecting ([\w.-]+)")

    def __init__(self, feedback):
        self._feedback = feedback
        self._seen = 0

    def __call__(self, line):
        self._feedback.pushConsoleInfo(line)
        found = self._COLLECT.match(line)
        if found:
            self._seen += 1
            self._feedback.setProgress(min(70, 5 + self._seen))
            self._feedback.setProgressText("pip: " + found.group(1))
        elif line.startswith("Installing collected"):
            self._feedback.setProgress(75)
            self._feedback.setProgressText(tr("pip: installing"))
