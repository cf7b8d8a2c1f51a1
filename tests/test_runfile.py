"""Run files are checked before anything runs, with line numbers."""

import pytest

from reco_core.errors import ConfigError
from reco_core.runfile import read_plan

GOOD = """
[run]
title = "A world"
output = "out"

[[step]]
use = "make_world"
cells = 8

[[step]]
use = "read_observations"
path = "towers.csv"
qc_min = 0.5
"""


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_earlier_outputs_become_inputs(tmp_path):
    """The default output of a step is found by its name in a later one."""
    plan = read_plan(write(tmp_path, GOOD))
    assert [p.step.name for p in plan.steps] == ["make_world", "read_observations"]
    assert plan.steps[1].values["path"] == str(tmp_path / "out" / "towers.csv")
    assert plan.folder == tmp_path / "out"


@pytest.mark.parametrize(("old", "new", "line", "words"), [
    ("cells = 8", "cell = 8", 8, "cells"),
    ("cells = 8", "cells = -1", 8, "outside its range"),
    ("cells = 8", "cells = 8.5", 8, "whole number"),
    ('use = "make_world"', 'use = "make_word"', 7, "make_world"),
    ('path = "towers.csv"', 'path = "tower.csv"', 12, "does not exist"),
    ('title = "A world"', 'titel = "A world"', 3, "title"),
    ('path = "towers.csv"', 'path = "${RECO_NOT_SET}/a.csv"', 12, "RECO_NOT_SET"),
])
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, words):
    """Each wrong entry gives the file, the line and how to mend it."""
    with pytest.raises(ConfigError) as caught:
        read_plan(write(tmp_path, GOOD.replace(old, new)))
    assert f"run.toml, line {line}" in caught.value.message
    assert words in caught.value.message + caught.value.hint


def test_broken_toml_names_the_line(tmp_path):
    """The parser's own line number is passed on."""
    with pytest.raises(ConfigError, match="line 8"):
        read_plan(write(tmp_path, GOOD.replace("cells = 8", "cells = = 8")))


def test_environment_variables_have_defaults(tmp_path, monkeypatch):
    """${NAME:-default} falls back; a set variable wins."""
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.csv").write_text("x")
    text = GOOD.replace('"towers.csv"', '"${RECO_T:-a.csv}"')
    assert read_plan(write(tmp_path, text)).steps[1].values["path"].endswith("a.csv")
    monkeypatch.setenv("RECO_T", "b.csv")
    assert read_plan(write(tmp_path, text)).steps[1].values["path"].endswith("b.csv")
