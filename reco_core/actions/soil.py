"""The action that derives soil drivers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np
import xarray as xr

from ..drivers.soil import TEXTURES, complete_fractions, layer_depths, soc_density, texture
from ..errors import SchemaError
from ..progress import Progress
from ..vocabulary import variable
from .derive_run import Derivation, Made, Window, derive, open_inputs

FRACTIONS = ("clay", "silt", "sand")
CARBON = {"oc": 1.0, "soc": 0.1}  # names without depth, and percent per unit: soc is in g kg-1
TOPS = (0, 5, 10, 15, 30, 60, 100)  # depths [cm] at which layers of soil products begin
CITATIONS = {
    "soc_density": "Carvalhais, N. et al. (2014). Nature 514, 213-217. doi:10.1038/nature13731",
    "texture": "Soil Science Division Staff (2017). Soil Survey Manual. USDA Handbook 18.",
}


@dataclass(frozen=True)
class _Horizon:
    """One layer of soil: names of its drivers, and how thick it is [m]; gravel is empty where there is none."""

    top: int
    carbon: str
    percent: float
    density: str
    gravel: str
    thickness: float

    @property
    def names(self) -> list[str]:
        return [name for name in (self.carbon, self.density, self.gravel) if name]

    def stock(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return its carbon [kg C m-2]."""
        return soc_density(values[self.carbon] * self.percent, values[self.density],
                           values[self.gravel] if self.gravel else 0.0, thickness=self.thickness)


def derive_soil(*, thickness: float, memory: float, output: str, rasters: Optional[str], progress: Progress,
                **inputs: Any) -> dict[str, Any]:
    """Derive the carbon density of a layer of soil and the texture class."""
    ds = open_inputs(inputs)
    horizons = _horizons(ds, thickness)
    made = (["soc_density"] if horizons else []) + (["texture"] if all(name in ds for name in FRACTIONS) else [])
    names = _names(ds, horizons, made)
    counts: Counter[str] = Counter()

    def compute(window: Window) -> dict[str, np.ndarray]:
        results = {}
        if horizons:
            results["soc_density"] = np.sum([horizon.stock(window.values) for horizon in horizons], axis=0)
        if "texture" in made:
            results["texture"] = _texture([window.values[name] for name in FRACTIONS], counts)
        return results

    return derive(ds, names, Derivation(
        tuple(Made(name, variable(name).unit, variable(name).long_name, static=True) for name in made), compute,
        per_value=32.0, history=f"derive_soil: {', '.join(made)}" + (f", {thickness:g} m" if horizons else ""),
        notes=tuple(_notes(horizons, thickness)), citations=tuple(CITATIONS[name] for name in made),
        summary=lambda: _lines(counts)), output=output, rasters=rasters, memory=memory, progress=progress)


def _horizons(ds: xr.Dataset, thickness: float) -> list[_Horizon]:
    """Return the layers of soil with carbon and bulk density, from the top down to `thickness`."""
    found = {}
    for top in TOPS:
        suffix = f"_{top}" if top else ""
        carbons = {"oc" + suffix: CARBON["oc"], f"soc_{top}": CARBON["soc"]}
        carbon = next((name for name in carbons if name in ds), "")
        density, gravel = f"bulk_density{suffix}", f"gravel{suffix}"
        if carbon and density in ds:
            found[top] = (carbon, carbons[carbon], density, gravel if gravel in ds else "")
    if 0 not in found:
        return []
    return [_Horizon(top, *found[top], thickness=depth) for top, depth in layer_depths(list(found), thickness).items()]


def _names(ds: xr.Dataset, horizons: list[_Horizon], made: list[str]) -> list[str]:
    """Return the drivers to read; there must be some, and none may change in time."""
    names = [name for horizon in horizons for name in horizon.names] + (list(FRACTIONS) if "texture" in made else [])
    if not made:
        absent = {"soc_density": [name for name in ("oc", "bulk_density") if name not in ds
                                  and not (name == "oc" and "soc_0" in ds)],
                  "texture": [name for name in FRACTIONS if name not in ds]}
        raise SchemaError(
            "The drivers make no soil driver: soc_density needs oc, bulk_density (there is no "
            f"{', '.join(absent['soc_density'])}); texture needs clay, silt, sand (there is no "
            f"{', '.join(absent['texture'])})",
            "Pick the layers (oc_layer, bulk_density_layer, ...), or map names with variables")
    dated = [name for name in names if "time" in ds[name].dims]
    if dated:
        raise SchemaError(f"{', '.join(dated)} change in time; soil drivers must be static",
                          "Give one band without a date for each")
    return names


def _texture(parts: list[np.ndarray], counts: Counter[str]) -> np.ndarray:
    """Return texture classes, and count them and the cells whose fractions do not add up."""
    classes = texture(*parts)
    there = np.isfinite(np.stack(parts)).all(axis=0)
    counts["wrong"] += int((there & ~complete_fractions(*parts)).sum())
    counts["cells"] += int(there.sum())
    for code, name in enumerate(TEXTURES, 1):
        counts[name] += int((classes == code).sum())
    return classes


def _notes(horizons: list[_Horizon], thickness: float) -> list[str]:
    if not horizons:
        return []
    notes = [f"soc_density is of a layer of {thickness:g} m"]
    if len(horizons) > 1:
        parts = [f"{horizon.top}-{horizon.top + 100 * horizon.thickness:g} cm" for horizon in horizons]
        notes = [f"soc_density is the sum of the layers {', '.join(parts)}"]
    bare = [horizon for horizon in horizons if not horizon.gravel]
    if bare:
        notes[0] += " without gravel, since there is no driver 'gravel'" + (
            f" for {len(bare)} of them" if len(horizons) > 1 else "")
    used = [horizon.carbon for horizon in horizons if horizon.percent != 1]
    if used:
        notes.append(f"oc is {', '.join(used)} / {1 / CARBON['soc']:g}, since there is no driver 'oc'")
    return notes


def _lines(counts: Counter[str]) -> list[str]:
    if "cells" not in counts:
        return []
    lines = []
    if counts["wrong"]:
        lines.append(f"texture: {counts['wrong']} of {counts['cells']} cells are missing, because clay, silt and sand "
                     "do not add up to 100 % within 2 %")
    found = [f"{name} {counts[name]}" for name in TEXTURES if counts[name]]
    return lines + ([f"texture classes by cells: {', '.join(found)}"] if found else [])
