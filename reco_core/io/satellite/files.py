"""Satellite files as downloaded: found, unpacked, recognised and sorted by product, date and place."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Callable, Mapping, Optional, Sequence

import numpy as np

from ...errors import ConfigError, GridError, SchemaError
from ...progress import SILENT, Progress
from ...vocabulary.calendar import parse_period, step_start
from ..archives import Source, find_sources, on_disk
from ..drivers.layers import short
from .exports import netcdf_scenes, raster_scenes
from .hdf4 import hdf4_scenes
from .names import read_name
from .products import PRODUCTS, Product, product_of
from .scene import Scene, Stored

_READERS: dict[str, Callable[[Path, str], list[Scene]]] = {
    **dict.fromkeys((".hdf", ".h4", ".hdf4"), hdf4_scenes), **dict.fromkeys((".tif", ".tiff"), raster_scenes),
    **dict.fromkeys((".nc", ".nc4"), netcdf_scenes)}
_KINDS = "HDF4 granules (.hdf), GeoTIFF (.tif) or NetCDF (.nc)"
SHIFTED = ("MYD13A1", "MYD13A2", "MYD13Q1")  # Aqua's 16-day steps begin 8 days after Terra's
LATE = 8


@dataclass(frozen=True)
class Found:
    """The scenes of one product, by date; `notes` says what the user should know."""

    product: Product
    short_name: str
    scenes: tuple[Scene, ...]
    notes: tuple[str, ...]


def find_scenes(paths: Sequence[str | Path], product: str, folder: Path, *, period: Optional[str] = None,
                progress: Progress = SILENT) -> Found:
    """Return the scenes of one product in files, folders and zips; no pixel is read.

    Parameters
    ----------
    paths : sequence of path
    product : str
        A name in `PRODUCTS`, or auto.
    folder : path
        Where packed files are unpacked; they are needed as long as values are read.
    period : str, optional
        FIRST/LAST; granules outside it are not even unpacked.

    Raises
    ------
    SchemaError
        Nothing readable is there, a file is damaged, or it is of another product.
    GridError
        Files have no date, one in the wrong place of the calendar, or none is in the period.
    """
    sources = _sources(paths)
    ends = parse_period(period)
    scenes: list[Scene] = []
    for number, source in enumerate(sources):
        progress(number / len(sources), f"Looking into {source.name}")
        if _outside(source, ends):
            continue
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        with on_disk(source, place) as path:
            if path.stat().st_size == 0:
                raise SchemaError(f"'{source.label}' is empty (0 bytes)", "Download it again")
            scenes += _READERS[_ending(source)](path, source.label)
    if not scenes:
        raise GridError(f"None of the {len(sources)} files lies in the period {period}", "Choose another period")
    return _sorted(scenes, product, ends, period)


def _sources(paths: Sequence[str | Path]) -> list[Source]:
    every = [source for path in paths for source in find_sources(path)]
    known = [source for source in every if _ending(source) in _READERS]
    if not known:
        where = ", ".join(f"'{path}'" for path in paths)
        seen = short(sorted({source.name for source in every}))
        raise SchemaError(f"{where} has no satellite files" + (f", only {seen}" if seen else ""),
                          f"Give {_KINDS}, zips or folders of them")
    return known


def _ending(source: Source) -> str:
    return PurePosixPath(source.name.lower().removesuffix(".gz")).suffix


def _outside(source: Source, ends: tuple[Optional[np.datetime64], Optional[np.datetime64]]) -> bool:
    """Return whether the name of a granule says that it is outside the period, whatever its time step."""
    if _READERS[_ending(source)] is not hdf4_scenes:
        return False
    date = read_name(source.name).date
    if date is None:
        return False
    year = date.astype("datetime64[Y]")
    return bool((ends[0] is not None and year < ends[0].astype("datetime64[Y]"))
                or (ends[1] is not None and date > ends[1]))


def _sorted(scenes: Sequence[Scene], wanted: str, ends: tuple[Optional[np.datetime64], Optional[np.datetime64]],
            period: Optional[str]) -> Found:
    product, short_name, chosen, notes = _of_one_product(scenes, wanted)
    named = [_known_names(scene, product) for scene in chosen]
    areas = sorted({scene.area for scene in named if scene.area})
    if len(areas) > 1:
        raise GridError(f"The export has several areas: {', '.join(areas)}", "Put the files of each area into a folder")
    dated = [_on_calendar(scene, product, short_name) for scene in named]
    inside = [scene for scene in dated if _within(scene.date, ends, product.time_step)]
    if not inside:
        days = sorted(str(scene.date) for scene in dated)
        raise GridError(f"No {product.name} file lies in the period {period}: they are of {days[0]} to {days[-1]}",
                        "Choose another period")
    if short_name in SHIFTED:
        notes.append(f"the steps of {short_name} begin 8 days after those of the calendar, to whose steps they are put")
    return Found(product, short_name, tuple(_merged(inside)), tuple(notes))


def _of_one_product(scenes: Sequence[Scene], wanted: str) -> tuple[Product, str, list[Scene], list[str]]:
    """Return the product, its name in the files, its scenes, and what was left out."""
    counts = Counter(scene.short_name for scene in scenes)
    names = [name for name in counts if name]
    told = ", ".join(f"{name or 'no product named'} ({counts[name]})" for name in sorted(counts))
    if wanted == "auto":
        known = [name for name in names if product_of(name)]
        if len(known) > 1:
            raise SchemaError(f"The files are of several products: {told}",
                              "Name one of them with product, or put each into its own folder")
        if not known:
            raise SchemaError(
                f"The product cannot be told from '{scenes[0].where}'" + (f" ({told})" if names else ""),
                f"Name it with product; known are {', '.join(PRODUCTS)}")
        found = product_of(known[0])
        assert found is not None
        short_name = known[0]
    else:
        found = PRODUCTS.get(wanted)
        if found is None:
            raise ConfigError(f"There is no product '{wanted}'", f"Choose from: {', '.join(PRODUCTS)}")
        family = [name for name in names if name in found.family]
        if len(family) > 1 and wanted not in family:
            raise SchemaError(f"The files are of several products: {told}", "Put each into its own folder")
        short_name = wanted if wanted in family else family[0] if family else wanted
    chosen = [scene for scene in scenes if scene.short_name == short_name]
    if not chosen:  # the user knows what files are that do not tell it
        chosen = [scene for scene in scenes if not product_of(scene.short_name)]
    if not chosen:
        raise SchemaError(f"None of the files is {wanted}: they are {told}", "Set product to auto, or to what they are")
    left = len(scenes) - len(chosen)
    return found, short_name, chosen, [f"{left} scenes of other products are left out"] if left else []


def _known_names(scene: Scene, product: Product) -> Scene:
    """Return a scene whose layers go by names of the product where their names end in one."""
    names = {name for layer in product.layers for part in layer.parts for name in part}
    names |= {name for group in product.quality.values() for name in group}
    layers: dict[str, Stored] = {}
    for text, stored in scene.layers.items():
        known = max((name for name in names if f"_{text}".endswith(f"_{name}")), key=len, default=text)
        layers[text if known in scene.layers else known] = stored
    return replace(scene, layers=layers)


def _on_calendar(scene: Scene, product: Product, short_name: str) -> Scene:
    """Return a scene dated by the first day of its time step."""
    step = product.time_step
    if scene.date is None:
        raise GridError(f"'{scene.where}' carries no date",
                        "Put it into the file name, for example MOD13A1_2016_01_01.tif")
    date = scene.date - (LATE if short_name in SHIFTED else 0)
    start = step_start(np.array([date]), step)[0]
    if start != date and step in ("8day", "16day"):
        following = step_start(start + np.array([int(step.removesuffix("day"))]), step)[0]
        raise GridError(f"'{scene.where}': {scene.date} (day {_day_of_year(scene.date)}) does not begin a {step} step "
                        f"of {short_name}; around it, steps begin on {start} and {following}",
                        "Check the date in the file name; steps begin anew on 1 January")
    return replace(scene, date=start)


def _day_of_year(date: np.datetime64) -> int:
    return int((date - date.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)) + 1


def _within(date: Optional[np.datetime64], ends: tuple[Optional[np.datetime64], Optional[np.datetime64]],
            step: str) -> bool:
    assert date is not None
    return not ((ends[0] is not None and date < step_start(np.array([ends[0]]), step)[0])
                or (ends[1] is not None and date > ends[1]))


def _merged(scenes: Sequence[Scene]) -> list[Scene]:
    """Return one scene per date and grid, with the layers of all its files."""
    groups: dict[tuple[object, ...], list[Scene]] = defaultdict(list)
    for scene in scenes:
        # corners of one export may differ in their last digits
        corner = tuple(round(value / abs(scene.grid.transform[0]), 1) for value in scene.grid.bounds)
        groups[(scene.date, corner, scene.grid.height, scene.grid.width)].append(scene)
    merged = []
    for group in groups.values():
        layers: dict[str, Stored] = {}
        for scene in group:
            _refuse_doubles(layers, scene.layers, scene)
            layers.update(scene.layers)
        merged.append(replace(group[0], layers=layers))
    return sorted(merged, key=lambda scene: (str(scene.date), -scene.grid.bounds[3], scene.grid.bounds[0]))


def _refuse_doubles(known: Mapping[str, Stored], new: Mapping[str, Stored], scene: Scene) -> None:
    for name in new:
        if name in known:
            raise SchemaError(f"'{name}' of {scene.date} is given twice for one place: {known[name].where} and "
                              f"{new[name].where}", "Keep one of the two files, for example the later version")
