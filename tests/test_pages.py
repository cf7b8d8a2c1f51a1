"""Tables and lists in the pages of docs are those of the program."""

from __future__ import annotations

import re
import shlex

import pytest

from reco_core.catalogue import STEPS
from reco_core.cli import build_parser
from reco_core.errors import ERRORS
from reco_core.vocabulary import VARIABLES
from source import ROOT

DOCS = ROOT / "docs"
PATH = ("read_observations", "read_drivers", "build_samples", "fit", "evaluate", "estimate_region", "report")


def text_of(page: str) -> str:
    """Return the text of a page."""
    return (DOCS / page).read_text(encoding="utf-8")


def test_guide_walks_the_whole_path():
    """The guide shows each step of the path as a command that the parser accepts."""
    blocks = re.findall(r"```sh\n(.*?)```", text_of("guide.md"), flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("reco ")]
    for words in commands:
        build_parser().parse_args(words)
    assert {words[0] for words in commands} >= set(PATH)


def test_exit_codes_are_those_of_the_classes():
    """The table of errors has every class with its code."""
    for name, kind in ERRORS.items():
        assert re.search(rf"\| {kind.exit_code} \| `{name}` \|", text_of("errors.md")), name


def test_drivers_are_those_of_the_vocabulary():
    """The table of drivers has every driver with its unit and group, and no other."""
    table = text_of("guide.md").split("## Drivers that RECO knows")[1]
    rows = {name: (unit.strip(), group.strip())
            for name, unit, _words, group in re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$", table, re.M)}
    assert rows == {v.name: (v.unit, v.group) for v in VARIABLES.values() if v.group != "flux"}


def test_outputs_are_those_of_the_catalogue():
    """The list of outputs names every file of every step."""
    text = text_of("outputs.md")
    for step in STEPS.values():
        for output in step.outputs:
            for name in {output.filename.format(flux=flux) for flux in ("reco", "rs", "rh")} - {""}:
                assert name in text, f"{step.name}: {name}"


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_sections_that_are_linked_exist(page):
    """A link to a section of the same page finds its heading."""
    text = text_of(page)
    heads = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-")
             for head in re.findall(r"^#+ (.+)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= heads
