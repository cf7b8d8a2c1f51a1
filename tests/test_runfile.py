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


def test_a_mark_at_the_beginning_is_no_fault(tmp_path):
    """Notepad and others put a mark before the first letter of UTF-8."""
    path = tmp_path / "run.toml"
    path.write_bytes(GOOD.encode("utf-8-sig"))
    assert read_plan(path).title == "A world"


@pytest.mark.parametrize(("text", "words"), [
    (GOOD.replace("A world", "Gr\u00fc\u00dfe").encode("latin-1"), "line 3: a letter is not in UTF-8"),
    (GOOD.replace("[run]", "[[run]]").encode(), "is no table"), (b"run = 3\n", "is no table"),
    (b"step = [1]\n", "no .*step"),
    (GOOD.replace("qc_min = 0.5", 'columns = ["site=a", "reco=b"]').encode(), "is no single text"),
    ((GOOD + '[[step]]\nuse = "make_world"\n').encode(), "line 15: 'drivers' would replace")])
def test_what_else_can_be_wrong(tmp_path, text, words):
    """Other letters, other tables and lists are told in words; no step takes the place of another's output."""
    (tmp_path / "run.toml").write_bytes(text)
    with pytest.raises(ConfigError, match=words):
        read_plan(tmp_path / "run.toml")


def test_an_empty_output_has_its_usual_name(tmp_path):
    """An output that is left empty does not become the folder itself."""
    plan = read_plan(write(tmp_path, GOOD.replace("cells = 8", 'cells = 8\ntruth = ""')))
    assert "truth" not in plan.steps[0].values
