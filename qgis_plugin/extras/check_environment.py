"""The tool that says whether RECO can run, in lines to copy into a report."""

import platform

from qgis.core import (
    Qgis,
    QgsProcessingException,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
)
from qgis.PyQt.QtCore import QT_VERSION_STR

from .. import environment, runner
from ..core import VERSION
from ..texts import tr
from .tool import Tool


class CheckEnvironment(Tool):
    """Shows versions of QGIS, of the worker's Python and of its packages."""

    NAME = "check_environment"
    TITLE = "Check the RECO environment"
    HELP = ("<p>Shows which Python runs RECO, the versions of its packages and of QGIS, memory and disk. "
            "Copy the lines into a problem report.</p>")

    def initAlgorithm(self, configuration=None):
        """Declare inputs and outputs."""
        report = QgsProcessingParameterFileDestination(
            "REPORT_FILE", tr("Report"), "Text (*.txt)", optional=True, createByDefault=False)
        report.setHelp(tr("Text file for the lines; they are shown in the log in any case."))
        self.addParameter(report)
        self.addOutput(QgsProcessingOutputString("REPORT", tr("Report text")))
        self.addOutput(QgsProcessingOutputBoolean("HEALTHY", tr("Everything is there")))

    def processAlgorithm(self, given, context, feedback):
        """Ask the worker and gather the lines."""
        lines = ["RECO plugin {}".format(VERSION), "QGIS {}, Qt {}, Python {}".format(
            Qgis.QGIS_VERSION, QT_VERSION_STR, platform.python_version()), platform.platform()]
        healthy = False
        try:
            python = environment.find_worker_python()
            lines.append("Worker: {}".format(python))
            with runner.job_folder() as folder:
                result = runner.run_job(python, "doctor", {}, feedback, folder)
            lines += result["summary"]
            healthy = bool(result["healthy"])
        except QgsProcessingException as error:
            if feedback.isCanceled():
                raise
            lines += str(error).splitlines()
        for line in lines:
            feedback.pushInfo(line)
        found = {"REPORT": "\n".join(lines), "HEALTHY": healthy}
        path = self.parameterAsFileOutput(given, "REPORT_FILE", context)
        if path:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(found["REPORT"] + "\n")
            found["REPORT_FILE"] = path
        return found
