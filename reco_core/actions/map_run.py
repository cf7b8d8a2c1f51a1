"""One pass over the map: opens the rasters that are wanted, runs the tiles, and says what came of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping, Optional

from ..explain.pairs import pair_names
from ..inference.job import MapJob
from ..io.rasters.geotiff import RasterWriter
from ..io.rasters.qml import Style, class_style
from ..models.base import FittedModel
from ..progress import Progress
from ..version import __version__
from ..vocabulary.variables import GROUPS
from .class_support import CLASS_SUPPORT, GRADES, support_line
from .keeping import Keeping
from .map_files import MapFiles, remove_rasters, written_by
from .map_inputs import MapInputs
from .map_job import BANDS_OVER_TIME, CONTRIBUTIONS, FROM_CONTRIBUTIONS, INTERACTIONS, MapSpec, contribution
from .map_remote import Remote
from .products import ClassSupport

ADDITIVITY = "ADDITIVITY_ERROR"
Look = tuple[list[str], str, Style, str]  # bands, unit, style, type of values


class MapRun:
    """Rasters that are wanted of one pass over the map.

    Parameters
    ----------
    inputs : MapInputs
    step : str
        The step that makes them, for the tags.
    spec : MapSpec
        What is made.
    paths : mapping of output name to path
        Of the outputs of `spec`, with {flux} for the kind of flux.
    folder : path, optional
        Where contributions/<driver>.tif go.

    Raises
    ------
    ResourceError
        The tiles do not fit into what this process may take.
    """

    def __init__(self, inputs: MapInputs, step: str, spec: MapSpec, paths: Mapping[str, Optional[str]],
                 folder: Optional[Path] = None) -> None:
        self.inputs, self.step, self.spec, self.folder = inputs, step, spec, folder
        self.fitted: FittedModel = inputs.fitted
        self.unit = self.fitted.target_unit
        self.files = MapFiles(inputs.grid, {"RECO_VERSION": __version__, "RECO_STEP": step,
                                            "MODEL_ID": inputs.model_id, "MEMBERS": spec.members})
        self.written = {name: str(paths[name]).replace("{flux}", self.fitted.flux_kind) for name in spec.outputs}
        self.job: MapJob = spec.job(inputs)
        self.job.require_memory()

    @property
    def device(self) -> str:
        """Where the model computes."""
        return self.fitted.folds[0].device

    @property
    def bands(self) -> dict[str, int]:
        """How many bands each output has."""
        looks = self._looks()
        found = {name: len(looks[name][0]) for name in self.written}
        if self.spec.contributions:
            steps = len(self.inputs.reader.labels)
            found |= {contribution(feature.name): steps for feature in self.fitted.explained}
        return found

    def open_rasters(self) -> None:
        """Open every raster that is wanted."""
        looks = self._looks()
        for name in (*BANDS_OVER_TIME, CLASS_SUPPORT, *FROM_CONTRIBUTIONS, INTERACTIONS):
            if name in self.written:
                bands, unit, style, dtype = looks[name]
                self.files.open(self.written[name], bands, name=name, unit=unit, style=style, dtype=dtype)
        if self.spec.contributions:
            assert self.folder is not None
            self._open_contributions(self.folder / CONTRIBUTIONS)

    def _looks(self) -> dict[str, Look]:
        support = class_style("Support of the vegetation class", GRADES)
        return {**self._looks_of_bands(), **self._looks_of_explanation(),
                CLASS_SUPPORT: (["support of the class"], "", support, "uint8")}

    def _looks_of_bands(self) -> dict[str, Look]:
        title, unit, bands = self.inputs.title, self.unit, self.inputs.reader.labels
        looks = {"flux": (unit, Style("ramp", title, unit)),
                 "spread": (unit, Style("ramp", "Spread over folds", unit, "magma")),
                 "seed_spread": (unit, Style("ramp", "Spread over seeds", unit, "magma")),
                 "relative_spread": ("1", Style("ramp", "Relative spread", ramp="magma", low=0.0)),
                 "applicability": ("1", Style("ramp", "Applicability", ramp="applicability", low=0.0, high=1.0))}
        return {name: (bands, unit, style, "float32") for name, (unit, style) in looks.items()}

    def _looks_of_explanation(self) -> dict[str, Look]:
        drivers = [feature.name for feature in self.fitted.explained]
        numbers = Style("ramp", "Contribution share", "", "viridis", low=0.0)
        base = self.inputs.reader.labels if self.inputs.reader.classes_move else ["base value"]
        return {"base_value": (base, self.unit, Style("ramp", "Base value", self.unit), "float32"),
                "shares": (drivers, "1", numbers, "float32"),
                "groups": (list(GROUPS), "1", Style("rgb", "Contribution groups"), "float32"),
                INTERACTIONS: (pair_names(GROUPS), self.unit,
                               Style("diverging", "Interactions of groups", self.unit), "float32"),
                "dominant": (["dominant driver"], "", class_style("Dominant driver", drivers), "uint8")}

    def _open_contributions(self, folder: Path) -> None:
        for feature in self.fitted.explained:
            style = Style("diverging", f"Contribution of {feature.long_name.lower()}", self.unit)
            self.files.open(folder / f"{feature.name}.tif", self.inputs.reader.labels, name=contribution(feature.name),
                            unit=self.unit, style=style, DRIVER=feature.name)

    @property
    def explained(self) -> list[RasterWriter]:
        """The rasters made from contributions."""
        return [writer for name, writer in self.files.writers.items()
                if name in FROM_CONTRIBUTIONS or name.startswith(CONTRIBUTIONS)]

    def run(self, keeping: Keeping, grids: Mapping[str, Any], progress: Progress,
            remote: Optional[Remote] = None) -> None:
        """Work through the tiles and complete the tags; the files get their names when `files` is left.

        `grids` are the parameters that open the drivers, see `MapInputs`.
        """
        spec = {name: value for name, value in asdict(self.spec).items() if name != "memory"}
        what = {"model": self.inputs.model_id, "device": self.device, "made": spec, "grids": grids}
        keeping.carry_out(self.job, what, self.files, progress, remote)
        progress.check()  # the last moment at which stopping leaves nothing behind
        for writer in self.explained:
            writer.tag(**{ADDITIVITY: f"{self.job.tally.additivity_error:.3g}"})

    def remove_stale(self) -> None:
        """Remove contributions that an earlier run with other drivers left in the folder."""
        if self.folder is None:
            return
        others = [path for path in sorted((self.folder / CONTRIBUTIONS).glob("*.tif")) if path not in self.files.paths]
        remove_rasters([path for path in others if written_by(path) in ("explain", "estimate_region")])

    def summary(self) -> list[str]:
        """Return lines for the user: how much was estimated, and why the rest was not."""
        reader, tally = self.inputs.reader, self.job.tally
        total = reader.height * reader.width * len(reader.times)
        first, last = reader.labels[0], reader.labels[-1]
        lines = [f"{self.inputs.title} in {self.unit}, {first} to {last}: {tally.valid} of {total} cells and time "
                 f"steps ({reader.height} x {reader.width} cells, {len(reader.times)} time steps)"]
        reasons = [f"{count} {reason}" for reason, count in tally.missing.most_common() if count]
        if reasons:
            lines.append("Left out: " + "; ".join(reasons))
        for product in self.job.products:
            if isinstance(product, ClassSupport) and product.counts:
                lines.append(support_line(product.counts))
        if self.explained:
            lines.append(f"Contributions and base value add up to the estimate within {tally.additivity_error:.1e}")
        return lines

    def details(self) -> dict[str, Any]:
        """Return numbers for the run record."""
        tally = self.job.tally
        found: dict[str, Any] = {"model_id": self.inputs.model_id, "valid": tally.valid,
                                 "device": self.device,
                                 "left_out": {reason: count for reason, count in tally.missing.items() if count}}
        if self.explained:
            found["additivity_error"] = tally.additivity_error
        return found
