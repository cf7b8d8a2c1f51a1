"""Reads the rasters of a result folder, each in one pass, into what a report needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..errors import GridError, SchemaError
from ..io.dependence import FILENAME, PREFIX, read_dependence
from ..io.rasters.grid import Grid, crs_name, parse_crs
from ..io.rasters.read import RasterInfo, RasterReader
from ..progress import Progress
from ..report.inputs import Driver, Frame
from ..report.tally import SEASONS, Coarse, Tally, TrendTally, flux_numbers, mean_known, season_of, shrink_factor
from ..vocabulary.calendar import infer_time_step

NORTH, SOUTH = "north of the equator", "south of the equator"
LIMIT = 0.5
Found = dict[str, Any]


class Survey:
    """What the rasters of one result folder hold.

    Parameters
    ----------
    paths : mapping of output name to Path
        `flux` is needed; the others are read if they are there.
    drivers : sequence of Driver
        Drivers that are known better than by their name, for example from the model.
    """

    def __init__(self, paths: Mapping[str, Path], drivers: Sequence[Driver] = ()) -> None:
        self.paths = paths
        self._known = {driver.name: driver for driver in drivers}
        with RasterReader(paths["flux"]) as reader:
            self.info = reader.info
        self.grid = self.info.grid
        self.factor = shrink_factor(self.grid.height, self.grid.width)
        self.times = self.info.bands
        self.time_step = time_step_of(self.times, str(paths["flux"]))
        self.unit = self.info.unit or self.info.tags.get("UNITS", "")
        self.frame = frame_of(self.grid, self.factor)
        self.found: Found = {"maps": {}, "numbers": {}, "driver_numbers": {}, "drivers": (), "trend": {}, "tags": {}}

    def read(self, progress: Progress) -> Found:
        """Return maps, series and numbers under the names that `ReportInputs` has for them."""
        parts = {"flux": self._flux, "spread": self._spread, "seed_spread": self._seed_spread,
                 "applicability": self._applicability,
                 "shares": self._shares, "groups": self._groups, "dominant": self._dominant, "trend": self._trend}
        present = [name for name in parts if name in self.paths]
        for number, name in enumerate(present):
            with RasterReader(self.paths[name]) as reader:
                self._check(reader.info)
                self.found["tags"][name] = reader.info.tags
                parts[name](reader, progress.span(number / len(present), (number + 1) / len(present)))
        return self.found

    def _check(self, info: RasterInfo) -> None:
        grid = info.grid
        if (grid.height, grid.width) != (self.grid.height, self.grid.width):
            raise GridError(f"'{info.path}' has {grid.height} x {grid.width} cells, the flux has "
                            f"{self.grid.height} x {self.grid.width}", "Give a folder with the outputs of one run")

    def _blocks(self, reader: RasterReader, progress: Progress) -> Any:
        windows = list(reader.windows(self.factor))
        for number, (rows, columns) in enumerate(windows):
            progress(number / len(windows), f"Reading {Path(reader.info.path).name}")
            area = np.nan_to_num(self.grid.window(rows, columns).cell_area_m2())  # NaN beyond the edge of the Earth
            yield rows, columns, reader.read(rows, columns), area

    def _coarse(self, bands: int = 0) -> Coarse:
        return Coarse(self.grid.height, self.grid.width, self.factor, bands)

    def zones(self) -> tuple[str, ...]:
        """Return the halves of the Earth that the region lies on, where it lies on both."""
        _left, bottom, _right, top = self.grid.bounds
        return (NORTH, SOUTH) if self.grid.is_geographic and bottom < -5 and top > 5 else ()

    def _flux(self, reader: RasterReader, progress: Progress) -> None:
        zones, season = self.zones(), season_of(self.times, self.time_step)
        tally, mean = Tally(len(self.times), zones), self._coarse()
        several = season is not None and len(set(season)) == len(SEASONS)
        seasons = self._coarse(len(SEASONS)) if several else None
        latitude = self.grid.xy()[1]
        for rows, columns, values, area in self._blocks(reader, progress):
            north = np.broadcast_to((latitude[rows] > 0)[:, None], area.shape)
            tally.add(values, area, {NORTH: north, SOUTH: ~north} if zones else None)
            mean.add(mean_known(values), rows.start, columns.start)
            if seasons is not None and season is not None:
                parts = [mean_known(values[season == number]) for number in range(len(SEASONS))]
                seasons.add(np.stack(parts), rows.start, columns.start)
        if not tally.seen:
            raise SchemaError(f"'{reader.info.path}' has no cell with a value", "Nothing can be reported of it")
        self.found["maps"]["flux"] = mean.values
        self.found["numbers"].update(flux_numbers(self.times, self.time_step, tally))
        self.found["seasons"] = {} if seasons is None else dict(zip(SEASONS, seasons.values))
        self.found["series"] = {"times": self.times, "mean": tally.mean(), "total": tally.total(),
                                "area": tally.area(), "zones": {name: tally.mean(name) for name in zones}}

    def _spread(self, reader: RasterReader, progress: Progress) -> None:
        tally, mean = Tally(len(self.times)), self._coarse()
        for rows, columns, values, area in self._blocks(reader, progress):
            tally.add(values, area)
            mean.add(mean_known(values), rows.start, columns.start)
        self.found["maps"]["spread"] = mean.values
        self.found["series"]["spread"] = tally.mean()
        weight, flux = tally.area().sum(), self.found["numbers"]["mean"]
        if weight:
            self.found["numbers"]["spread"] = float(tally.total().sum() / weight)
            self.found["numbers"]["relative_spread"] = self.found["numbers"]["spread"] / flux if flux > 0 else np.nan

    def _seed_spread(self, reader: RasterReader, progress: Progress) -> None:
        tally = Tally(len(self.times))
        for _rows, _columns, values, area in self._blocks(reader, progress):
            tally.add(values, area)
        if tally.area().sum():
            self.found["numbers"]["seed_spread"] = float(tally.total().sum() / tally.area().sum())

    def _applicability(self, reader: RasterReader, progress: Progress) -> None:
        tally, mean, outside = Tally(len(reader.info.bands), floor=LIMIT), self._coarse(), self._coarse()
        for rows, columns, values, area in self._blocks(reader, progress):
            tally.add(values, area)
            mean.add(mean_known(values), rows.start, columns.start)
            below = np.where(np.isfinite(values), values < LIMIT, np.nan)
            outside.add(mean_known(below), rows.start, columns.start)
        self.found["maps"].update(applicability=mean.values, outside=outside.values)
        area = tally.area()
        if area.sum():
            self.found["numbers"]["applicable"] = float(tally.above.sum() / area.sum())
            if len(reader.info.bands) == len(self.times):
                self.found["series"]["applicable"] = tally.above / np.where(area > 0, area, np.nan)

    def _shares(self, reader: RasterReader, progress: Progress) -> None:
        names = reader.info.bands
        tally, coarse = Tally(len(names)), self._coarse(len(names))
        for rows, columns, values, area in self._blocks(reader, progress):
            tally.add(values, area)
            coarse.add(values, rows.start, columns.start)
        self.found["shares"] = coarse.values
        self.found["drivers"] = tuple(self._known.get(name) or Driver.named(name) for name in names)
        columns_of = {"mean": tally.cell_mean(), "sd": tally.cell_sd(), "low": tally.low, "high": tally.high,
                      "weighted": tally.mean()}
        self.found["driver_numbers"] = {
            name: {key: float(values[number]) for key, values in columns_of.items()}
            for number, name in enumerate(names)}

    def _groups(self, reader: RasterReader, progress: Progress) -> None:
        tally, coarse = Tally(3), self._coarse(3)
        for rows, columns, values, area in self._blocks(reader, progress):
            tally.add(values, area)
            coarse.add(values, rows.start, columns.start)
        self.found["groups"] = coarse.values
        for name, value in zip(("environment", "biotic", "spatiotemporal"), tally.cell_mean()):
            self.found["numbers"][f"group_{name}"] = float(value)

    def _dominant(self, reader: RasterReader, progress: Progress) -> None:
        drivers, coarse = self.found["drivers"], self._coarse()
        if not drivers:
            return
        covered = np.zeros(len(drivers) + 1)
        for rows, columns, values, area in self._blocks(reader, progress):
            known = np.isfinite(values[0])
            numbers = values[0][known].astype(int)
            covered += np.bincount(numbers, weights=area[known], minlength=len(covered))[:len(covered)]
            coarse.add(values[0], rows.start, columns.start, nearest=True)
        self.found["dominant"] = coarse.values
        for number, driver in enumerate(drivers, start=1):
            if covered.sum():
                self.found["driver_numbers"][driver.name]["dominant"] = float(covered[number] / covered.sum())

    def _trend(self, reader: RasterReader, progress: Progress) -> None:
        place = trend_bands(reader.info.bands)
        if not {"slope", "p", "n"} <= set(place):
            return
        tally, coarse, p_coarse = TrendTally(), self._coarse(len(reader.info.bands)), self._coarse()
        for rows, columns, values, area in self._blocks(reader, progress):
            tally.add(values[place["slope"]], values[place["p"]], values[place["n"]], area)
            coarse.add(values, rows.start, columns.start)
            p_coarse.add(values[place["p"]], rows.start, columns.start, nearest=True)
        self.found["trend"] = {name: coarse.values[band] for name, band in place.items()} | {"p": p_coarse.values}
        self.found["trend_unit"] = reader.info.units[place["slope"]]
        self.found["numbers"].update(tally.numbers())


def trend_bands(descriptions: Sequence[str]) -> dict[str, int]:
    """Return the number of each band of a trend raster by its short name."""
    place: dict[str, int] = {}
    for number, text in enumerate(descriptions):
        word = text.lower().replace("-", "_")
        name = "relative" if "relative" in word else word.split("_")[0].split(" ")[0]
        place.setdefault(name, number)
    return place


def time_step_of(labels: Sequence[str], where: str) -> str:
    """Return the time step that band descriptions tell.

    Raises
    ------
    SchemaError
        The bands carry no dates.
    """
    try:
        days = np.array(labels, dtype="datetime64[D]")
    except ValueError:
        raise SchemaError(f"The bands of '{where}' carry no dates but '{labels[0]}'",
                          "Give the folder that estimate_region wrote") from None
    by_length = {4: "year", 7: "month"}.get(len(labels[0]))
    return by_length or (infer_time_step(days) if len(days) > 1 else "day")


def frame_of(grid: Grid, factor: int = 1) -> Frame:
    """Return where a map lies that was coarsened by `factor`."""
    a, _b, left, _d, e, top = grid.transform
    height, width = (-(-size // factor) * factor for size in (grid.height, grid.width))
    metres = 1.0 if grid.is_geographic else float(parse_crs(grid.crs_wkt).linear_units_factor[1])
    return Frame(left, left + a * width, top + e * height, top, crs_name(grid.crs_wkt), grid.is_geographic, metres)


def region_text(grid: Grid) -> str:
    """Return the extent of a grid in words."""
    left, bottom, right, top = grid.bounds

    def degree(value: float, positive: str, negative: str) -> str:
        side = positive if value > 0 else negative if value < 0 else ""
        return f"{abs(value):.4g}°{' ' + side if side else ''}"

    if grid.is_geographic:
        return (f"{degree(left, 'E', 'W')} to {degree(right, 'E', 'W')}, "
                f"{degree(bottom, 'S' if bottom < 0 else 'N', 'S')} to {degree(top, 'N', 'S')}")
    metres = float(parse_crs(grid.crs_wkt).linear_units_factor[1]) if grid.crs_wkt else 1.0
    return f"{(right - left) * metres / 1000:.4g} km × {(top - bottom) * metres / 1000:.4g} km"


def dependence_of(folder: Path, survey: Survey) -> tuple[dict[str, Any], bool]:
    """Return the sample for dependence curves, and whether its months are of the northern half only."""
    path = folder / FILENAME
    if not path.exists():
        return {}, False
    table, names = read_dependence(path)
    month: Optional[np.ndarray] = None
    northern = False
    if survey.time_step == "month":
        month = table["time"].str[5:7].astype(int).to_numpy()
        if survey.zones():
            latitude = survey.grid.xy()[1][table["row"].to_numpy(dtype=int)]
            month, northern = np.where(latitude > 0, month, 0), True
    return {name: (table[name].to_numpy(float), table[PREFIX + name].to_numpy(float), month)
            for name in names}, northern
