"""Trends of a map: our kernels against pymannkendall in a loop over pixels, in the same run.

Prints rows for RESULTS.md: series, pixels, seconds of both (pymannkendall scaled up from `--peer` pixels), their ratio,
and the largest difference of slope and p. Both have the same machine and process; pymannkendall has one thread, ours
has all. The whole call of `trend_maps` is timed, p and interval included, which pymannkendall does not give.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any, Callable, NamedTuple

import numpy as np
from common import head, in_turns, parsed, row, seconds, spread

from reco_core.deps import need
from reco_core.trends import trend_maps


class Case(NamedTuple):
    """A kind of series: time steps, share of missing values, method, and pixels of ours."""

    steps: int
    gaps: float
    method: str
    pixels: int

    def __str__(self) -> str:
        unit = "years" if self.steps < 100 else "months"
        gaps = f"{self.gaps:.0%} missing" if self.gaps else "complete"
        return f"{self.steps} {unit}, {gaps}, {self.method}"


CASES = (Case(20, 0.0, "plain", 200_000), Case(20, 0.1, "plain", 200_000), Case(50, 0.0, "plain", 50_000),
         Case(240, 0.0, "plain", 4_000), Case(240, 0.1, "plain", 4_000), Case(240, 0.0, "seasonal", 20_000),
         Case(240, 0.1, "seasonal", 20_000))
VARIANTS = tuple(Case(40, 0.0, method, 20_000) for method in ("hamed_rao", "yue_wang", "prewhitening", "tfpw"))
SAME = {"slope": 1e-9, "p": 1e-12}
COLUMNS = ("series", "pixels", "ours (s)", "peer", "peer (s)", "ratio", "largest difference")


def world(case: Case, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes with trends, shape (steps, pixels), and their times [yr]."""
    rng = np.random.default_rng(0)
    step = np.arange(case.steps)[:, None]
    values = 600 + 60 * rng.standard_normal((case.steps, pixels)) + rng.normal(0, 3, pixels) * step
    if case.method == "seasonal":
        values += 300 * np.cos(2 * np.pi * step / 12)
    values[rng.random(values.shape) < case.gaps] = np.nan
    return values.astype("float32"), 2001 + np.arange(case.steps) / (12 if case.steps > 100 else 1)


def peer(case: Case) -> Callable[[np.ndarray], Any]:
    """Return the test of pymannkendall that does the same."""
    package = need("pymannkendall")
    lag = max(case.steps // 4, 1)
    return {"plain": package.original_test, "seasonal": package.seasonal_test,
            "hamed_rao": lambda x: package.hamed_rao_modification_test(x, lag=lag),
            "yue_wang": lambda x: package.yue_wang_modification_test(x, lag=1),
            "prewhitening": package.pre_whitening_modification_test,
            "tfpw": package.trend_free_pre_whitening_modification_test}[case.method]


def agreed(case: Case, ours: dict[str, np.ndarray], slope: np.ndarray, p: np.ndarray) -> str:
    """Return how far slope (per step, or per cycle) and p are from ours, in words; stop if it is more than rounding.

    p is not compared where our floor may touch the variance.
    """
    per_year = 12 if case.steps > 100 and case.method == "plain" else 1
    found = {"slope": float(np.abs(ours["slope"] / (slope * per_year) - 1).max())}
    if case.method in ("plain", "seasonal", "prewhitening"):
        found["p"] = float(np.abs(ours["p"] - p).max())
    assert all(found[name] < SAME[name] for name in found), f"the answers differ: {found}"
    return ", ".join(f"{name} {gap:.1g}" for name, gap in found.items())


def measure(case: Case, peer_pixels: int, repeats: int) -> None:
    """Check that both answers are the same, time both in turns, and print the row."""
    values, times = world(case, case.pixels)
    few = values[:, :max(peer_pixels * 20 // case.steps, 10)]
    test = peer(case)
    results = [test(column) for column in few.T]
    told = agreed(case, trend_maps(few, times, min_n=3, method=case.method),
                  np.array([result.slope for result in results]), np.array([result.p for result in results]))
    scale = case.pixels / few.shape[1]
    mine, other = in_turns(
        repeats,
        lambda: seconds(lambda: trend_maps(values, times, min_n=3, method=case.method)),
        lambda: seconds(lambda: [test(column) for column in few.T]) * scale)
    ratio = spread([theirs / ours for theirs, ours in zip(other, mine)])
    row(case, case.pixels, f"{statistics.median(mine):.2f}", f"pymannkendall {need('pymannkendall').__version__} loop",
        f"{statistics.median(other):.0f}", f"{ratio} x", told)


def main() -> None:
    """Measure every kind of series and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", action="store_true", help="the methods for autocorrelation, too")
    parser.add_argument("--peer", type=int, default=400, help="pixels of 20 steps that pymannkendall computes")
    parser.add_argument("--share", type=float, default=1.0, help="share of our pixels")
    parser.add_argument("--repeats", type=int, default=5)
    options = parsed(parser, peer=20, share=0.02, repeats=1)
    head(*COLUMNS)
    for case in (*CASES, *(VARIANTS if options.variants else ())):
        measure(case._replace(pixels=int(case.pixels * options.share)), options.peer, options.repeats)


if __name__ == "__main__":
    main()
