"""One pass over the map: opens the rasters that are wanted, runs the tiles, and says what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional

from ..explain.engine import Engine, rows_for
from ..inference.job import MapJob, Product
from ..io.rasters.qml import Style, class_style
from ..models.base import FittedModel
from ..progress import Progress
from ..version import __version__
from ..vocabulary.variables import GROUPS
from . import products
from .map_files import MapFiles, remove_rasters, written_by
from .map_inputs import MapInputs

BANDS_OVER_TIME = ("flux", "spread", "seed_spread", "relative_spread", "applicability")
FROM_CONTRIBUTIONS = ("base_value", "shares", "groups", "dominant")
CONTRIBUTIONS = "contributions"
ADDITIVITY = "ADDITIVITY_ERROR"


@dataclass
class MapRun:
    """Rasters that are wanted of one pass over the map.

    Parameters
    ----------
    inputs : MapInputs
    step : str
        The step that makes them, for the tags.
    wanted : mapping of output name to path
        Some of flux, spread, seed_spread, relative_spread, applicability, base_value, shares, groups, dominant.
    members : {"all", "one_per_fold"}
    memory : float [GB]
    folder : path, optional
        Where contributions/<driver>.tif go; none are written without it.
    """

    inputs: MapInputs
    step: str
    wanted: Mapping[str, Optional[str]]
    members: str = "all"
    memory: float = 2.0
    folder: Optional[Path] = None
    products: list[Product] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fitted: FittedModel = self.inputs.fitted
        self.unit = self.fitted.target_unit
        self.files = MapFiles(self.inputs.grid, {
            "RECO_VERSION": __version__, "RECO_STEP": self.step, "MODEL_ID": self.inputs.model_id,
            "MEMBERS": self.members})
        self.written: dict[str, str] = {}
        self._explained: list[Any] = []

    def path(self, name: str) -> Optional[str]:
        """Return the path of an output, with the kind of flux in its place."""
        path = self.wanted.get(name)
        return path.replace("{flux}", self.fitted.flux_kind) if path else None

    def open_rasters(self) -> None:
        """Open every raster that is wanted, and the products that fill them."""
        self._open_bands()
        self._open_explanation()
        if self.folder is not None:
            self._open_contributions(self.folder / CONTRIBUTIONS)

    def _open_bands(self) -> None:
        title, unit = self.inputs.title, self.unit
        looks = {"flux": (unit, Style("ramp", title, unit)),
                 "spread": (unit, Style("ramp", "Spread over folds", unit, "magma")),
                 "seed_spread": (unit, Style("ramp", "Spread over seeds", unit, "magma")),
                 "relative_spread": ("1", Style("ramp", "Relative spread", ramp="magma", low=0.0)),
                 "applicability": ("1", Style("ramp", "Applicability", ramp="applicability", low=0.0, high=1.0))}
        make = {"flux": products.Flux, "spread": products.Spread, "seed_spread": products.SeedSpread,
                "applicability": products.Applicability,
                "relative_spread": lambda writer: products.RelativeSpread(writer, self.fitted.time_step)}
        for name in BANDS_OVER_TIME:
            path = self.path(name)
            if path:
                unit, style = looks[name]
                writer = self.files.open(path, self.inputs.reader.labels, unit=unit, style=style)
                self.products.append(make[name](writer))
                self.written[name] = path

    def _open_explanation(self) -> None:
        drivers = [feature.name for feature in self.fitted.explained]
        numbers = Style("ramp", "Contribution share", "", "viridis", low=0.0)
        moving = self.inputs.reader.classes_move
        base = self.inputs.reader.labels if moving else ["base value"]
        looks: dict[str, tuple[list[str], str, Style, str]] = {
            "base_value": (base, self.unit, Style("ramp", "Base value", self.unit), "float32"),
            "shares": (drivers, "1", numbers, "float32"),
            "groups": (list(GROUPS), "1", Style("rgb", "Contribution groups"), "float32"),
            "dominant": (["dominant driver"], "", class_style("Dominant driver", drivers), "uint8")}
        open_ = {}
        for name, (bands, unit, style, dtype) in looks.items():
            path = self.path(name)
            if path:
                open_[name] = self.files.open(path, bands, unit=unit, style=style, dtype=dtype)
                self.written[name] = path
                self._explained.append(open_[name])
        if "base_value" in open_:
            self.products.append((products.BaseValues if moving else products.BaseValue)(open_["base_value"]))
        if {"shares", "groups", "dominant"} & set(open_):
            self.products.append(products.Shares([feature.group for feature in self.fitted.explained],
                                                 open_.get("shares"), open_.get("groups"), open_.get("dominant")))

    def _open_contributions(self, folder: Path) -> None:
        writers = []
        for feature in self.fitted.explained:
            style = Style("diverging", f"Contribution of {feature.long_name.lower()}", self.unit)
            writers.append(self.files.open(folder / f"{feature.name}.tif", self.inputs.reader.labels,
                                           unit=self.unit, style=style, DRIVER=feature.name))
        self._explained += writers
        self.products.append(products.Contributions(writers))

    def run(self, progress: Progress) -> None:
        """Work through the tiles and complete the tags; the files get their names when `files` is left."""
        rows = rows_for(self.memory, len(self.fitted.folds))
        engine = Engine(self.fitted, self.members, rows_at_once=rows)
        job = MapJob(self.inputs.reader, self.products, engine, self.memory)
        job.run(progress)
        self.valid, self.additivity_error = job.valid, job.additivity_error
        progress.check()  # the last moment at which stopping leaves nothing behind
        for writer in self._explained:
            writer.tag(**{ADDITIVITY: f"{job.additivity_error:.3g}"})

    def remove_stale(self) -> None:
        """Remove contributions that an earlier run with other drivers left in the folder."""
        if self.folder is None:
            return
        others = [path for path in sorted((self.folder / CONTRIBUTIONS).glob("*.tif")) if path not in self.files.paths]
        remove_rasters([path for path in others if written_by(path) in ("explain", "estimate_region")])

    def summary(self) -> list[str]:
        """Return lines for the user: how much was estimated, and why the rest was not."""
        reader = self.inputs.reader
        total = reader.height * reader.width * len(reader.times)
        first, last = reader.labels[0], reader.labels[-1]
        lines = [f"{self.inputs.title} in {self.unit}, {first} to {last}: {self.valid} of {total} cells and time "
                 f"steps ({reader.height} x {reader.width} cells, {len(reader.times)} time steps)"]
        reasons = [f"{count} {reason}" for reason, count in reader.missing.most_common() if count]
        if reasons:
            lines.append("Left out: " + "; ".join(reasons))
        if self._explained:
            lines.append(f"Contributions and base value add up to the estimate within {self.additivity_error:.1e}")
        return lines

    def details(self) -> dict[str, Any]:
        """Return numbers for the run record."""
        reader = self.inputs.reader
        found: dict[str, Any] = {"model_id": self.inputs.model_id, "valid": self.valid,
                                 "device": self.fitted.folds[0].device,
                                 "left_out": {reason: count for reason, count in reader.missing.items() if count}}
        if self._explained:
            found["additivity_error"] = self.additivity_error
        return found
