"""A GPU against the processor of the same machine: contributions, estimates of boosting, and a network.

Prints rows for RESULTS.md. Contributions on the GPU are measured both ways there are, our tables as gathers in torch
and xgboost's own pred_contribs; from the better one the minutes of the largest job are reckoned (by default one month
of 26 million pixels by 200 boosters), with making the tables of every booster. Answers are compared with those of the
processor first. Without a GPU it ends with a message and exit code 3; `--device cpu` goes the ways of the GPU on the
processor, to check the benchmark.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from typing import Any, Callable

import numpy as np
from bench_geoman import member
from bench_throughput import DRIVERS, booster, rows
from common import cannot, head, in_turns, parsed, row, seconds, spread

from reco_core.deps import need
from reco_core.device import obstacle
from reco_core.explain.shap_tables import TableExplainer
from reco_core.explain.torch_tables import TorchTables
from reco_core.explain.tree_shap import by_xgboost

SAME = 1e-4
TABLES = "GPU, tables in torch"


def name_of(device: str) -> str:
    """Return the name of the GPU, or end with the reason why there is none."""
    if device == "cpu":
        return "none: a check"
    reasons = {package: obstacle(package) for package in ("torch", "xgboost")}
    if all(reasons.values()):
        cannot("This benchmark needs a GPU of NVIDIA: "
               + "; ".join(f"{package}: {reason}" for package, reason in reasons.items()))
    return "?" if reasons["torch"] else str(need("torch", extra="deep").cuda.get_device_name(0))


def usable(package: str, device: str) -> bool:
    """Return whether a package can compute there."""
    return device == "cpu" or not obstacle(package)


def compare(what: str, gpu: str, count: int, ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Check that all ways agree with the first, measure them in turns, print rows, and return rows per second."""
    answers = [np.asarray(call(), dtype="float64") for call in ways.values()]
    largest = np.abs(answers[0]).max()
    gaps = [float(np.abs(answer - answers[0]).max() / largest) for answer in answers]
    assert max(gaps) < SAME, f"{what}: the answers differ by {max(gaps):.2g} of the largest"
    taken = in_turns(repeats, *(lambda call=call: seconds(call) for call in ways.values()))
    rates = {name: count / statistics.median(times) for name, times in zip(ways, taken)}
    for name, times, gap in zip(ways, taken, gaps):
        ratios = spread([first / own for first, own in zip(taken[0], times)], 1)
        row(gpu, what, name, count, f"{rates[name]:.0f}", f"{ratios} x", f"{gap:.1g}")
    return rates


def explained(gpu: str, options: argparse.Namespace) -> float:
    """Measure contributions and return the minutes of the largest job by the best way of the GPU."""
    model, X = booster(options.trees, options.depth), rows(options.rows)
    tables = TableExplainer.of(model)
    assert tables is not None
    making = statistics.median(seconds(TableExplainer.of, model) for _ in range(options.repeats))
    ways: dict[str, Callable[[], Any]] = {"processor, tables": lambda: tables.contributions(X)}
    if usable("torch", options.device):
        ways[TABLES] = lambda: TorchTables(tables, options.device).contributions(X)
    if usable("xgboost", options.device):
        on_gpu = model.copy()
        on_gpu.set_param({"device": options.device})
        ways["GPU, pred_contribs"] = lambda: by_xgboost(on_gpu, X)
    rates = compare(f"contributions, {options.trees} trees, depth {options.depth}", gpu, options.rows, ways,
                    options.repeats)
    return min(options.boosters * (options.pixels / rate + (making if name == TABLES else 0.0)) / 60
               for name, rate in rates.items() if name.startswith("GPU"))


def estimated(gpu: str, options: argparse.Namespace) -> None:
    """Measure the estimates of a booster."""
    if not usable("xgboost", options.device):
        return
    model, X = booster(options.trees, options.depth), rows(options.rows)
    on_gpu = model.copy()
    on_gpu.set_param({"device": options.device})
    matrix = need("xgboost").DMatrix
    compare("estimates of boosting", gpu, options.rows, {
        "processor": lambda: model.inplace_predict(X), "GPU": lambda: on_gpu.predict(matrix(X))}, options.repeats)


def network(gpu: str, options: argparse.Namespace) -> None:
    """Measure the estimates of a network."""
    if not usable("torch", options.device):
        return
    ours, _ = member(12, 64)
    X = np.random.default_rng(0).normal(size=(options.network, ours.background.shape[1])).astype("float32")
    on_gpu = replace(ours, device=options.device)
    compare("estimates of a network (geoman, 12 steps, 64 units)", gpu, options.network, {
        "processor": lambda: ours.estimate(X), "GPU": lambda: on_gpu.estimate(X)}, options.repeats)


def main() -> None:
    """Measure all there is and reckon the largest job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--network", type=int, default=200_000, help="rows that the network estimates")
    parser.add_argument("--pixels", type=int, default=26_000_000, help="of the largest job")
    parser.add_argument("--boosters", type=int, default=200, help="of the largest job")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    options = parsed(parser, rows=2000, trees=20, depth=4, network=500, repeats=1)
    gpu = name_of(options.device)
    head("GPU", "what", "where", "rows", "rows/s", "ratio to the processor", "largest difference")
    minutes = explained(gpu, options)
    estimated(gpu, options)
    network(gpu, options)
    print()
    head("GPU", "job", "minutes, reckoned")
    row(gpu, f"contributions of one month, {options.pixels} pixels x {options.boosters} boosters x {options.trees} "
        f"trees, depth {options.depth}, {DRIVERS} drivers", f"{minutes:.1f}")


if __name__ == "__main__":
    main()
