"""Opens what maps are made from: a fitted model and the drivers it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence

import xarray as xr

from ..errors import RecoError, SchemaError
from ..inference.grid import CLASS_VARIABLE, DriverReader
from ..io.drivers.files import open_drivers
from ..io.rasters.grid import Grid
from ..models.base import FittedModel
from ..progress import Progress
from ..vocabulary.variables import VARIABLES
from .texts import names, pairs

# the parameters of a step that say what the drivers are and which part of them is mapped
GRIDS = ("drivers", "layers", "layer_names", "variables", "units", "start", "time_step", "align", "region", "period",
         "class_layer")


@dataclass(frozen=True)
class MapInputs:
    """A fitted model, its identity, and a reader of the drivers it needs."""

    fitted: FittedModel
    model_id: str
    reader: DriverReader
    grid: Grid

    @property
    def title(self) -> str:
        """Return what is estimated, in words."""
        return VARIABLES[self.fitted.flux_kind].long_name


def open_inputs(fitted: FittedModel, model_id: str, *, drivers: Optional[str], layers: Optional[Sequence[str]],
                layer_names: Optional[str], variables: Optional[str], units: Optional[str], start: Optional[str],
                time_step: str, align: str, region: Optional[str], period: Optional[str],
                class_layer: Optional[str], flag_classes: bool = False, progress: Progress) -> MapInputs:
    """Open the drivers that a model needs; no pixel is read.

    The class layer is opened for models that have one model per class, and with `flag_classes`.

    Raises
    ------
    ArtifactError
        A driver is missing, or the time steps are not those of the model.
    GridError
        The drivers do not fit each other.
    """
    paths, given = list(layers or ()), names(layer_names)
    if class_layer and (fitted.strata or flag_classes):
        given = [*(given or [""] * len(paths)), CLASS_VARIABLE]
        paths.append(class_layer)
    elif class_layer:
        progress.warn("The class layer is not used: the model is the same for all classes")
    options: dict[str, Any] = {
        "variables": pairs(variables, "variables"), "units": pairs(units, "units"), "start": start,
        "time_step": time_step, "align": align, "region": region}
    around = fitted.context.past > 0 or fitted.context.climate  # time steps outside the period are read, too
    if not around:
        options["period"] = period
    try:
        ds = open_drivers(drivers, paths, given, **options, require=fitted.feature_names)
    except SchemaError:
        _complain_of_missing(fitted, drivers, paths, given, options)
        raise
    if ds.attrs.get("notes"):
        progress.info(str(ds.attrs["notes"]))
    return MapInputs(fitted, model_id, DriverReader(ds, fitted, period if around else None), Grid.of(ds))


def _complain_of_missing(fitted: FittedModel, drivers: Optional[str], paths: list[str], given: list[str],
                         options: dict[str, Any]) -> None:
    """Raise `ArtifactError` if the drivers can be opened, but are not those of the model."""
    try:
        ds: xr.Dataset = open_drivers(drivers, paths, given, **options)
    except RecoError:
        return
    fitted.columns([str(name) for name in ds.data_vars if name not in ("inside", CLASS_VARIABLE)])
