"""Walks every record: what users read and what front ends are made from must be whole."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from reco_core.catalogue import FILE_KINDS, INPUT_KINDS, MODELS, OUTPUT_KINDS, STEPS, Param, Step, resolve

NAME = re.compile(r"[a-z][a-z0-9_]*")
CLI_WORDS = {"--help", "--out", "--progress", "--version"}
PAIRS = [(step, param) for step in STEPS.values() for param in step.params + step.outputs]
SAMPLE_VALUES = {"number": 1.0, "integer": 1, "flag": "true"}


def pair_id(value):
    """Return a readable id for a step or a parameter."""
    return getattr(value, "name", str(value))


def least(step: Step) -> dict:
    """Return values for all that a step requires, and nothing else."""
    values = {}
    for param in step.params:
        if param.required:
            values[param.name] = param.choices[0] if param.choices else SAMPLE_VALUES.get(param.kind, "given")
    return values


@pytest.mark.parametrize("step", STEPS.values(), ids=pair_id)
def test_step_is_described(step):
    """A step has a name that is an identifier, a title, a numbered group and a summary that is a sentence."""
    assert NAME.fullmatch(step.name)
    assert step.title and not step.title.endswith(".")
    assert re.match(r"[1-9] [A-Z]", step.group)
    assert step.summary.endswith(".") and len(step.summary) > 20
    assert step.outputs


@pytest.mark.parametrize(("step", "param"), PAIRS, ids=pair_id)
def test_parameter_is_described(step, param):
    """A parameter has an identifier, a title, and help that is a sentence."""
    assert NAME.fullmatch(param.name)
    assert param.title and not param.title.endswith(".")
    assert param.help.endswith(".") and len(param.help) > 10, f"{step.name}.{param.name}: {param.help!r}"
    assert param.flag not in CLI_WORDS
    assert param.kind in (OUTPUT_KINDS if param in step.outputs else INPUT_KINDS)


@pytest.mark.parametrize(("step", "param"), PAIRS, ids=pair_id)
def test_choices_and_limits_agree(step, param):
    """Choices are given where, and only where, one must choose; limits are in order and only on numbers."""
    if param.kind == "choice":
        assert len(param.choices) > 1
    elif param.kind != "choices":
        assert param.choices == ()
    assert len(set(param.choices)) == len(param.choices)
    if param.minimum is not None or param.maximum is not None:
        assert param.kind in ("number", "integer")
    if param.minimum is not None and param.maximum is not None:
        assert param.minimum < param.maximum


@pytest.mark.parametrize("step", STEPS.values(), ids=pair_id)
def test_names_of_a_step_are_unique(step):
    """Names, aliases and their upper-case QGIS forms do not collide inside a step."""
    names = [name for param in step.params + step.outputs for name in (param.name, *param.aliases)]
    assert len({name.upper().replace("_", "") for name in names}) == len(names)


def test_steps_are_unique_in_qgis():
    """Ids and titles of steps stay distinct in the toolbox, where underscores may be dropped."""
    assert len({name.replace("_", "") for name in STEPS}) == len(STEPS)
    assert len({step.title for step in STEPS.values()}) == len(STEPS)
    assert all(name == step.name for name, step in STEPS.items())


@pytest.mark.parametrize("step", STEPS.values(), ids=pair_id)
def test_defaults_pass_their_own_check(step):
    """With only what is required, every default survives the check that users' values get."""
    resolved = resolve(step, least(step), folder="out")
    for param in step.params:
        if param.kind == "choices" and param.default is not None:
            assert resolved[param.name] == list(param.default)
        elif param.default is not None:
            assert resolved[param.name] == param.default
            assert type(resolved[param.name]) in ((int, float) if param.kind == "number" else (type(param.default),))
        elif param.optional:
            assert resolved[param.name] is None


@pytest.mark.parametrize("step", STEPS.values(), ids=pair_id)
def test_a_folder_names_every_output(step):
    """Given a folder, every output gets a place of its own in it, but for those that are written on request only."""
    values = least(step)
    resolved = resolve(step, values, folder="out")
    on_request = [param for param in step.outputs if param.optional and not param.filename]
    assert all(resolved[param.name] is None for param in on_request if param.name != "folder")
    places = [resolved[param.name] for param in step.outputs if param not in on_request or param.name == "folder"]
    assert all(place and place.startswith(values.get("folder", "out")) for place in places)
    assert len(set(places)) == len(places)


def test_rasters_end_as_rasters():
    """Outputs that are layers have a name that QGIS opens as a raster, but for those that are written on request."""
    for _, param in PAIRS:
        if param.kind == "raster_out" and (param.filename or not param.optional):
            assert param.filename.endswith(".tif")


def test_file_kinds_are_input_kinds():
    """The kinds whose values are checksummed are kinds of inputs."""
    assert set(FILE_KINDS) < set(INPUT_KINDS)
    assert not set(INPUT_KINDS) & set(OUTPUT_KINDS)


@pytest.mark.parametrize("step", STEPS.values(), ids=pair_id)
def test_step_has_one_action(step):
    """One function carries out the step; its keywords are the record's names and `progress`.

    Those that it only passes on may come together, as `**grids`.
    """
    from reco_core.actions import action

    parameters = inspect.signature(action(step.name)).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    named = {parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY}
    wanted = {param.name for param in step.params + step.outputs} | {"progress"}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    assert "progress" in named and named <= wanted
    assert named == wanted or inspect.Parameter.VAR_KEYWORD in kinds


def test_every_model_has_a_class():
    """The models of the catalogue and the classes of the registry are the same, under the same names."""
    registry = importlib.import_module("reco_core.models.registry")
    assert {name: registry.model_class(name).name for name in MODELS} == {name: name for name in MODELS}
    with pytest.raises(registry.ConfigError):
        registry.model_class("crystal_ball")


def test_records_cannot_be_changed():
    """Records are frozen: no front end can alter what another one sees."""
    step = next(iter(STEPS.values()))
    with pytest.raises(AttributeError):
        step.title = "other"
    with pytest.raises(AttributeError):
        Param("a", "text", "A", "A thing.").default = 3
