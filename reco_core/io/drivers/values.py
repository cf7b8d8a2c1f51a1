"""Whether the values of drivers can be what they are said to be."""

from __future__ import annotations

import numpy as np

from ...errors import SchemaError
from ...vocabulary import variable

SLACK = 1e-4  # of the valid range: what packing and resampling may add


def check_range(name: str, values: np.ndarray, where: str) -> None:
    """Check that values of a driver lie in its valid range; NaN is missing and passes.

    Parameters
    ----------
    name : str
        Name of the driver; unknown drivers have no limits.
    values : array [canonical unit of the driver]
    where : str
        Where the values come from (file, band, time step), for the message.

    Raises
    ------
    SchemaError
        A value is outside.
    """
    known = variable(name)
    flat = np.asarray(values).reshape(-1)
    if flat.size == 0 or not (np.isfinite(known.low) or np.isfinite(known.high)):
        return
    least = float(np.fmin.reduce(flat))
    if np.isnan(least):
        return
    most = float(np.fmax.reduce(flat))
    slack = SLACK * (known.high - known.low)
    if least < known.low - slack or most > known.high + slack:
        value = least if least < known.low - slack else most
        unit = "" if known.unit in ("", "1") else f" {known.unit}"
        raise SchemaError(
            f"'{name}' is {value:g}{unit} in {where}; valid are {known.low:g} to {known.high:g}{unit}",
            "Check its unit (units), scale factor and nodata value, or its name (variables)")
