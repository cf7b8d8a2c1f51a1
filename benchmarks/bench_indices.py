"""A MOD09A1 tile to EVI, NIRv and LSWI with quality screening: ours against scripts as people write them.

All in the same run. Writes a synthetic granule (HDF4, deflated as the real ones) of `--size` cells, unless `--granule`
names one. Ours: granule to screened reflectances to indices. Peers, both pyhdf and numpy: `masked`, whole arrays
of numpy.ma with a mask per flag, and `loop`, a test of each pixel's bits in Python (on `--rows` rows, scaled up).
Checks that all give the same values, then prints one row: seconds (medians of `--repeats`, interleaved) and ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from common import parsed

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from modis import granule
from reco_core.actions.satellite import screening
from reco_core.deps import need
from reco_core.drivers import indices, qa
from reco_core.io.satellite.cube import satellite_dataset
from reco_core.io.satellite.files import find_scenes

BANDS = {"red": "sur_refl_b01", "nir": "sur_refl_b02", "blue": "sur_refl_b03", "swir": "sur_refl_b06"}
STATE = "sur_refl_state_500m"
LEVELS = (600, 3000, 350, 700, 2800, 2000, 1200)  # of the stored bands
INDICES = ("evi", "nirv", "lswi")


def tile(folder: Path, size: int) -> Path:
    """Write a granule with smooth reflectances and flags in patches and return its path."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    attrs = {"scale_factor": 1e-4, "add_offset": 0.0, "_FillValue": -28672, "valid_range": [-100, 16000]}
    layers = {}
    for number in range(1, 8):
        wave = np.sin(9 * x + number) * np.cos(7 * y - number)
        field = LEVELS[number - 1] * (1 + 0.3 * wave + rng.normal(0, 0.03, (size, size)))
        field[rng.random((size, size)) < 0.01] = -28672
        layers[f"sur_refl_b0{number}"] = (field.astype("int16"), attrs)
    patches = np.kron(rng.integers(0, 65536, (size // 40 + 1, size // 40 + 1)), np.ones((40, 40), dtype=int))
    clear = np.kron(rng.random((size // 40 + 1, size // 40 + 1)) < 0.7, np.ones((40, 40), dtype=bool))
    flags = np.where(clear, 0b01001000, patches)[:size, :size].astype("uint16")
    layers[STATE] = (flags, {"_FillValue": 65535, "valid_range": [0, 57343]})
    return granule(folder, layers)


def ours(path: Path) -> dict[str, np.ndarray]:
    """Return the indices of a granule as `read_satellite` and `derive_indices` make them."""
    with tempfile.TemporaryDirectory() as folder:
        found = find_scenes([path], "auto", Path(folder))
        rule = qa.rule(found.product.rule, "standard")
        ds, _ = satellite_dataset(found, chosen=list(BANDS), screening=screening(rule, "standard"))
        bands = {name: ds[name].values[0] for name in BANDS}
        return indices.compute(INDICES, **bands)


def read(path: Path, rows: slice = slice(None)) -> dict[str, np.ndarray]:
    """Return the stored bands and flags."""
    module = need("pyhdf.SD", extra="modis")
    file = module.SD(str(path), module.SDC.READ)
    found = {name: file.select(stored)[:] for name, stored in {**BANDS, "state": STATE}.items()}
    file.end()
    return {name: values[rows] for name, values in found.items()}


def formulas(red: np.ndarray, nir: np.ndarray, blue: np.ndarray, swir: np.ndarray) -> dict[str, np.ndarray]:
    """Return the indices by their formulas, EVI of two bands where blue is masked, outliers masked."""
    bands = [np.ma.masked_outside(band, 0, 1.6) for band in (red, nir, blue, swir)]
    red, nir, blue, swir = bands
    evi = 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)
    two = 2.5 * (nir - red) / (nir + 2.4 * red + 1)
    denominator = np.ma.filled(nir + 6 * red - 7.5 * blue + 1, 1.0)
    evi = np.ma.masked_where(denominator <= 0, evi)
    evi = np.ma.where(np.ma.getmaskarray(blue), two, evi)
    return {"evi": np.ma.masked_outside(evi, -0.2, 1.0), "nirv": (nir - red) / (nir + red) * nir,
            "lswi": (nir - swir) / (nir + swir)}


def masked(path: Path) -> dict[str, np.ndarray]:
    """Return the indices as a careful script makes them: numpy.ma, one mask per flag."""
    layers = read(path)
    state = layers.pop("state")
    bad = ~(((state & 3) == 0) | ((state & 3) == 3))
    for flag in ((state >> 2) & 1, (state >> 10) & 1, (state >> 12) & 1, (state >> 15) & 1, ((state >> 8) & 3) > 1):
        bad |= flag.astype(bool)
    hazy = ((state >> 6) & 3) == 3
    bands = {}
    for name, stored in layers.items():
        values = np.ma.masked_outside(np.ma.masked_equal(stored, -28672), -100, 16000) * 1e-4
        bands[name] = np.ma.masked_where(bad | hazy if name == "blue" else bad, values)
    return {name: values.astype("float32").filled(np.nan) for name, values in formulas(**bands).items()}


def loop(path: Path, rows: int) -> dict[str, np.ndarray]:
    """Return the indices of the first rows as many scripts make them: the bits of each pixel as text."""
    layers = read(path, slice(0, rows))
    state = layers.pop("state")
    bad, hazy = np.zeros(state.shape, dtype=bool), np.zeros(state.shape, dtype=bool)
    for row in range(state.shape[0]):
        for column in range(state.shape[1]):
            bits = format(int(state[row, column]), "016b")
            bad[row, column] = (bits[14:] in ("01", "10") or bits[13] == "1" or bits[5] == "1" or bits[3] == "1"
                                or bits[0] == "1" or bits[6:8] in ("10", "11"))
            hazy[row, column] = bits[8:10] == "11"
    bands = {name: np.ma.masked_where((stored < -100) | (stored > 16000) | bad | (hazy if name == "blue" else False),
                                      stored * 1e-4) for name, stored in layers.items()}
    return {name: values.astype("float32").filled(np.nan) for name, values in formulas(**bands).items()}


def seconds(function, *args) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main() -> None:
    """Check the answers, measure and print a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2400, help="cells along a side")
    parser.add_argument("--granule", type=Path, help="a real MOD09A1 granule instead (HDF4)")
    parser.add_argument("--rows", type=int, default=60, help="rows that the loop computes")
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, size=240, rows=4, repeats=1)
    with tempfile.TemporaryDirectory() as folder:
        path = options.granule or tile(Path(folder), options.size)
        mine, theirs, slow = ours(path), masked(path), loop(path, options.rows)
        gap = max(float(np.nanmax(np.abs(mine[name] - theirs[name]))) for name in INDICES)
        for name in INDICES:
            assert np.array_equal(np.isnan(mine[name]), np.isnan(theirs[name])), f"{name}: other gaps than numpy.ma"
            np.testing.assert_allclose(slow[name], mine[name][:options.rows], atol=1e-4)
        assert gap < 1e-4, f"the answers differ by {gap}"
        shape = mine["evi"].shape
        rows = min(options.rows, shape[0])
        runs = [(seconds(ours, path), seconds(masked, path),
                 (seconds(loop, path, rows) - seconds(read, path)) * shape[0] / rows)
                for _ in range(options.repeats)]
    ours_s, masked_s, loop_s = (statistics.median(run[i] for run in runs) for i in range(3))
    kept = float(np.isfinite(mine["evi"]).mean())
    print("| date | machine | tile | ours (s) | numpy.ma (s) | per-pixel loop (s) | largest difference | kept |")
    print(f"| {date.today()} | {os.cpu_count()} cores | {shape[0]} x {shape[1]} | {ours_s:.2f} | {masked_s:.2f} "
          f"({masked_s / ours_s:.1f} x) | {loop_s:.0f} ({loop_s / ours_s:.0f} x) | {gap:.1g} | {kept:.0%} |")


if __name__ == "__main__":
    main()
