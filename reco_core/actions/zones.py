"""The action that makes environmentally similar zones of sites, and maps them."""

from __future__ import annotations

import json
from typing import Any, Optional

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import SampleError
from ..evaluation.tamhane import CITATION, letters, tamhane_t2
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models.inner import inner_folds
from ..models.table import Table
from ..models.tabular import Scaling
from ..models.zonal_forest import ZonalForest
from ..models.zone_choice import COUNTS, ZoneCount, best_count, compare_counts
from ..models.zone_plan import INNER_FOLDS
from ..models.zones import CLIMATE, Zones, choose_factors, factors_of_rows, learn_zones, stand_ins
from ..progress import Progress
from .texts import names as split_names
from .zone_maps import map_zones

LEVEL = 0.05
TOO_HIGH = "Lower min_records, add sites, or say how many zones there shall be"


def make_zones(*, samples: str, factors: Optional[str], zones: int, scheme: str, min_records: int, variant: str,
               seed: int, memory: float, output: str, sites: str, choice: str, tests: str, map: Optional[str],
               novelty: Optional[str], progress: Progress, **inputs: Any) -> dict[str, Any]:
    """Group sites into zones, test how they differ, and map them where drivers are given."""
    ds = open_samples(samples)
    table = Table.of(ds, CLIMATE)
    names = choose_factors(";".join(split_names(factors)) or "auto", table.features)
    values = factors_of_rows(table.X, table.features, names)
    if not np.isfinite(values).all(axis=1).any():
        raise SampleError(f"No site has all factors: {', '.join(names)}", "Leave out the one with most gaps (factors)")
    if 2 * min_records > len(table) and not zones:
        raise SampleError(f"{len(table)} samples cannot be put into zones of at least {min_records}", TOO_HIGH)
    counts = _counts(table, values, names, zones, scheme=scheme, least=min_records, variant=variant, seed=seed,
                     progress=progress.span(0.0, 0.7))
    count = zones or best_count(counts, min_records)
    if count is None:
        raise SampleError(f"No number of zones leaves every zone {min_records} records", TOO_HIGH)
    rows = _sites(ds, table, values, names)
    found = learn_zones(rows[list(names)].to_numpy(), names, count, seed=seed, variant=variant)
    rows.insert(3, "zone", found.labels(rows[list(names)].to_numpy()))
    rows.insert(4, "novelty", found.distances(rows[list(names)].to_numpy()).min(axis=1) / found.reach)
    differences, words = _tests(rows, names, found.count)
    with atomic(output) as first, atomic(sites) as second, atomic(choice) as third, atomic(tests) as fourth:
        record = {**found.to_plain(), "flux_kind": ds.attrs["flux_kind"], "seed": seed, "variant": variant}
        first.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for frame, path in ((rows, second), (pd.DataFrame([row.to_dict() for row in counts]), third),
                            (differences, fourth)):
            frame.to_csv(path, index=False, lineterminator="\n", float_format="%.10g")
    lines = [*_lines(found, counts, rows, names, min_records), *words]
    written: dict[str, Any] = {"output": output, "sites": sites, "choice": choice, "tests": tests}
    if inputs.get("drivers") or inputs.get("layers"):
        wanted = {name: path for name, path in (("map", map), ("novelty", novelty)) if path}
        lines += map_zones(found, inputs, wanted, memory, progress.span(0.75, 1.0))
        written.update(wanted)
    return {**written, "summary": lines, "citations": [*ZonalForest.citations[:1], CITATION]}


def _counts(table: Table, values: np.ndarray, names: tuple[str, ...], zones: int, *, scheme: str, least: int,
            variant: str, seed: int, progress: Progress) -> list[ZoneCount]:
    own = table.X[:, :len(table.features)]
    filled = Scaling.of(Table.plain(own, table.y, group=table.group), False).rows(own)
    fold = table.group if scheme == "loso" else inner_folds(table.group, INNER_FOLDS, seed)
    return compare_counts(values, names, table.site, filled, table.y, fold,
                          counts=(1, zones) if zones else (1, *COUNTS), least=least, seed=seed, variant=variant,
                          progress=progress)


def _sites(ds: xr.Dataset, table: Table, values: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per site: where it is, its records and its factors."""
    _, first, sizes = np.unique(table.site, return_index=True, return_counts=True)
    where = {name: ds[name].values[first] for name in ("lat", "lon")}
    return pd.DataFrame({"site": table.site[first], **where, "records": sizes,
                         **{name: column[first] for name, column in zip(names, values.T)}})


def _tests(rows: pd.DataFrame, names: tuple[str, ...], count: int) -> tuple[pd.DataFrame, list[str]]:
    """Return Tamhane's T2 of every factor, and a line for each that says which zones differ."""
    records, lines = [], []
    for name in names:
        groups = [rows.loc[rows["zone"] == zone, name].to_numpy("float64") for zone in range(1, count + 1)]
        pairs = tamhane_t2(groups)
        for pair in pairs:
            records.append({"factor": name, "zone_a": pair.first + 1, "zone_b": pair.second + 1,
                            "mean_a": _mean(groups[pair.first]), "mean_b": _mean(groups[pair.second]), "t": pair.t,
                            "df": pair.freedom, "p": pair.p, "p_adjusted": pair.p_adjusted})
        differ = sum(pair.p_adjusted < LEVEL for pair in pairs)
        marks = " ".join(f"{zone}{mark}" for zone, mark in enumerate(letters(pairs, count), 1))
        lines.append(f"{name}: {differ} of {len(pairs)} pairs of zones differ (p < {LEVEL:g}, Tamhane's T2): {marks}")
    columns = ["factor", "zone_a", "zone_b", "mean_a", "mean_b", "t", "df", "p", "p_adjusted"]
    return pd.DataFrame(records, columns=columns), lines


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _lines(found: Zones, counts: list[ZoneCount], rows: pd.DataFrame, names: tuple[str, ...],
           least: int) -> list[str]:
    known = rows[rows["zone"] > 0]
    lines = [f"{found.count} zones of {len(known)} sites by {', '.join(names)}; "
             f"{found.loadings.shape[1]} components have {found.explained.sum():.0%} of the variance"]
    words = stand_ins(names)
    if words:
        lines.append("Against the published factors: " + "; ".join(words))
    if len(known) < len(rows):
        lines.append(f"{len(rows) - len(known)} sites lack a factor and have no zone")
    for zone, part in known.groupby("zone"):
        means = ", ".join(f"{name} {part[name].mean():.3g}" for name in names)
        few = f" - fewer than {least}: the forest of all zones would serve it" if part["records"].sum() < least else ""
        lines.append(f"zone {zone}: {len(part)} sites, {part['records'].sum()} records ({means}){few}")
    lines += [f"{row.zones} zones: R² {row.r2:.3f}, RMSE {row.rmse:.2f} on held-out sites, silhouette "
              f"{row.silhouette:.2f}, smallest {row.min_sites} sites and {row.min_records} records"
              for row in counts if row.zones > 1]
    unified = [f"One forest for all sites: R² {row.r2:.3f}, RMSE {row.rmse:.2f} on held-out sites"
               for row in counts if row.zones == 1]
    return lines + unified
