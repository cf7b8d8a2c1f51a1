"""Where towers stand and what grows there: site tables of any spelling, and the BADM files in archives."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import pandas as pd

from ...errors import SchemaError
from ...vocabulary import VARIABLES
from ..archives import Source, find_sources
from ..tables import Table, is_table, read_table
from .columns import ROLES, classes, plain

SITE_COLUMNS = ("lat", "lon", "igbp", "elevation", "network")
MAX_POSITION_SPREAD = 0.1
_SPELLINGS = {**{role: ROLES[role] for role in ("site", "lat", "lon", "igbp", "network")},
              "elevation": ("elevation", *VARIABLES["elevation"].aliases, "location_elev", "altitude_m")}
_BADM = {"LOCATION_LAT": "lat", "LOCATION_LONG": "lon", "LOCATION_ELEV": "elevation", "IGBP": "igbp"}


def read_sites(path: str) -> pd.DataFrame:
    """Read a site table: one row per site, also from a table with many rows per site.

    Returns
    -------
    pandas.DataFrame
        Index site; columns lat, lon [degree], elevation [m], igbp, network (text, '' where unknown);
        from BADM files also doi.

    Raises
    ------
    SchemaError
        There is no site column, a position is impossible, or rows of one site contradict each other.
    """
    sources = [source for source in find_sources(path) if is_table(source.name)]
    if len(sources) != 1:
        raise SchemaError(f"'{path}' holds {len(sources)} tables; one site table was wanted", "Give one file")
    return read_site_table(sources[0])


def read_site_table(source: Source) -> pd.DataFrame:
    """Read one site table, plain or in the BADM layout (SITE_ID, VARIABLE, DATAVALUE)."""
    picked: dict[str, str] = {}

    def choose(names: list[str]) -> Sequence[str]:
        by_plain = {plain(name): name for name in reversed(names)}
        if {"variable", "datavalue", "site_id"} <= set(by_plain):
            picked.update({key: by_plain[key] for key in ("site_id", "variable", "datavalue")})
            return list(picked.values())
        for role, spellings in _SPELLINGS.items():
            found = [by_plain[key] for key in spellings if key in by_plain]
            if found:
                picked[role] = found[0]
        if "site" not in picked:
            raise SchemaError(f"'{source.label}' has no site column", "Name it 'site'; columns: " + ", ".join(names))
        return list(picked.values())

    table = read_table(source, choose, text_columns=lambda names: [
        name for name in names if name in (picked.get("site"), picked.get("datavalue"), picked.get("igbp"))])
    frame = _badm(table, picked) if "datavalue" in picked else _columns(table, picked)
    return _one_row_per_site(frame, source.label)


def _columns(table: Table, picked: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame({"site": table.texts(picked["site"])})
    for name in SITE_COLUMNS:
        is_text = name in ("igbp", "network")
        if name not in picked:
            frame[name] = "" if is_text else np.nan
        elif is_text:
            texts = table.texts(picked[name])
            frame[name] = classes(texts) if name == "igbp" else texts
        else:
            frame[name] = table.numbers(picked[name])
    return frame


def _badm(table: Table, picked: dict[str, str]) -> pd.DataFrame:
    long = pd.DataFrame({key: table.texts(picked[key]) for key in ("site_id", "variable", "datavalue")})
    dois = long[(long["variable"] == "DOI") & (long["datavalue"] != "")]
    long = long[long["variable"].isin(_BADM)].drop_duplicates(["site_id", "variable"])
    wide = long.pivot(index="site_id", columns="variable", values="datavalue").rename(columns=_BADM)
    frame = pd.DataFrame({"site": wide.index.to_numpy(object)})
    for name in ("lat", "lon", "elevation"):
        values = wide[name] if name in wide else pd.Series(np.nan, index=wide.index)
        frame[name] = pd.to_numeric(values, errors="coerce").to_numpy("float64")
    frame["igbp"] = wide["igbp"].fillna("").to_numpy(object) if "igbp" in wide else ""
    frame["network"] = ""
    cited = dois.groupby("site_id")["datavalue"].agg(lambda texts: ", ".join(sorted(set(texts))))
    frame["doi"] = [cited.get(site, "") for site in frame["site"]]
    return frame


def _one_row_per_site(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    frame = frame[frame["site"] != ""]
    grouped = frame.groupby("site", sort=True)
    for name, limit in (("lat", 90.0), ("lon", 360.0)):
        bad = frame[frame[name].abs() > limit]
        if len(bad):
            raise SchemaError(f"'{label}': {name} of site '{bad['site'].iloc[0]}' is {bad[name].iloc[0]:g}",
                              f"|{name}| is at most {limit:g}; are latitude and longitude swapped?")
        spread = grouped[name].max() - grouped[name].min()
        if (spread > MAX_POSITION_SPREAD).any():
            site = spread.idxmax()
            raise SchemaError(f"'{label}': site '{site}' stands at several places ({name} differs by "
                              f"{spread[site]:g} degrees)", "Give each site one position")
    first = grouped[[name for name in (*SITE_COLUMNS, "doi") if name in frame]].first()
    first["lon"] = np.where(first["lon"] > 180, first["lon"] - 360, first["lon"])
    return first
