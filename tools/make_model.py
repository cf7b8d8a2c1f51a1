"""Make the example model of QGIS's graphical modeler: samples, fit, predict, explain and trend in one.

    PATH=/usr/bin:/bin QT_QPA_PLATFORM=offscreen /usr/bin/python3 tools/make_model.py [FILE]

Run it with the oldest QGIS that is supported: newer ones read what it writes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from house import ROOT, say

MODEL = ROOT / "resources" / "models" / "respiration_chain.model3"
HELP = ("From an observation table and a driver cube to a fitted model, maps of respiration, of what drives it, and "
        "its trend. The observation table comes from 'Read flux observations', the cube from 'Read gridded drivers'.")
INPUTS = ("OBSERVATIONS", "FEATURES", "DRIVERS", "MODEL", "FOLDS", "SEEDS", "PERIOD", "MIN_YEARS")


@dataclass(frozen=True)
class Child:
    """One algorithm of the chain: what it takes from the model's inputs and from other children, what it gives."""

    name: str
    step: str
    inputs: dict[str, str]
    chained: dict[str, tuple[str, str]]
    outputs: tuple[str, ...]


CHAIN = (
    Child("samples", "build_samples", {"OBSERVATIONS": "OBSERVATIONS", "FEATURES": "FEATURES"}, {}, ("OUTPUT",)),
    Child("fit", "fit", {"MODEL": "MODEL", "FOLDS": "FOLDS", "SEEDS": "SEEDS"}, {"SAMPLES": ("samples", "OUTPUT")},
          ("OUTPUT",)),
    Child("predict", "predict", {"DRIVERS": "DRIVERS", "PERIOD": "PERIOD"}, {"MODEL": ("fit", "OUTPUT")},
          ("FLUX", "SPREAD", "APPLICABILITY")),
    Child("explain", "explain", {"DRIVERS": "DRIVERS", "PERIOD": "PERIOD"}, {"MODEL": ("fit", "OUTPUT")},
          ("FOLDER", "SHARES", "GROUPS")),
    Child("trend", "trend", {"MIN_YEARS": "MIN_YEARS"}, {"ESTIMATE": ("predict", "FLUX")}, ("OUTPUT",)),
)
TAKEN_FROM = {"OBSERVATIONS": "build_samples", "FEATURES": "build_samples", "DRIVERS": "predict", "MODEL": "fit",
              "FOLDS": "fit", "SEEDS": "fit", "PERIOD": "predict", "MIN_YEARS": "trend"}


def main(arguments: list[str]) -> int:
    """Write the model."""
    path = Path(arguments[0]) if arguments else MODEL
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QT_HASH_SEED"] = "0"  # the same bytes every time
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    sys.path[:0] = [str(ROOT)]
    from qgis_plugin.provider import RecoProvider

    provider = RecoProvider()  # kept: QGIS does not keep the Python side of it
    QgsApplication.processingRegistry().addProvider(provider)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = build().toFile(str(path))
    application.exitQgis()
    say(f"{path} written" if done else f"{path} could not be written")
    return 0 if done else 1


def build():
    """Return the model."""
    from qgis.core import QgsProcessingModelAlgorithm
    from qgis.PyQt.QtCore import QPointF, QSizeF

    model = QgsProcessingModelAlgorithm("Respiration chain", "RECO", "respiration_chain")
    model.setName("Respiration chain")
    model.setHelpContent({"ALG_DESC": HELP, "ALG_VERSION": "1", "ALG_CREATOR": "RECO developers"})
    for number, name in enumerate(INPUTS):
        add_input(model, name, QPointF(140 + 260 * (number % 4), 60 + 70 * (number // 4)))
    for number, child in enumerate(CHAIN):
        add_child(model, child, QPointF(400, 230 + 130 * number), QPointF(760, 230 + 130 * number), QSizeF(220, 40))
    model.updateDestinationParameters()
    return model


def add_input(model, name, position):
    """Add an input of the model, a copy of the algorithm's own parameter."""
    from qgis.core import QgsApplication, QgsProcessingModelParameter, QgsProcessingParameterDefinition

    algorithm = QgsApplication.processingRegistry().algorithmById(f"reco:{TAKEN_FROM[name]}")
    definition = algorithm.parameterDefinition(name).clone()
    widget = definition.metadata().get("widget_wrapper")
    if widget:  # the plugin's package is called otherwise once it is installed
        definition.setMetadata({"widget_wrapper": {**widget, "class": widget["class"].replace("qgis_plugin", "reco")}})
    if name == "DRIVERS":
        definition.setFlags(definition.flags() & ~QgsProcessingParameterDefinition.FlagOptional)
    component = QgsProcessingModelParameter(name)
    component.setPosition(position)
    model.addModelParameter(definition, component)


def add_child(model, child, position, output_position, size):
    """Add one algorithm with its sources and the outputs that the model gives."""
    from qgis.core import (
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
    )
    from qgis.PyQt.QtCore import QPointF

    source = QgsProcessingModelChildParameterSource
    algorithm = QgsProcessingModelChildAlgorithm(f"reco:{child.step}")
    algorithm.setChildId(child.name)
    algorithm.setDescription(algorithm.algorithm().displayName())
    algorithm.setPosition(position)
    algorithm.setSize(size)
    for name, model_input in child.inputs.items():
        algorithm.addParameterSources(name, [source.fromModelParameter(model_input)])
    for name, (other, output) in child.chained.items():
        algorithm.addParameterSources(name, [source.fromChildOutput(other, output)])
    outputs = {}
    for number, name in enumerate(child.outputs):
        title = algorithm.algorithm().parameterDefinition(name).description()
        outputs[name] = QgsProcessingModelOutput(name, title)
        outputs[name].setChildId(child.name)
        outputs[name].setChildOutputName(name)
        outputs[name].setPosition(output_position + QPointF(0, 40 * number))
    algorithm.setModelOutputs(outputs)
    model.addChildAlgorithm(algorithm)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
