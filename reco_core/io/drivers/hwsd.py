"""The Harmonized World Soil Database: a raster of mapping units and the table of their soils."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import pandas as pd

from ...errors import SchemaError
from ..rasters.arrays import VariableReader, lazy_variable
from .layers import DIMS, Layer, given_name
from .product_values import LookedUp

UNIT, SHARE = "MU_GLOBAL", "SHARE"
PROPERTIES = {  # column of the topsoil (0 to 30 cm) -> driver, unit
    "T_OC": ("oc", "%"), "T_GRAVEL": ("gravel", "%"), "T_BULK_DENSITY": ("bulk_density", "kg dm-3"),
    "T_CLAY": ("clay", "%"), "T_SILT": ("silt", "%"), "T_SAND": ("sand", "%")}
FETCH = ("Export the table HWSD_DATA of the data base (HWSD.mdb) as CSV, and put it beside the raster or name it in "
         "drivers: hwsd.bil,HWSD_DATA.csv")


def find_table(raster: str, given: Sequence[str]) -> Path:
    """Return the table of mapping units: one that is given, or a CSV beside the raster that has its columns.

    Raises
    ------
    SchemaError
        There is none.
    """
    if given:
        return Path(given[0])
    folder = Path(raster).parent
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() == ".csv" and UNIT.lower() in _header(path).lower():
            return path
    raise SchemaError(f"'{raster}' has mapping units of HWSD, and no table of their soils lies in '{folder}'", FETCH)


def _header(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline(65536)


def read_table(path: str | Path) -> pd.DataFrame:
    """Return the share-weighted means of soil properties of each mapping unit.

    Parameters
    ----------
    path : path
        CSV with `MU_GLOBAL`, `SHARE` [%] and columns `T_OC`, `T_GRAVEL`, ...

    Returns
    -------
    pandas.DataFrame
        Index MU_GLOBAL, increasing; soils without a value (rock, water, ice) do not count.

    Raises
    ------
    SchemaError
        It is no table, lacks columns, or has no numbers in them.
    """
    try:
        table = pd.read_csv(path, sep=None, engine="python", encoding_errors="replace")
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise SchemaError(f"'{path}' is no table that can be read: {error}", FETCH) from error
    table.columns = [str(name).strip().strip('"').upper() for name in table.columns]
    properties = [name for name in PROPERTIES if name in table]
    lacking = [name for name in (UNIT, SHARE) if name not in table]
    if lacking or not properties:
        wanted = ", ".join((UNIT, SHARE, *PROPERTIES))
        raise SchemaError(f"'{path}' has no column {', '.join(lacking or list(PROPERTIES))}; its columns are "
                          f"{', '.join(table.columns[:12])}; wanted are {wanted}", FETCH)
    numbers = table[[UNIT, SHARE, *properties]].apply(pd.to_numeric, errors="coerce")
    rows = numbers[UNIT].notna() & (numbers[SHARE] > 0)
    if not rows.any():
        raise SchemaError(f"'{path}' has no row with a mapping unit and a share", FETCH)
    return _means(numbers[rows], properties)


def _means(table: pd.DataFrame, properties: Sequence[str]) -> pd.DataFrame:
    units = table[UNIT].to_numpy("float64")
    share = table[SHARE].to_numpy("float64")
    keys, at = np.unique(units, return_inverse=True)
    means = {}
    for name in properties:
        values = table[name].to_numpy("float64")
        good = np.isfinite(values) & (values >= 0)
        total = np.bincount(at[good], share[good], minlength=keys.size)
        sums = np.bincount(at[good], share[good] * values[good], minlength=keys.size)
        means[name] = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)
    return pd.DataFrame(means, index=pd.Index(keys, name=UNIT))


def soil_layers(units: Layer, table: str | Path, variables: Mapping[str, str]) -> list[Layer]:
    """Return the soil drivers of a raster of mapping units.

    Parameters
    ----------
    units : Layer
        The mapping units; its values are keys of the table.
    table : path
    variables : mapping of columns to RECO names

    Raises
    ------
    SchemaError
        See `read_table`.
    """
    means = read_table(table)
    reader = VariableReader(units.data, DIMS, units.where)
    keys = means.index.to_numpy("float64")
    note = (f"{units.label}: HWSD, soils of {len(means)} mapping units in {Path(table).name} averaged by their shares, "
            "0 to 30 cm")
    layers = []
    for column in means:
        name, unit = PROPERTIES[str(column)]
        data = lazy_variable(DIMS, LookedUp(reader, keys, means[column].to_numpy("float64")))
        layers.append(Layer(given_name(str(column), variables) or name, f"{units.where} ({column})", data, units.grid,
                            None, unit, str(column), notes=(note,), problems=units.problems))
    return layers
