"""Every record of the catalogue is an algorithm whose parameters, outputs and help match it."""

from __future__ import annotations

import os

import pytest
from qgis.core import (
    QgsProcessingOutputFile,
    QgsProcessingOutputFolder,
    QgsProcessingOutputHtml,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterDefinition,
)

from reco_core.catalogue import STEPS

REGION = {"REGION": "geometry", "EXTENT": "extent", "REGION_LAYER": "source"}
TYPES = {"raster": "raster", "estimate": "raster", "rasters": "multilayer", "points": "source", "polygons": "source",
         "choice": "enum", "choices": "enum", "number": "number", "integer": "number", "flag": "boolean",
         "text": "string", "period": "string"}
OUTPUTS = {"raster_out": "rasterDestination", "vector_out": "vectorDestination", "file_out": "fileDestination",
           "folder_out": "folderDestination"}
EXTRAS = {"check_environment", "create_environment"}
ADVANCED = QgsProcessingParameterDefinition.FlagAdvanced
OPTIONAL = QgsProcessingParameterDefinition.FlagOptional

steps = pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))


def definitions(algorithm):
    """Return the parameters of an algorithm by name."""
    return {definition.name(): definition for definition in algorithm.parameterDefinitions()}


def test_every_step_is_listed(reco):
    """The provider lists the steps and the two tools, and nothing else."""
    assert {algorithm.name() for algorithm in reco.algorithms()} == set(STEPS) | EXTRAS
    assert reco.id() == "reco" and not reco.icon().isNull() and os.path.isfile(reco.svgIconPath())


@steps
def test_words(algorithm, step):
    """Name, title, group, tags, icon and help are those of the record."""
    found = algorithm(step.name)
    assert (found.displayName(), found.group()) == (step.title, step.group)
    assert set(step.tags) <= set(found.tags())
    assert os.path.isfile(found.svgIconPath()) and not found.icon().isNull()
    page = found.shortHelpString()
    assert step.summary in page and all(f"<b>{param.title}" in page for param in step.params + step.outputs)
    assert found.helpUrl() == "" and found.canExecute()[0]


@steps
def test_parameters_match_the_record(algorithm, step):
    """Each input has its parameter: name, type, default, range, advanced or not, and help of its own."""
    found = definitions(algorithm(step.name))
    wanted = []
    for param in step.params:
        if param.kind == "region":
            wanted += REGION
            assert {name: found[name].type() for name in REGION} == REGION
            assert all(found[name].flags() & OPTIONAL and found[name].help() for name in REGION)
            continue
        wanted.append(param.name.upper())
        definition = found[param.name.upper()]
        assert definition.type() == TYPES.get(param.kind, "file")
        assert definition.help().startswith(param.help)
        assert bool(definition.flags() & ADVANCED) == param.advanced
        if param.required:
            assert not definition.flags() & OPTIONAL
        if param.default is not None:
            default = param.default
            assert definition.defaultValue() == (list(default) if isinstance(default, tuple) else default)
        if param.kind in ("number", "integer"):
            assert param.minimum is None or definition.minimum() == param.minimum
            assert param.maximum is None or definition.maximum() == param.maximum
        if param.kind == "choice":
            assert tuple(definition.options()) == param.choices and definition.usesStaticStrings()
        if param.unit:
            assert param.unit in definition.description()
    assert list(found)[:len(wanted)] == wanted


@steps
def test_outputs_match_the_record(algorithm, step):
    """Each output has its destination and is declared, so that models can chain."""
    found = algorithm(step.name)
    destinations = definitions(found)
    classes = {"raster_out": QgsProcessingOutputRasterLayer, "vector_out": QgsProcessingOutputVectorLayer,
               "folder_out": QgsProcessingOutputFolder,
               "file_out": (QgsProcessingOutputFile, QgsProcessingOutputHtml)}
    for output in step.outputs:
        name = output.name.upper()
        assert destinations[name].type() == OUTPUTS[output.kind]
        assert isinstance(found.outputDefinition(name), classes[output.kind])
        assert destinations[name].help().startswith(output.help)
    assert {output.name() for output in found.outputDefinitions()} == {output.name.upper() for output in step.outputs}


def test_temporary_names_end_as_the_files_do(algorithm):
    """A temporary output gets the ending of what is written: a cube is .zarr, a table .nc, a map .tif."""
    endings = {("read_drivers", "OUTPUT"): ".zarr", ("build_samples", "OUTPUT"): ".nc",
               ("predict", "FLUX"): ".tif", ("find_links", "OUTPUT"): ".json", ("report", "OUTPUT"): ".html",
               ("evaluate", "OUTPUT"): ".csv"}
    for (name, output), ending in endings.items():
        destination = algorithm(name).parameterDefinition(output)
        assert destination.generateTemporaryDestination().endswith(ending), name


def test_everything_is_listed_without_an_environment(algorithm, settings, monkeypatch, feedback):
    """Without a worker the tools are there, and running one says what to do, in one message."""
    from qgis.core import QgsProcessingContext

    monkeypatch.setenv("RECO_WORKER_PYTHON", "")
    found = algorithm("trend")
    assert found.canExecute()[0] and found.shortHelpString()
    _, done = algorithm("make_world").run({"DRIVERS": "a.zarr", "OBSERVATIONS": "b.csv", "TRUTH": "c.tif"},
                                          QgsProcessingContext(), feedback)
    assert not done
    assert "RECO has no Python environment yet" in feedback.errors[0]
    assert "Create the RECO environment" in feedback.errors[0] and "RECO_WORKER_PYTHON" in feedback.errors[0]
