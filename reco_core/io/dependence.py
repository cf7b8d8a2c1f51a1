"""A sample of driver values and their contributions, for dependence curves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Mapping, Sequence

import numpy as np

from ..errors import SchemaError
from .files import atomic, require

if TYPE_CHECKING:
    import pandas as pd

FILENAME = "dependence.csv"
PREFIX = "contribution_"
MOST_ROWS = 5000


def write_dependence(path: str | os.PathLike[str], place: Mapping[str, Sequence[object]], drivers: Sequence[str],
                     values: np.ndarray, contributions: np.ndarray) -> None:
    """Write a sample of pixels and time steps.

    Parameters
    ----------
    path : path
    place : mapping
        `time` (label of the time step), `row` and `col` of each record, of length n.
    drivers : sequence of p names
    values : array (n, p) [unit of each driver]
    contributions : array (n, p) [unit of the flux]
    """
    import pandas as pd

    table = pd.DataFrame({name: place[name] for name in ("time", "row", "col")})
    for number, name in enumerate(drivers):
        table[name] = values[:, number]
        table[PREFIX + name] = contributions[:, number]
    table = table.sort_values(["time", "row", "col"], kind="stable")
    with atomic(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")


def read_dependence(path: str | os.PathLike[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the sample and the names of its drivers.

    Raises
    ------
    SchemaError
        The file is not there or lacks a column.
    """
    import pandas as pd

    table = pd.read_csv(require(path, "dependence sample"), dtype={"time": str})
    drivers = [name[len(PREFIX):] for name in table.columns if name.startswith(PREFIX)]
    for name in ("time", "row", "col", *drivers):
        if name not in table:
            raise SchemaError(f"'{path}' has no column '{name}'", "Run estimate_region again")
    return table, drivers
