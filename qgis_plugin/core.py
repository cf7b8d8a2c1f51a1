"""The part of the library that QGIS may see: records, errors and progress, nothing heavy.

In the installed plugin the library lies in `lib/`, in a source checkout beside
this folder. It is loaded under a private name, so that neither `sys.path` nor a
`reco_core` that somebody else has installed is touched.
"""

import importlib
import os
import re
import sys
import types

PLUGIN_FOLDER = os.path.dirname(os.path.abspath(__file__))
_NAME = (__package__ or "qgis_plugin") + "._reco_core"


def library_folder():
    """Return the folder that contains `reco_core`."""
    for folder in (os.path.join(PLUGIN_FOLDER, "lib"), os.path.dirname(PLUGIN_FOLDER)):
        if os.path.isdir(os.path.join(folder, "reco_core", "catalogue")):
            return folder
    raise ImportError("The library of the RECO plugin is missing; install the plugin again")


def resource(*parts):
    """Return the path of a file that ships with the plugin, such as an icon."""
    for folder in (PLUGIN_FOLDER, os.path.dirname(PLUGIN_FOLDER)):
        path = os.path.join(folder, "resources", *parts)
        if os.path.exists(path):
            return path
    return ""


def shipped(name):
    """Return the path of a text at the top of the plugin, such as constraints.txt."""
    for folder in (PLUGIN_FOLDER, os.path.dirname(PLUGIN_FOLDER)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    return ""


def _load(module):
    if _NAME not in sys.modules:
        package = types.ModuleType(_NAME)
        package.__path__ = [os.path.join(library_folder(), "reco_core")]
        sys.modules[_NAME] = package
    return importlib.import_module(_NAME + "." + module)


def _read_version():
    path = os.path.join(library_folder(), "reco_core", "version.py")
    with open(path, encoding="utf-8") as stream:
        return re.search(r'__version__ = "([^"]+)"', stream.read()).group(1)


for _loaded in [name for name in sys.modules if name == _NAME or name.startswith(_NAME + ".")]:
    del sys.modules[_loaded]  # a plugin that was upgraded in a running QGIS brings other records

catalogue = _load("catalogue")
errors = _load("errors")
VERSION = _read_version()
