"""The action that fits estimates to a few local records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd

from ..errors import ConfigError
from ..evaluation.metrics import score
from ..io.artifact import model_id
from ..io.files import atomic
from ..io.observations.read import open_samples
from ..models.base import FittedModel
from ..models.calibration import HeldOut, Shrinkage, Transfer, shrinkage, transfer
from ..progress import Progress
from .calibration_map import write_map
from .calibration_records import LocalRecords, local_records, places_of, used_records
from .models import open_model
from .texts import counted

LABEL = "CALIBRATED"
SHOWN = 8
SCORES = ("mae", "rmse", "bias", "r2_nse")


@dataclass(frozen=True)
class Place:
    """A place with its factor: where it comes from and what it is worth."""

    name: str
    kind: str
    factor: float
    error: float
    weight: float
    rows: np.ndarray
    known: np.ndarray
    towers: tuple[str, ...]


def calibrate(*, model: str, samples: str, place: str, known: int, period: Optional[str], region: Optional[str],
              estimate: Optional[str], class_layer: Optional[str], radius_km: float, transfer: Optional[float],
              align: str, memory: float, output: str, table: str, calibrated: Optional[str],
              progress: Progress) -> dict[str, Any]:
    """Learn scale factors from local records, and apply them to the records and to a map."""
    _check_inputs(place, region, estimate, class_layer)
    fitted, ds = open_model(model), open_samples(samples)
    records = local_records(fitted, ds, on_map=bool(estimate), progress=progress)
    labels = places_of(records, place, region)
    used = used_records(records, labels, known, period, progress)
    held = held_out(fitted)
    progress(0.2, "Learning from the training sites how far local records can be trusted")
    strength, share = _strength(held, records, used, place, transfer, progress)
    places = _factors(records, labels, used, place, strength, share)
    result = {"output": output, "table": table}
    lines = [_strength_line(next(iter(strength.values())), share, place), *_place_lines(places, records)]
    with atomic(output) as factors, atomic(table) as rows:
        _csv(pd.DataFrame([_row(item, records, place) for item in places]), factors)
        _csv(_table(places, records, used), rows)
        if estimate and calibrated:
            target = calibrated.replace("{flux}", fitted.flux_kind)
            cells = write_map(fitted, estimate, target, {item.name: item.factor for item in places}, records,
                              model=model_id(model), place=place, region=region, class_layer=class_layer,
                              radius_km=radius_km, align=align, memory=memory, progress=progress.span(0.4, 1.0))
            result["calibrated"] = target
            lines.append(f"{LABEL} map of {counted(cells, 'cell')}; the other cells are empty, and the blind map stays "
                         "as it is")
    return {**result, "summary": lines, "citations": list(fitted.provenance.get("citations", ())),
            "details": {"places": {item.name: {"factor": item.factor, "error": item.error} for item in places},
                        "transfer": None if share is None else share.share, "skill": _skill(places, records)}}


def held_out(fitted: FittedModel) -> HeldOut:
    """Return the training records of a model with estimates by models that did not see their site."""
    kept = fitted.reference
    return HeldOut(*(np.asarray(kept[name]) for name in ("y", "held_out", "site", "group", "stratum", "fold")))


def _check_inputs(place: str, region: Optional[str], estimate: Optional[str], class_layer: Optional[str]) -> None:
    if place == "region" and not region:
        raise ConfigError("A factor of a region is asked for and no region is given", "Give region, or another place")
    if place != "region" and region:
        raise ConfigError(f"A region is given and the place is {place}", "Choose place=region, or give no region")
    if place == "class" and estimate and not class_layer:
        raise ConfigError("A map with factors of classes is asked for and no class layer is given",
                          "Give class_layer, a raster of IGBP codes")


def _strength(held: HeldOut, records: LocalRecords, used: np.ndarray, place: str, given: Optional[float],
              progress: Progress) -> tuple[dict[str, Shrinkage], Optional[Transfer]]:
    """Return for each tower how strongly its factor is drawn towards 1, and what it tells of others."""
    counts = {site: int(used[records.site == site].sum()) for site in np.unique(records.site[used])}
    by_count = {count: shrinkage(held, count) for count in sorted(set(counts.values()))}
    strength = {site: by_count[count] for site, count in counts.items()}
    if place == "tower":
        return strength, None
    kin = held.stratum if place == "class" else held.group.astype(str)
    share = transfer(held, kin, next(iter(by_count.values())).weight)
    if given is not None:
        return strength, Transfer(given, share.pairs, share.spread)
    if share.pairs == 0:
        progress.warn(f"Too few training sites are {_kin(place)}: that a tower tells half as much of other places as "
                      "of itself is a guess")
    elif share.share < 0.05:
        progress.warn(f"Among the training sites a tower tells nothing of others that are {_kin(place)}: factors stay "
                      "near 1. Give transfer to overrule that")
    return strength, share


def _kin(place: str) -> str:
    return "of the same class" if place == "class" else "near each other"


def _factors(records: LocalRecords, labels: np.ndarray, used: np.ndarray, kind: str,
             strength: dict[str, Shrinkage], share: Optional[Transfer]) -> list[Place]:
    places = []
    for name in np.unique(labels[used]):
        rows = labels == name
        towers = np.unique(records.site[rows & used])
        found = []
        for tower in towers:
            at = rows & used & (records.site == tower)
            found.append(strength[tower].factor(records.observed[at], records.blind[at]) - 1)
        weight = 1.0 if share is None else share.of(len(towers))
        error = strength[towers[0]].error if share is None else share.error(len(towers))
        places.append(Place(str(name), kind, 1 + weight * float(np.mean(found)), error, weight, rows, rows & used,
                            tuple(str(tower) for tower in towers)))
    return places


def _scores(item: Place, records: LocalRecords) -> dict[str, float]:
    """Return the skill on the records of a place that were not used, before and after."""
    return _compared(records.take(item.rows & ~item.known), item.factor)


def _skill(places: list[Place], records: LocalRecords) -> dict[str, float]:
    """Return the skill on all records of the places that were not used."""
    rest = np.any([item.rows & ~item.known for item in places], axis=0)
    return _compared(records.take(rest), _factor_of_rows(places, records)[rest])


def _compared(rest: LocalRecords, factor: Any) -> dict[str, float]:
    before, after = score(rest.observed, rest.blind), score(rest.observed, factor * rest.blind)
    return {"rest": len(rest.site), **{f"{name}_{when}": part[name] for name in SCORES
                                       for when, part in (("blind", before), ("calibrated", after))}}


def _factor_of_rows(places: list[Place], records: LocalRecords) -> np.ndarray:
    factor = np.full(len(records.site), np.nan)
    for item in places:
        factor[item.rows] = item.factor
    return factor


def _row(item: Place, records: LocalRecords, kind: str) -> dict[str, Any]:
    first, last = records.take(item.known).span
    return {"place": item.name, "kind": kind, "factor": item.factor, "error": item.error, "weight": item.weight,
            "towers": len(item.towers), "records": int(item.known.sum()), "first": first, "last": last,
            **_scores(item, records)}


def _table(places: list[Place], records: LocalRecords, used: np.ndarray) -> pd.DataFrame:
    factor = _factor_of_rows(places, records)
    table = pd.DataFrame({"site": records.site, "time": records.label, "lat": records.lat, "lon": records.lon,
                          "igbp": records.igbp, "observed": records.observed, "blind": records.blind,
                          "factor": factor, "calibrated": factor * records.blind, "used": used.astype(int)})
    return table[np.isfinite(factor)]


def _strength_line(strength: Shrinkage, share: Optional[Transfer], place: str) -> str:
    line = (f"From {strength.sites} training sites: the factor 1 weighs {strength.weight:.2g} usual records; "
            f"a factor of {strength.records} records errs by {strength.error:.2f}")
    if share is not None:
        line += f"; a tower tells {share.share:.2f} of what it shows about others {_kin(place)}"
    return line


def _place_lines(places: list[Place], records: LocalRecords) -> list[str]:
    lines = []
    for item in places[:SHOWN]:
        found = _scores(item, records)
        lines.append(f"{item.name}: factor {item.factor:.2f} (± {item.error:.2f}) from {item.known.sum()} records at "
                     f"{counted(len(item.towers), 'tower')}{_gain(found)}")
    if len(places) > SHOWN:
        lines.append(f"and {len(places) - SHOWN} more places")
    whole = _skill(places, records)
    lines.append(f"All together{_gain(whole)}" if whole["rest"] >= 3 else
                 "All records were used: what the factors are worth can only be told with known or period")
    return lines


def _gain(found: dict[str, float]) -> str:
    if found["rest"] < 3:
        return ""
    return (f"; on {int(found['rest'])} records not used: "
            f"MAE {found['mae_blind']:.3g} to {found['mae_calibrated']:.3g}, "
            f"R² {found['r2_nse_blind']:.2f} to {found['r2_nse_calibrated']:.2f}, "
            f"bias {found['bias_blind']:+.3g} to {found['bias_calibrated']:+.3g}")


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.10g")
