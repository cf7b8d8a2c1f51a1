"""What README and its neighbours say can be done: links lead somewhere, targets and algorithms exist."""

from __future__ import annotations

import re
import shlex

import pytest

from reco_core.catalogue import STEPS
from source import ROOT, name

TOP = sorted([*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
PAGES = sorted([*TOP, *(ROOT / "docs").rglob("*.md")])
MADE_BY_QGIS = {"REGION_LAYER", "REGION_EXTENT"}


def commands(path) -> list[list[str]]:
    """Return the words of every command line of a page."""
    text = path.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(fenced).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.strip()]


@pytest.mark.parametrize("path", TOP, ids=name)
def test_links_lead_somewhere(path):
    """Every relative link and picture of a page is a file of this repository."""
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_qgis_commands_exist(path):
    """Every `qgis_process run reco:...` names an algorithm of the catalogue and keys that it has."""
    for words in commands(path):
        found = [word.split(":")[1] for word in words if word.startswith("reco:")]
        if not found or found[0] not in STEPS:
            continue
        step = STEPS[found[0]]
        keys = {param.name.upper() for param in step.params + step.outputs} | MADE_BY_QGIS
        assert [word for word in words if re.match(r"[A-Z_]+=", word) and word.split("=")[0] not in keys] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_make_targets_exist(path):
    """Every `make` command has its target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"`make ([a-z-]+)`", path.read_text(encoding="utf-8")))
    shown |= {word for words in commands(path) if words[:1] == ["make"] for word in words[1:]}
    assert shown <= targets
