"""Smoothing and phenology of a map against loops over pixels with scipy, in the same run.

Prints rows for RESULTS.md: date, machine, what, pixel-years, seconds of ours, peer, seconds of the peer
(scaled up from `--peer` pixels, with the median ratio of repeats), largest difference. Repeats are interleaved.

The peers follow the same published steps: envelope and phenology with scipy.signal.savgol_filter,
PchipInterpolator and numpy, the double logistic with scipy.optimize.least_squares (analytic separation
of base and amplitude, bounded trust region). `--series day` measures daily series instead of 8-day ones.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from datetime import date
from itertools import pairwise
from typing import Callable

import numpy as np
from common import parsed

from reco_core.deps import need
from reco_core.drivers.double_logistic import double_logistic
from reco_core.drivers.phenology import NAMES, Phenology
from reco_core.drivers.series import complete, composites
from reco_core.drivers.smoothing import TREND_DEGREES, TREND_HALVES, Settings, Smoother
from reco_core.vocabulary.calendar import STEPS_PER_YEAR, step_start

HALF_YEAR, RAMP = 182.625, 30.4375
SETTINGS = Settings("double_logistic")


def world(years: int, pixels: int, series: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times and a cloudy vegetation index with gaps, shape (time, pixels)."""
    days = np.arange(np.datetime64("2001-01-01"), np.datetime64(f"{2001 + years}-01-01"))
    times = np.unique(step_start(days, series))
    doy = (times - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(float)[:, None]
    rng = np.random.default_rng(0)
    rise, fall = rng.uniform(90, 150, pixels), rng.uniform(240, 300, pixels)
    values = np.stack([double_logistic(doy[:, 0], 0.1, a, (r, 12, f, 18))
                       for a, r, f in zip(rng.uniform(0.2, 0.6, pixels), rise, fall)], axis=1)
    values += rng.normal(0, 0.02, values.shape)
    values[rng.random(values.shape) < 0.1] -= 0.15
    values[rng.random(values.shape) < 0.08] = np.nan
    return times, values.astype("float32")


class Peer:
    """The same steps for one pixel at a time, with scipy."""

    def __init__(self, times: np.ndarray, series: str) -> None:
        self.signal, self.interpolate, self.optimize = (
            need(f"scipy.{name}") for name in ("signal", "interpolate", "optimize"))
        self.steps = complete(times, series)
        self.members = None  # positions of the days of each composite, with that of a missing value appended
        if series == "day":
            size = self.steps.starts.size
            self.steps, first = composites(self.steps)
            at = first[:-1, None] + np.arange(8)
            self.members = np.where(at < first[1:, None], at, size)
        self.period = STEPS_PER_YEAR[self.steps.time_step]
        self.middles, self.days = self.steps.middles, np.arange(self.steps.days.size)
        self.doy = (self.steps.days - self.steps.days.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
        self.years = np.flatnonzero(self.doy == 0)
        self.seen = {(half, degree): self.signal.savgol_coeffs(2 * half + 1, degree)[half]
                     for half in TREND_HALVES for degree in TREND_DEGREES}

    def composite(self, values: np.ndarray) -> np.ndarray:
        """Return 8-day medians of daily values; other series as they are."""
        return values if self.members is None else np.nanmedian(np.append(values, np.nan)[self.members], axis=1)

    def filter(self, values: np.ndarray, half: int, degree: int) -> np.ndarray:
        """Savitzky-Golay filter whose ends go on with the neighbouring year."""
        long = np.concatenate([values[self.period - half:self.period], values, values[-self.period:][:half]])
        return self.signal.savgol_filter(long, 2 * half + 1, degree)[half:-half]

    def envelope(self, values: np.ndarray) -> np.ndarray:
        """Upper envelope of Chen et al. 2004."""
        at, good = np.arange(values.size), np.isfinite(values)
        filled = np.interp(at, at[good], values[good])
        least, trend = np.inf, filled
        for (half, degree), seen in self.seen.items():
            fit = self.filter(filled, half, degree)
            residual = ((fit - filled) ** 2).sum() / (1 - seen) ** 2
            if residual < least:
                least, trend = residual, fit
        below = np.maximum(trend - filled, 0)
        weight = (1 - below / np.abs(trend - filled).max()) * good
        current, least, out = np.maximum(filled, trend), np.inf, filled
        for _ in range(10):
            fit = self.filter(current, 4, 6)
            index = (np.abs(fit - filled) * weight).sum()
            if index >= least:
                break
            least, out, current = index, fit, np.maximum(filled, fit)
        return np.maximum(out, trend)

    def daily(self, envelope: np.ndarray) -> np.ndarray:
        """Monotone cubic through the middles of the steps, flat beyond the first and last."""
        inside = np.clip(self.days, self.middles[0], self.middles[-1])
        return self.interpolate.PchipInterpolator(self.middles, envelope)(inside)

    def peak(self, curve: np.ndarray) -> int:
        """Return the day of the year of the mean peak, from 0."""
        doy = np.minimum(self.doy, 364)
        return int(np.argmax(np.bincount(doy, curve) / np.bincount(doy)))

    def phenology(self, values: np.ndarray) -> np.ndarray:
        """Nine variables of each season year, shape (years, 9)."""
        curve = self.daily(self.envelope(self.composite(values)))
        start = self.years + self.peak(curve) - 182
        edges = np.append(start, len(curve) + self.peak(curve) - 182)
        made = np.full((self.years.size, len(NAMES)), np.nan)
        for number, (first, last) in enumerate(pairwise(edges)):
            if first >= 0 and last <= curve.size:
                made[number] = self.nine(curve[first:last])
        return made

    @staticmethod
    def nine(year: np.ndarray) -> list[float]:
        """Nine variables of one yearly curve."""
        ordered = np.sort(year)
        count = max(1, round(0.05 * year.size))
        bottom, top = ordered[:count].mean(), ordered[-count:].mean()
        levels = [top - share * (top - bottom) for share in (0.25, 0.5, 0.75)]
        lengths = []
        for level in levels:
            above = year >= level
            at = np.flatnonzero(above[1:] != above[:-1])
            dates = at + 1 + (level - year[at]) / (year[at + 1] - year[at])
            one = (year.size - dates[0] if above[-1] else dates[0]) if at.size == 1 else 0.0
            lengths.append(dates[-1] - dates[0] if at.size > 1 else one)
        return [top, bottom, *levels, *lengths, year.sum()]

    def seasons(self, values: np.ndarray) -> list[np.ndarray]:
        """Double logistic of each whole season: its days and curve."""
        values = self.composite(values)
        curve = self.daily(self.envelope(values))
        made = []
        for peak in self.years + self.peak(curve):
            first, last = peak - HALF_YEAR - RAMP, peak + HALF_YEAR + RAMP
            used = (self.middles >= first) & (self.middles <= last) & np.isfinite(values)
            made.append(self.fit(self.middles[used], values[used], float(peak), first, last))
        return made

    def fit(self, t: np.ndarray, y: np.ndarray, peak: float, first: float, last: float) -> np.ndarray:
        """Three bounded fits; values below the curve lose half of their weight before the second and third."""
        weight = np.ones(t.size)
        shape = np.array([peak - 70, 15, peak + 70, 15])
        bounds = ([first, 1, first, 1], [last, 120, last, 120])

        def linear(x: np.ndarray) -> np.ndarray:
            g = double_logistic(t, 0.0, 1.0, tuple(x))
            root = np.sqrt(weight)
            c = np.linalg.lstsq(np.stack([root, root * g], 1), root * y, rcond=None)[0]
            return c[0] + c[1] * g

        def residual(x: np.ndarray) -> np.ndarray:
            return np.sqrt(weight) * (y - linear(x))

        for number in range(3):
            if number:
                weight = np.where(y < linear(shape), weight / 2, weight)
            shape = self.optimize.least_squares(residual, shape, bounds=bounds, x_scale=[10, 5, 10, 5], ftol=1e-6,
                                                xtol=1e-6).x
        return linear(shape)


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def row(what: str, options: argparse.Namespace, ours: Callable[[], object], peer: Callable[[], object],
        gap: str, few: int) -> None:
    """Measure both, interleaved, and print a row."""
    pairs = [(seconds(ours), seconds(peer) * options.pixels / few) for _ in range(options.repeats)]
    mine, other = (statistics.median(pair[k] for pair in pairs) for k in (0, 1))
    ratios = sorted(pair[1] / pair[0] for pair in pairs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    factor = f"{statistics.median(ratios):.0f} x, {ratios[0]:.0f} to {ratios[-1]:.0f}"
    print(f"| {date.today()} | {os.cpu_count()} cores | {what} | {options.pixels * options.years} | {mine:.2f} | "
          f"scipy loop | {other:.0f} ({factor}) | {gap} | {memory:.1f} GB |", flush=True)


def main() -> None:
    """Measure the three and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--pixels", type=int, default=20000)
    parser.add_argument("--series", default="8day", choices=("day", "8day"))
    parser.add_argument("--peer", type=int, default=100, help="pixels that the peer computes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="envelope,phenology,double logistic", help="what to measure")
    options = parsed(parser, years=2, pixels=400, peer=2, repeats=1)
    times, values = world(options.years, options.pixels, options.series)
    peer, few = Peer(times, options.series), values[:, :options.peer].astype("float64")
    print("| date | machine | what | pixel-years | ours (s) | peer | peer (s) | largest difference | memory |")
    if "envelope" in options.only:
        smoother = Smoother(times, options.series, Settings())
        mine, other = smoother(few), np.stack([peer.envelope(peer.composite(column)) for column in few.T], 1)
        gap = np.abs(mine - other).max()
        assert gap < 1e-6, f"the envelopes differ by {gap}"
        row(f"SG envelope, {options.series}", options, lambda: smoother(values),
            lambda: [peer.envelope(peer.composite(column)) for column in few.T], f"{gap:.1g}", few.shape[1])
    if "phenology" in options.only:
        made = Phenology(times, options.series)
        result, other = made(few), np.stack([peer.phenology(column) for column in few.T], 2)
        mine = np.stack([result[name] for name in NAMES], 1)
        assert np.array_equal(np.isnan(mine), np.isnan(other)), "other years are missing"
        gap = np.nanmax(np.abs(mine - other) / (1 + np.abs(other)))
        assert gap < 1e-4, f"the nine variables differ by {gap}"
        row(f"SG envelope and nine variables, {options.series}", options, lambda: made(values),
            lambda: [peer.phenology(column) for column in few.T], f"{gap:.1g}", few.shape[1])
    if "logistic" in options.only:
        fitted = Smoother(times, options.series, SETTINGS)
        mine = fitted(few[:, :20])
        other = [peer.seasons(column) for column in few.T[:20]]
        gap = season_gap(mine, other, peer, few[:, :20])
        assert gap < 0.01, f"the median difference of the curves is {gap}"
        small = few[:, :max(options.peer // 5, 1)]
        row(f"double logistic, {options.series}", options, lambda: fitted(values),
            lambda: [peer.seasons(column) for column in small.T], f"median {gap:.1g}", small.shape[1])


def season_gap(mine: np.ndarray, other: list[list[np.ndarray]], peer: Peer, values: np.ndarray) -> float:
    """Return the median distance of the curves in the middle of the seasons, away from the blends."""
    gaps = []
    for column, raw, seasons in zip(mine.T, values.T, other):
        raw = peer.composite(raw)
        peaks = peer.years + peer.peak(peer.daily(peer.envelope(raw)))
        for peak, curve in zip(peaks, seasons):
            used = (np.abs(peer.middles - peak) <= HALF_YEAR + RAMP) & np.isfinite(raw)
            core = np.abs(peer.middles[used] - peak) < HALF_YEAR - RAMP
            gaps.append(np.abs(column[used] - curve)[core])
    return float(np.median(np.concatenate(gaps)))


if __name__ == "__main__":
    main()
