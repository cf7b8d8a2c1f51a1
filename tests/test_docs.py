"""What the documents say can be done: links lead somewhere, commands and keys exist."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from reco_core.catalogue import STEPS, get_step
from source import ROOT, name

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
OTHER_COMMANDS = ("run", "check", "doctor")
GENERAL_FLAGS = {"--help", "--version", "--progress", "--out", "--folder", "--output"}


def blocks(path, *languages: str) -> list[str]:
    """Return the fenced blocks of a page in these languages."""
    text = path.read_text(encoding="utf-8")
    return [body for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            if language in languages]


def commands(path) -> list[list[str]]:
    """Return the words of every command line of a page."""
    lines = "\n".join(blocks(path, "sh", "bash", "console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.strip()]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path):
    """Every relative link and picture of a page is a file of this repository."""
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_exist(path):
    """Every `reco` command is a step or one of the others, with flags that it has."""
    for words in commands(path):
        if words[:1] != ["reco"] or len(words) < 2 or words[1] in OTHER_COMMANDS or words[1][0] in "-<":
            continue
        step = get_step(words[1])
        flags = {param.flag for param in step.params + step.outputs} | GENERAL_FLAGS
        assert [word for word in words[2:] if word.startswith("--") and word.split("=")[0] not in flags] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_qgis_commands_exist(path):
    """Every `qgis_process run reco:...` names an algorithm of the catalogue and keys that it has."""
    for words in commands(path):
        found = [word.split(":")[1] for word in words if word.startswith("reco:")]
        if not found or found[0] not in STEPS:
            continue
        step = STEPS[found[0]]
        keys = {param.name.upper() for param in step.params + step.outputs}
        given = [word.split("=")[0] for word in words if re.match(r"[A-Z_]+=", word)]
        assert [key for key in given if key not in keys and key not in ("REGION_LAYER", "REGION_EXTENT")] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_run_files_are_toml(path):
    """Run files shown in a page are TOML, and their keys are those of the steps."""
    for text in blocks(path, "toml"):
        for entry in tomllib.loads(text).get("step", []):
            step = get_step(entry["use"])
            for key in entry:
                assert key == "use" or step.param(key)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_make_targets_exist(path):
    """Every `make` command has its target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z]+)`", text)) | {
        word for words in commands(path) if words[:1] == ["make"] for word in words[1:]} <= targets
