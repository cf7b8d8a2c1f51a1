"""What 3, 6 and 12 known months of a tower are worth on its other months: skill before and after calibration.

Real towers of `ter_towers.py`; estimates by models that did not see the tower, 10 folds by site. Prints rows for
RESULTS.md: date, machine, model, assignments, known months, windows, R2 and MAE on the rest before and after, bias
after, usual error of a factor, usual records that say 1; and what a tower tells of others of its class, or near it.
Means over the assignments.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
from common import cannot, parsed
from ter_towers import COLUMNS, DRIVERS, ROOT

from reco_core.evaluation.crossval import cross_validate
from reco_core.evaluation.few_shot import few_shot
from reco_core.io.observations.read import read_observations
from reco_core.models.calibration import HeldOut, shrinkage, transfer
from reco_core.models.ensemble import Recipe
from reco_core.models.seeds import default_seeds
from reco_core.models.table import Table
from reco_core.samples.build import build_samples

KNOWN = (3, 6, 12)
TABLE = "flux_ter_causal_xgb_monthly/ter_site_month_drivers.csv.gz"


def held_out(data: Path, recipe: Recipe, assignments: int, processes: int) -> list[HeldOut]:
    """Return the records of all towers with estimates by models that did not see them, for each assignment."""
    observations = read_observations(data / TABLE, columns=COLUMNS, units={"reco": "g C m-2 month-1"})
    table = Table.of(build_samples(observations, features=DRIVERS), recipe.context)
    order = np.lexsort((table.step, table.site))
    found = cross_validate(table.take(order), recipe, assignments=assignments, processes=processes)
    return [HeldOut(found.observed, estimate, found.site, found.group, found.stratum, fold)
            for estimate, fold in zip(found.estimates, found.fold)]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECO_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument("--model", default="reco_blend")
    parser.add_argument("--settings")
    parser.add_argument("--per-class", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--assignments", type=int, default=3)
    parser.add_argument("--processes", type=int, default=0)
    options = parsed(parser, model="causal_xgboost", settings="robust,n_estimators=10", assignments=1, processes=1)
    if not (options.data / TABLE).exists():
        cannot(f"The towers are not in {options.data}: give the folder of the real data with --data or RECO_DATA")
    started = time.monotonic()
    recipe = Recipe(options.model, "uniform", options.per_class, settings=options.settings,
                    seeds=default_seeds(options.seeds))
    parts = held_out(options.data, recipe, options.assignments, options.processes)
    title = f"{options.model}{' per class' * options.per_class}{', ' * bool(options.settings)}{options.settings or ''}"
    first = f"| {date.today()} | {os.cpu_count()} cores, shared | {title} | "
    rows = [few_shot(part, KNOWN) for part in parts]
    print("| date | machine | model | assignments | known months | windows | R2 before to after | MAE before to after "
          "(g C m-2 month-1) | bias after | usual error of a factor | usual records that say 1 |")
    for number, count in enumerate(KNOWN):
        mean = {name: float(np.mean([row[number][name] for row in rows])) for name in rows[0][number]}
        print(first + f"{len(parts)} | {count} | {mean['windows']:.0f} | {mean['before_r2_nse']:.3f} to "
              f"{mean['after_r2_nse']:.3f} | {mean['before_mae']:.1f} to {mean['after_mae']:.1f} | "
              f"{mean['after_bias']:+.1f} | {mean['error']:.2f} | {mean['weight']:.1f} |")
    for name in ("stratum", "group"):
        shares = [transfer(part, getattr(part, name), shrinkage(part, 6).weight) for part in parts]
        print(f"a tower tells of others of its {name}: " + ", ".join(f"{item.share:.2f}" for item in shares)
              + f" ({shares[0].pairs} pairs)")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
