"""Throughput of contributions against pixels, trees and depth: our tables, made while timed, and pred_contribs.

Prints rows for RESULTS.md: what changes, trees, depth, rows, rows per second of both and their ratio. xgboost explains
`--peer` rows (its rate does not depend on their number). With `--docs` the figure and its page are written, too.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from common import head, in_turns, machine, parsed, row, seconds, spread
from scene import flux

from reco_core.deps import need
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.tree_shap import by_xgboost

SAME = 1e-4
DRIVERS = 20
TRAINED = 40_000
PAGE = """# Throughput of contributions

![Rows per second against pixels, trees and depth](images/throughput.png)

Exact contributions of one booster of 20 drivers, on {machine}, {date}.
Our figures hold reading the trees and making their tables, which is why few pixels are slower. Each pixel and time step
is a row; an ensemble takes as long as all its trees together. Written by `python benchmarks/bench_throughput.py --docs
docs`.

| what changes | trees | depth | rows | ours (rows/s) | xgboost (rows/s) | ratio |
|---|---|---|---|---|---|---|
{rows}
"""


@dataclass
class Line:
    """What was measured along one axis."""

    name: str
    unit: str
    sizes: list[int] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)


def sizes(text: str) -> list[int]:
    """Return the numbers of a list such as 1000,2000."""
    return [int(float(part)) for part in text.split(",")]


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Return rows of drivers."""
    return np.random.default_rng(seed).standard_normal((count, DRIVERS), dtype="float32")


def booster(trees: int, depth: int) -> Any:
    """Return a booster of so many trees."""
    xgboost = need("xgboost")
    X = rows(TRAINED, 1)
    settings = {"max_depth": depth, "eta": 0.05, "subsample": 0.8, "colsample_bynode": 0.8, "min_child_weight": 3}
    return xgboost.train(settings, xgboost.DMatrix(X, flux(X, np.random.default_rng(2))), trees)


def measured(trees: int, depth: int, count: int, options: argparse.Namespace) -> tuple[float, float, list[float]]:
    """Return rows per second of ours and of the peer, and their ratios."""
    model, X = booster(trees, depth), rows(count)
    few = X[:options.peer] if count >= options.peer else rows(options.peer)

    def ours(part: np.ndarray) -> np.ndarray:
        return TableExplainer.of(model).contributions(part)  # type: ignore[union-attr]

    expected = by_xgboost(model, few)
    gap = np.abs(ours(few) - expected).max() / np.abs(expected[:, :-1]).max()
    assert gap < SAME, f"the answers differ by {gap:.2g} of the largest contribution"
    mine, other = in_turns(options.repeats, lambda: seconds(ours, X), lambda: seconds(by_xgboost, model, few))
    ratios = [(b / len(few)) / (a / count) for a, b in zip(mine, other)]
    return count / statistics.median(mine), len(few) / statistics.median(other), ratios


def draw(lines: list[Line], path: Path) -> None:
    """Draw rows per second against each axis."""
    from reco_core.report.canvas import new_figure, png, style

    with style():
        figure = new_figure(10.4, 3.4, "Exact contributions, rows per second")
        for axes, line in zip(figure.subplots(1, len(lines), sharey=True), lines):
            axes.loglog(line.sizes, line.ours, "o-", color="#1b7837", label="RECO, with making tables")
            axes.loglog(line.sizes, line.theirs, "s--", color="#762a83", label="xgboost pred_contribs")
            axes.set_xlabel(f"{line.name.capitalize()}{line.unit}")
            axes.set_xticks(line.sizes, [f"{size:,}" for size in line.sizes], rotation=45 if line.name == "rows" else 0)
            axes.minorticks_off()
            axes.grid(True, which="major", alpha=0.4)
        figure.axes[0].set_ylabel("Rows per second")
        figure.axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        figure.axes[0].legend(loc="center right")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))


def main() -> None:
    """Measure along each axis, print the rows and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=sizes, default="1e3,1e4,1e5,1e6")
    parser.add_argument("--trees", type=sizes, default="10,30,100,300,1000")
    parser.add_argument("--depth", type=sizes, default="2,3,4,5,6,7,8,10,12")
    parser.add_argument("--usual", type=sizes, default="200000,300,6", help="rows, trees and depth of the other axes")
    parser.add_argument("--peer", type=int, default=500, help="rows that the peer explains")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="folder of the page throughput.md and its figure")
    options = parsed(parser, rows=[500, 1000], trees=[5, 10], depth=[2, 4], usual=[1000, 10, 3], peer=50, repeats=1)
    count, trees, depth = options.usual
    axes = [("rows", f", {trees} trees of depth {depth}", [(trees, depth, size) for size in options.rows]),
            ("trees", f", depth {depth}", [(size, depth, count) for size in options.trees]),
            ("depth", f", {min(trees, 100)} trees", [(min(trees, 100), size, count) for size in options.depth])]
    head("what changes", "trees", "depth", "rows", "ours (rows/s)", "xgboost (rows/s)", "ratio")
    lines, page = [], []
    for name, unit, jobs in axes:
        line = Line(name, unit)
        for job in jobs:
            ours, theirs, ratios = measured(*job, options)
            cells = (name, *job, f"{ours:.0f}", f"{theirs:.0f}", f"{spread(ratios)} x")
            row(*cells)
            page.append("| " + " | ".join(str(cell) for cell in cells) + " |")
            line.sizes.append(job[{"rows": 2, "trees": 0, "depth": 1}[name]])
            line.ours.append(ours)
            line.theirs.append(theirs)
        lines.append(line)
    if options.docs:
        draw(lines, options.docs / "images" / "throughput.png")
        text = PAGE.format(machine=machine(), date=date.today(), rows="\n".join(page))
        (options.docs / "throughput.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
