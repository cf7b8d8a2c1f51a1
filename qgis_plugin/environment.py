"""Which Python runs the library; never the one inside QGIS."""

import os
import shutil
import sys

from qgis.core import QgsApplication, QgsProcessingException, QgsSettings

from .core import PLUGIN_FOLDER

SETTING = "reco/workerPython"
VARIABLE = "RECO_WORKER_PYTHON"
LOWEST = (3, 11)
HOW_TO = ("Run the tool 'Create the RECO environment' (Processing Toolbox, RECO, 7 Environment), or name the Python of "
          "an environment that has the packages of RECO: as the environment variable {} or as the QGIS setting {}."
          .format(VARIABLE, SETTING))


def python_in(folder):
    """Return the interpreter of a virtual environment."""
    if os.name == "nt":
        return os.path.join(folder, "Scripts", "python.exe")
    return os.path.join(folder, "bin", "python")


def default_folder():
    """Return where the environment is made unless told otherwise: in the user's profile."""
    return os.path.join(QgsApplication.qgisSettingsDirPath(), "reco-environment")


def candidates():
    """Yield (where from, interpreter) of every place that names one, the first one to be used first."""
    setting = QgsSettings().value(SETTING, "") or ""
    if setting:
        yield "QGIS setting " + SETTING, str(setting)
    variable = os.environ.get(VARIABLE, "")
    if variable:
        yield "environment variable " + VARIABLE, variable
    for folder in (default_folder(), os.path.join(os.path.dirname(PLUGIN_FOLDER), "env")):
        python = python_in(folder)
        if os.path.exists(python):
            yield "folder " + folder, python


def find_worker_python():
    """Return the interpreter that runs the library.

    Raises
    ------
    QgsProcessingException
        There is none, or the one that was named does not exist; says what to do.
    """
    for source, python in candidates():
        if not os.path.isfile(python):
            raise QgsProcessingException("The Python of the RECO environment does not exist: {} ({}).\n{}".format(
                python, source, HOW_TO))
        return python
    raise QgsProcessingException("RECO has no Python environment yet.\n" + HOW_TO)


def remember(python):
    """Use this interpreter from now on."""
    QgsSettings().setValue(SETTING, python)


def base_pythons():
    """Return interpreters that might make the environment, likely ones first.

    `sys.executable` is not among them: inside QGIS it may be QGIS itself, and
    starting it would open a second one.
    """
    names = ["python3.{}".format(minor) for minor in (12, 11, 13, 14)]
    if os.name == "nt":
        found = [os.path.join(sys.exec_prefix, "python.exe")]
        programs = os.path.join(os.environ.get("LOCALAPPDATA", ""), "Programs", "Python")
        found += [os.path.join(programs, "Python3{}".format(minor), "python.exe") for minor in (12, 11, 13, 14)]
    elif sys.platform == "darwin":
        frameworks = "/Library/Frameworks/Python.framework/Versions/3.{}/bin/python3"
        found = [frameworks.format(minor) for minor in (12, 11, 13, 14)]
        found += [os.path.join(folder, name) for folder in ("/opt/homebrew/bin", "/usr/local/bin") for name in names]
        found += [os.path.join(QgsApplication.prefixPath(), "bin", "python3")]
    else:
        found = ["/usr/bin/python3"] + [os.path.join("/usr/bin", name) for name in names]
        found += [path for path in map(shutil.which, names) if path]
    return [path for position, path in enumerate(found) if os.path.isfile(path) and path not in found[:position]]
