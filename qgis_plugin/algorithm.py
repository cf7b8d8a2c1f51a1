"""A step of the catalogue as a Processing algorithm."""

import re

from qgis.core import QgsProcessingAlgorithm, QgsProcessingException
from qgis.PyQt.QtGui import QIcon

from . import environment, parameters, results, runner
from .core import resource
from .texts import help_page, tr


class StepAlgorithm(QgsProcessingAlgorithm):
    """Runs a step in a worker process; name, parameters, outputs and help come from its record."""

    def __init__(self, step):
        super().__init__()
        self._step = step
        self._values = None
        self._fault = None

    def createInstance(self):
        """Return a fresh copy."""
        return StepAlgorithm(self._step)

    def name(self):
        """Return the stable name."""
        return self._step.name

    def displayName(self):
        """Return the name that people read."""
        return tr(self._step.title)

    def shortDescription(self):
        """Return one sentence."""
        return tr(self._step.summary)

    def group(self):
        """Return the group that people read."""
        return tr(self._step.group)

    def groupId(self):
        """Return the stable name of the group."""
        return group_id(self._step.group)

    def tags(self):
        """Return words to search by."""
        return ["respiration", "carbon", "flux", *self._step.tags]

    def shortHelpString(self):
        """Return the help page."""
        return help_page(self._step)

    def icon(self):
        """Return the icon of the group."""
        return QIcon(resource("icons", self.groupId() + ".svg"))

    def svgIconPath(self):
        """Return the file of the icon."""
        return resource("icons", self.groupId() + ".svg")

    def initAlgorithm(self, configuration=None):
        """Declare inputs and outputs."""
        for definition in parameters.definitions(self._step):
            self.addParameter(definition)

    def prepareAlgorithm(self, given, context, feedback):
        """Take what only the main thread may touch: layers of the project."""
        try:
            self._values = parameters.Values(self, self._step, given, context)
        except QgsProcessingException as error:
            self._fault = error  # raised below, where QGIS shows the message itself
        return True

    def processAlgorithm(self, given, context, feedback):
        """Run the step in the worker."""
        if self._fault is not None:
            raise self._fault
        python = environment.find_worker_python()
        outputs = parameters.Outputs(self, self._step, given, context)
        with runner.job_folder() as folder:
            values = self._values.paths(folder, feedback)
            values.update(outputs.values)
            result = runner.run_job(python, self._step.name, values, feedback, folder)
        return self._finish(result, outputs, context, feedback)

    def _finish(self, result, outputs, context, feedback):
        for line in result.get("summary", []):
            feedback.pushInfo(line)
        for line in result.get("citations", []):
            feedback.pushInfo(tr("Please cite") + ": " + line)
        paths = {output.name: result.get(output.name) or outputs.values.get(output.name)
                 for output in self._step.outputs}
        results.register(context, self._step, paths, outputs.unnamed,
                         [self._step.title, *result.get("summary", [])])
        return {parameters.qgis_name(output): paths[output.name] for output in self._step.outputs
                if paths[output.name]}


def group_id(title):
    """Return the stable name of a group: its title without number, in lower case."""
    return re.sub(r"\W+", "_", title.split(" ", 1)[-1].lower())
