"""Benchmarks run, print rows that fit their headers, and the runner puts them where they belong."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from source import ROOT

FOLDER = ROOT / "benchmarks"
FILES = sorted(path.name for path in FOLDER.glob("bench_*.py"))
NEEDS = {"bench_cnn.py": "torch", "bench_geoman.py": "torch", "bench_gpu.py": "torch", "bench_links.py": "tigramite",
         "bench_throughput.py": "matplotlib", "bench_peers.py": "shap"}
NEEDS_DATA = ("bench_calibration.py", "bench_fitted.py")


def load():
    """Return the runner as a module."""
    spec = importlib.util.spec_from_file_location("bench_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_run"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


run = load()


def quick(file, folder, *words):
    """Run the check of a benchmark in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, str(FOLDER / file), "--quick", *words], capture_output=True, text=True,
                          cwd=folder, env=environment, timeout=300, check=False)


@pytest.mark.parametrize("file", FILES)
def test_benchmark_runs(file, tmp_path):
    """A quick check of each benchmark ends well, and its rows have as many cells as their header."""
    if file in NEEDS:
        pytest.importorskip(NEEDS[file])
    found = quick(file, tmp_path, *(["--device", "cpu"] if file in run.NEEDS_GPU else []))
    if file in NEEDS_DATA and found.returncode == run.CANNOT:
        pytest.skip(found.stderr.strip())
    assert found.returncode == 0, found.stderr
    tables = run.tables_of(found.stdout)
    assert tables
    for table in tables:
        assert {len(run.cells(row)) for row in table.rows} == {len(run.cells(table.header))}
    columns = {name for table in tables for name in run.cells(table.header)}
    assert {goal.column for goal in run.read_goals() if goal.column and goal.command.split()[0] == file} <= columns
    assert list(tmp_path.iterdir()) == []


def test_no_gpu(tmp_path):
    """Without a GPU its benchmark says what it needs, and nothing else."""
    pytest.importorskip("torch")
    found = quick("bench_gpu.py", tmp_path)
    if found.returncode == 0:
        pytest.skip("there is a GPU")
    assert found.returncode == run.CANNOT and "needs a GPU of NVIDIA" in found.stderr and found.stdout == ""


def test_goals_name_what_is_there():
    """Each goal belongs to a benchmark and has its own words."""
    goals = run.read_goals()
    assert len({goal.what for goal in goals}) == len(goals) > 5
    assert {goal.command.split()[0] for goal in goals} <= set(FILES)


def test_towers_that_are_not_there(tmp_path):
    """Without the real data a benchmark says so, and the others go on."""
    found = quick("bench_fitted.py", tmp_path, "--data", str(tmp_path))
    assert found.returncode == run.CANNOT and "RECO_DATA" in found.stderr and found.stdout == ""


def test_cost_of_large_jobs(tmp_path):
    """Time and cost are reckoned from the rows that the results have, or from a rate that is given."""
    script = str(FOLDER / "cluster_cost.py")
    newest = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert newest.count(" M | ") == 8 and "million tree-rows per second and core" in newest
    given = subprocess.run([sys.executable, script, "--rate", "1e6", "--of", "1", "--trees", "300", "--efficiency", "1",
                            "--cores", "1", "--price", "1"], capture_output=True, text=True, check=True).stdout
    assert "300.0 million tree-rows" in given
    assert "one booster x 300 trees | 6 M | 0.0017 | 6 s | 0.0017 |" in given.splitlines()[4]


TABLE = """| date | machine | size | ours (s) | peer (s) |
| 2026-01-01 | 2 cores | 1000 | 2 | 81 (40 x) |
| 2026-01-01 | 2 cores | 2000 | 3 | 360 (120 [90..130] x) |"""
TEXT = """# Results

## Goals: `make bench`

| what | at least | aim | reached | date |
|---|---|---|---|---|
| speed | 50 x | 100 x | 60 x: reached | 2025-12-31 |

## Speed: `benchmarks/bench_speed.py`

| date | machine | size | ours (s) | peer (s) |
|---|---|---|---|---|
| 2025-12-31 | 2 cores | 1000 | 2 | 80 (40 x) |

A note.

## Other: `benchmarks/bench_other.py`
"""


def test_goal_reads_its_figure():
    """The row is found by its pattern, the figure by its column or as the first ratio; less may be better."""
    tables = run.tables_of("words\n" + TABLE)
    assert run.Goal("speed", "bench_speed.py", 50, 100, row=r"\| 2000 \|").reached(tables) == 120
    size = run.tables_of("| date | size | peer (s) |\n| 2026-01-01 | 512 x 512 x 12, 28 x 28 scaled | 9 (0.5 x) |")
    assert run.Goal("speed", "bench_speed.py", 1, 1).reached(size) == 0.5
    slow = run.Goal("speed", "bench_speed.py", 50, 100)
    assert slow.reached(tables) == 40 and "40 x: NOT reached" in slow.line(40)
    time = run.Goal("time", "bench_speed.py", 4, 2, "s", column="ours (s)", row="2000")
    assert time.reached(tables) == 3 and "| 3 s: reached |" in time.line(3) and "aim reached" in time.line(1)
    assert run.Goal("none", "bench_speed.py", 1, 1, row="4000").reached(tables) is None


@pytest.mark.parametrize(("code", "prints", "ends", "said"), [
    (0, "40", 0, ""), (run.CANNOT, "40", 0, ""), (0, "", 1, "not measured: speed"),
    (run.CANNOT, "", 0, "not measured: speed"), (1, "40", 1, "failed: bench_speed.py")])
def test_what_was_not_measured_is_said(tmp_path, monkeypatch, capsys, code, prints, ends, said):
    """A goal without a row is a fault, a benchmark that lacks something is not, and one that failed writes nothing."""
    row = f"| 2026-01-01 | 2 cores | 1000 | 2 | {prints} x |"
    (tmp_path / "RESULTS.md").write_text(TEXT)
    (tmp_path / "bench_speed.py").write_text(
        f'print("| date | machine | size | ours (s) | peer (s) |\\n{row}")\nraise SystemExit({code})')
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "read_goals", lambda: [run.Goal("speed", "bench_speed.py", 50, 100)])
    monkeypatch.setattr(sys, "argv", ["run.py", "--results", str(tmp_path / "RESULTS.md")])
    assert run.main() == ends
    assert said in capsys.readouterr().err
    text = (tmp_path / "RESULTS.md").read_text()
    assert (row in text) == (code != 1) and ("40 x: NOT reached" in text) == (code != 1 and prints == "40")


def test_rows_go_below_their_table():
    """Rows follow those that are there; nothing that was there changes."""
    text = run.with_rows(TEXT, "bench_speed.py", run.tables_of(TABLE))
    before, after = TEXT.splitlines(), text.splitlines()
    assert [line for line in after if line in before] == before
    at = after.index("| 2025-12-31 | 2 cores | 1000 | 2 | 80 (40 x) |")
    assert after[at + 1:at + 3] == TABLE.splitlines()[1:]


def test_new_columns_make_a_new_table():
    """A header that is not there yet starts a table at the end of the section."""
    printed = "| date | machine | other |\n| 2026-01-01 | 2 cores | 7 |"
    text = run.with_rows(TEXT, "bench_speed.py", run.tables_of(printed))
    section = text[text.index("## Speed"):text.index("## Other")]
    assert section.endswith("A note.\n\n| date | machine | other |\n|---|---|---|\n| 2026-01-01 | 2 cores | 7 |\n\n")


def test_goals_keep_one_row_each():
    """A goal that was measured again replaces its row, others stay, and they have the order of the list of goals."""
    again, new = "| speed | 50 x | 100 x | 120 x: aim reached | 2026-01-01 |", "| new | 1 x | 1 x | 2 x | d |"
    text = run.with_goals(TEXT, [again, new], ["new", "never measured", "speed"])
    part = text[text.index("## Goals"):text.index("## Speed")].splitlines()
    assert part[-3:] == [new, again, ""] and "60 x" not in text and part[:4] == TEXT.splitlines()[2:6]
    assert text[text.index("## Speed"):] == TEXT[TEXT.index("## Speed"):]
    assert "| speed |" in run.with_goals(TEXT, [new], ["speed", "new"])
    assert "| speed |" not in run.with_goals(TEXT, [new], ["new"])
