"""All benchmarks one after the other: their rows go into RESULTS.md, and what they reached into its table of goals.

python benchmarks/run.py [--only bench_shap.py,bench_map.py] [--quick] [--results PATH]

`goals.toml` says which command measures which goal and how its row tells the figure; a benchmark that no goal names
runs with its own sizes. What cannot be measured here, for lack of data or of a peer, is said at the end. With `--quick`
nothing is written.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
GOALS = "## Goals: `make bench`"
RATIO = re.compile(r"([\d.]+)(?: \[[\d. a-z]*\])? ?x\b(?! ?\d)")  # and not a size such as 512 x 512
NUMBER = re.compile(r"[\d.]+")
NEEDS_GPU = ("bench_gpu.py",)
CANNOT = 3  # exit code of a benchmark that lacks something; rows that it printed count


@dataclass
class Table:
    """The rows that a benchmark printed under one header."""

    header: str
    rows: list[str] = field(default_factory=list)

    def column(self, row: str, name: str) -> str:
        """Return a cell of a row."""
        return dict(zip(cells(self.header), cells(row))).get(name, "")


@dataclass(frozen=True)
class Goal:
    """What a benchmark should reach.

    `row` is a pattern that the row contains, `column` the cell with the figure (without it, the first ratio of the
    row); `unit` is x, GB, % or min, and `least` the largest where less is better.
    """

    what: str
    command: str
    least: float
    aim: float
    unit: str = "x"
    row: str = ""
    column: str = ""

    @property
    def less(self) -> bool:
        """Whether less is better."""
        return self.aim < self.least

    def reached(self, tables: list[Table]) -> float | None:
        """Return the figure of the first row that tells it."""
        for table in tables:
            for row in table.rows:
                if not re.search(self.row, row):
                    continue
                cell = table.column(row, self.column) if self.column else row
                found = (NUMBER if self.column else RATIO).search(cell)
                if found:
                    return float(found.group(1) if found.re is RATIO else found.group())
        return None

    def line(self, figure: float) -> str:
        """Return the row of the table of goals."""
        met = figure <= self.least if self.less else figure >= self.least
        far = figure <= self.aim if self.less else figure >= self.aim
        words = "aim reached" if far else "reached" if met else "NOT reached"
        least, aim, value = (f"{number:g} {self.unit}" for number in (self.least, self.aim, figure))
        return f"| {self.what} | {least} | {aim} | {value}: {words} | {date.today()} |"


def cells(line: str) -> list[str]:
    """Return the cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_goals() -> list[Goal]:
    """Return the goals in their order."""
    return [Goal(**entry) for entry in tomllib.loads((HERE / "goals.toml").read_text(encoding="utf-8"))["goal"]]


def tables_of(text: str) -> list[Table]:
    """Return the tables that a benchmark printed."""
    found: list[Table] = []
    for line in text.splitlines():
        if line.startswith("| date |"):
            found.append(Table(line.strip()))
        elif line.startswith("|") and found:
            found[-1].rows.append(line.strip())
    return [table for table in found if table.rows]


def run(command: str, quick: bool) -> tuple[list[Table], int]:
    """Run a benchmark, show what it prints, and return its tables and its exit code."""
    words = [*shlex.split(command), *(["--quick"] if quick else [])]
    print(f"[reco] {' '.join(words)}", flush=True)
    lines = []
    with subprocess.Popen([sys.executable, str(HERE / words[0]), *words[1:]], stdout=subprocess.PIPE, text=True,
                          cwd=HERE.parent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return tables_of("".join(lines)), process.returncode


def with_rows(text: str, file: str, tables: list[Table]) -> str:
    """Return RESULTS.md with rows added to the section of a benchmark; one that is not there is made."""
    mark = f"`benchmarks/{file}`"
    lines = text.rstrip("\n").split("\n")
    start = next((at for at, line in enumerate(lines) if line.startswith("## ") and mark in line), None)
    if start is None:
        lines += ["", f"## {title(file)}: {mark}", ""]
        start = len(lines) - 2
    for table in tables:
        end = next((at for at in range(start + 1, len(lines)) if lines[at].startswith("## ")), len(lines))
        head = next((at for at in range(start, end) if cells(lines[at]) == cells(table.header)), None)
        if head is None:
            while lines[end - 1] == "":
                end -= 1
            lines[end:end] = ["", table.header, "|" + "---|" * len(cells(table.header)), *table.rows]
        else:
            last = head + 1
            while last < len(lines) and lines[last].startswith("|"):
                last += 1
            lines[last:last] = table.rows
    return "\n".join(lines) + "\n"


def title(file: str) -> str:
    """Return what a benchmark compares: the words of its first line before the colon."""
    words = (ast.get_docstring(ast.parse((HERE / file).read_text(encoding="utf-8"))) or file).split("\n")[0]
    return re.split(r"[:.]", words)[0]


def with_goals(text: str, lines: list[str], order: list[str]) -> str:
    """Return RESULTS.md with new rows in the table of goals; it holds the goals of `order`, each once."""
    start = text.index(GOALS)
    after = text.find("\n## ", start + 1)
    end = len(text) if after < 0 else after
    part = text[start:end].rstrip("\n").split("\n")
    first = next(at for at, line in enumerate(part) if line.startswith("|---")) + 1
    rows = {cells(line)[0]: line for line in (*part[first:], *lines)}
    kept = [*part[:first], *(rows[what] for what in order if what in rows)]
    return text[:start] + "\n".join(kept) + "\n" + text[end:]


def main() -> int:
    """Run what is asked for, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="files of benchmarks, separated by commas")
    parser.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    goals = read_goals()
    files = sorted(path.name for path in HERE.glob("bench_*.py") if path.name not in NEEDS_GPU)
    wanted = options.only.split(",") if options.only else files
    commands = list(dict.fromkeys(goal.command for goal in goals if goal.command.split()[0] in wanted))
    commands += [file for file in wanted if file not in {command.split()[0] for command in commands}]
    if options.quick:
        commands = list(dict.fromkeys(command.split()[0] for command in commands))
    failed, lacking, reached = [], [], []
    for command in commands:
        tables, code = run(command, options.quick)
        failed += [] if code in (0, CANNOT) else [f"failed: {command}"]
        if options.quick or code not in (0, CANNOT):
            continue
        figures = {goal: goal.reached(tables) for goal in goals if goal.command == command}
        lines = [goal.line(figure) for goal, figure in figures.items() if figure is not None]
        left = [f"not measured: {goal.what} ({command})" for goal, figure in figures.items() if figure is None]
        failed, lacking = failed + left * (code == 0), lacking + left * (code == CANNOT)
        reached += lines
        text = with_rows(options.results.read_text(encoding="utf-8"), command.split()[0], tables)
        options.results.write_text(with_goals(text, lines, [goal.what for goal in goals]), encoding="utf-8")
    if reached:
        print("\n| what | at least | aim | reached | date |\n" + "\n".join(reached))
    for words in (*lacking, *failed):
        print(f"[reco] {words}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
