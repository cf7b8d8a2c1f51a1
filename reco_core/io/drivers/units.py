"""Drivers in their canonical units, converted when they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping

import numpy as np

from ...errors import RecoError, SchemaError
from ...vocabulary import canonical_name, to_canonical, variable
from ...vocabulary.calendar import step_days
from ..rasters.arrays import Linear, VariableReader, lazy_variable
from .layers import DIMS, Layer

PLAIN = ("", "1", "m2 m-2")  # canonical units that are so usual that their absence needs no remark


def in_canonical_unit(layer: Layer, units: Mapping[str, str]) -> Layer:
    """Return a layer in the canonical unit of its driver.

    Parameters
    ----------
    layer : Layer
        With its final time axis, since totals per time step need the length of each.
    units : mapping of driver or file name to unit
        What the user states; goes before what the file states.

    Raises
    ------
    SchemaError
        The unit is unknown or does not fit; the message names file and variable.
    """
    wanted = variable(layer.name).unit
    given = _given(layer, units)
    unit = given if given is not None else layer.unit.strip()
    if not wanted:
        return replace(layer, unit=unit)
    if not unit:
        note = () if wanted in PLAIN else (f"'{layer.name}' has no unit in {layer.label}: taken as {wanted}",)
        return replace(layer, unit=wanted, notes=(*layer.notes, *note))
    if unit == wanted or layer.name == "igbp":
        return replace(layer, unit=wanted)
    days = 1.0 if layer.axis is None else step_days(layer.axis.times, layer.axis.time_step)
    try:
        at_zero, at_one = (np.asarray(to_canonical(layer.name, value, unit, days=days), dtype="float64")
                           for value in (0.0, 1.0))
    except SchemaError as error:
        raise SchemaError(
            f"{layer.where}: unit '{unit}' of '{layer.file_name or layer.name}': {error.message}",
            f"State its unit, for example units=\"{layer.name}={wanted}\"") from error
    factor: np.ndarray | float = at_one - at_zero
    offset: np.ndarray | float = at_zero
    if np.ptp(factor) == 0 and np.ptp(offset) == 0:
        factor, offset = float(np.ravel(factor)[0]), float(np.ravel(offset)[0])
        if factor == 1 and offset == 0:
            return replace(layer, unit=wanted)
    data = lazy_variable(DIMS, Linear(VariableReader(layer.data, DIMS, layer.where), factor, offset))
    return replace(layer, data=data, unit=wanted)


def _given(layer: Layer, units: Mapping[str, str]) -> str | None:
    for name, unit in units.items():
        if name.strip().lower() in (layer.name, layer.file_name.lower()) or canonical_name(name) == layer.name:
            return unit.strip()
    return None


def in_canonical_units(layers: list[Layer], units: Mapping[str, str]) -> tuple[list[Layer], list[RecoError]]:
    """Return the layers in canonical units, and the errors of those whose unit cannot be understood."""
    done: list[Layer] = []
    errors: list[RecoError] = []
    for layer in layers:
        try:
            done.append(in_canonical_unit(layer, units))
        except SchemaError as error:
            errors.append(error)
    return done, errors
