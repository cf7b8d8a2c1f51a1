"""Drivers of the published forests of four zones (Table I of Zhu et al. 2024), for RH, RS and RECO alike."""

from __future__ import annotations

from typing import Sequence

from ..errors import ConfigError

TABLE1: dict[str, tuple[str, ...]] = {
    "z1": ("lst_day_max", "lswi", "lswi_min", "et_max", "gpp", "evi", "doy_sin"),
    "z2": ("lst_day", "lst_night", "lswi", "lswi_min", "evi", "evi_max", "doy_sin"),
    "z3": ("lst_day_max", "lst_night", "lswi_mean", "et", "gpp_max", "evi_max", "evi_mean", "ndvi_max", "lai"),
    "z4": ("lst_day_mean", "lst_night", "lst_night_mean", "lswi", "et_mean", "gpp", "gpp_min", "gpp_mean"),
}
ALL, WHOLE = "all", "table1"
CHOICES = (ALL, WHOLE, *TABLE1)


def preset_drivers(preset: str, label: str, features: Sequence[str]) -> list[int]:
    """Return the positions of the drivers that the forest of a zone sees.

    Parameters
    ----------
    preset : str
        "all"; "z1" to "z4", one published set for every zone; or "table1", the set of the zone's own
        number, and for a forest of all zones those of any of them.
    label : str
        "zone1", "zone2", ... or "all".
    features : sequence of str

    Raises
    ------
    ConfigError
        A driver of the set is not there, or the zone has no published set.
    """
    if preset == ALL:
        return list(range(len(features)))
    if preset == WHOLE and label != ALL:
        names = TABLE1.get(label.replace("zone", "z"), ())
        if not names:
            raise ConfigError(f"Table I has drivers of four zones, not of {label}", "Set zones=4, or features=all")
    else:
        names = tuple(dict.fromkeys(name for key, part in TABLE1.items() if preset in (WHOLE, key) for name in part))
    missing = [name for name in names if name not in features]
    if missing:
        raise ConfigError(f"The published drivers ({preset}) need {', '.join(missing)}",
                          f"There are: {', '.join(features)}; derive_annual makes least, mean and largest of the year")
    return [list(features).index(name) for name in names]
