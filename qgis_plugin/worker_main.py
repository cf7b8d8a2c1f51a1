"""Started by the worker's Python as `python -I -u -X utf8 worker_main.py JOB.json`.

The only place where the library of the plugin is put on `sys.path`. Child
processes of the library import this file again under another name, which is
why everything but the path stands under the guard.
"""

import json
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
for _folder in (os.path.join(_HERE, "lib"), os.path.dirname(_HERE)):
    if os.path.isdir(os.path.join(_folder, "reco_core")):
        sys.path.insert(0, _folder)
        break


def refuse_old_python():
    """Say in the protocol that this Python is too old, and return the exit code."""
    sys.stdout.write(json.dumps({
        "type": "error", "kind": "MissingDependency", "traceback": "",
        "message": "RECO needs Python 3.11 or later; {} is {}.{}".format(sys.executable, *sys.version_info[:2]),
        "hint": "Choose another Python, or run 'Create the RECO environment' with a newer base Python"}) + "\n")
    return 7


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(refuse_old_python())
    from reco_core.worker import main

    sys.exit(main(sys.argv[1]))
