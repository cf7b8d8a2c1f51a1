"""What folders and zip archives hold: files by kind, and what they give together."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Callable, Optional, Sequence

import numpy as np

from ...errors import RecoError, SchemaError
from ..archives import Source, find_sources
from ..observations.fluxnet import DRIVERS
from ..observations.fluxnet_names import RESOLUTIONS, FluxnetFile, is_kin, recognise
from ..rasters.netcdf import is_zarr
from ..satellite.names import read_name
from ..satellite.products import product_of
from .description import Column, Description, Holds, joined_holds
from .tables import header

DescribeFile = Callable[[Source, str], Description]
MOST_LOOKED_AT, MOST_HEADERS = 12, 60
GRIDS = (".tif", ".tiff", ".nc", ".nc4", ".img", ".asc", ".vrt", ".bil", ".flt", ".hdf", ".grd")
FORMATS = {"cosore": "COSORE", "srdb": "SRDB", "abcflux": "ABCflux", "dgrsd": "DGRsD"}
HELD = {"COSORE": Holds("towers", ("rs", "rh"), (), (), "day"), "SRDB": Holds("towers", ("rs", "rh"), (), (), "year"),
        "ABCflux": Holds("towers", ("reco",), (), (), "month"), "DGRsD": Holds("towers", ("rs", "rh"))}
_KINDS = {".csv": "tables", ".tsv": "tables", ".txt": "texts", ".parquet": "tables", ".rds": "R objects",
          ".rdata": "R workspaces", ".rda": "R workspaces", ".md": "texts", ".json": "JSON files", ".zip": "zips",
          ".hdf": "HDF4 granules", ".gpkg": "point layers", ".geojson": "vector layers", ".qml": "styles"}


def describe_folder(place: Path, path: str, look: DescribeFile,
                    members: Optional[Sequence[Source]] = None) -> Description:
    """Return what a folder or zip holds.

    Parameters
    ----------
    place : Path
    path : str
        As the user gave it.
    look : function
        Describes one file.
    members : sequence of Source, optional
        Those of a zip.

    Raises
    ------
    SchemaError
        It is empty.
    """
    cubes = [] if members is not None else _cubes(place)
    sources = list(members) if members is not None else _files(place, cubes)
    what = "Zip archive" if members is not None else "Folder"
    if not sources and not cubes:
        raise SchemaError(f"The {what.lower()} '{place.name}' is empty", "Give one with data")
    facts = [("files", _counted(sources, cubes))]
    towers = [file for file in map(recognise, sources) if file is not None]
    data = [source for source in sources if _kind(source) != "texts"] or sources
    if 2 * len(towers) >= len(data) and not cubes:
        return _towers(place, path, what, towers, sources, facts)
    title = format_of(sources)
    if title:
        return _data_base(place, path, what, title, sources, facts)
    if len(data) == 1 and not cubes:
        found = look(data[0], _way_to(data[0]) if members is None else path)
        return replace(found, label=place.name, kind=f"{found.kind}, in a {what.lower()}")
    return _several(place, path, what, sources, cubes, facts, look)


def _way_to(source: Source) -> str:
    """Return the path of a file as a user would write it."""
    return "/".join((str(source.path), *source.members[-1:]))


def format_of(sources: Sequence[Source]) -> str:
    """Return the data base whose layout files have, '' if none that RECO knows."""
    for name, title in FORMATS.items():
        try:
            if getattr(import_module(f"..observations.{name}", __package__), f"is_{name}")(sources):
                return title
        except RecoError:
            continue
    return ""


def _cubes(place: Path) -> list[Path]:
    """Return the Zarr stores in a folder."""
    return sorted({item.parent for mark in (".zgroup", "zarr.json") for item in place.rglob(mark)
                   if is_zarr(str(item.parent)) and not is_zarr(str(item.parent.parent))})


def _files(place: Path, cubes: Sequence[Path]) -> list[Source]:
    """Return the files of a folder, those inside of zips too where these can be trusted."""
    found: list[Source] = []
    for item in sorted(place.rglob("*")):
        parts = item.relative_to(place).parts
        if not item.is_file() or any(part.startswith(".") for part in parts) or any(
                cube in item.parents for cube in cubes):
            continue
        try:
            found += find_sources(item) if item.suffix.lower() == ".zip" else [Source(item)]
        except RecoError:
            found.append(Source(item))
    return found


def _counted(sources: Sequence[Source], cubes: Sequence[Path]) -> str:
    counts = Counter(_kind(source) for source in sources)
    words = [f"{count} {kind}" for kind, count in counts.most_common(8)]
    return ", ".join([*([f"{len(cubes)} Zarr store{'s' * (len(cubes) > 1)}"] if cubes else []), *words])


def _kind(source: Source) -> str:
    ending = _ending(source)
    if recognise(source) is not None:
        return "tower files"
    if ending in (".nc", ".nc4"):
        return "NetCDF files"
    return _KINDS.get(ending, "rasters" if ending in GRIDS else f"{ending or 'other'} files")


def _ending(source: Source) -> str:
    return PurePosixPath(source.name.lower().removesuffix(".gz").removesuffix(".gzip")).suffix


def _towers(place: Path, path: str, what: str, towers: Sequence[FluxnetFile], sources: Sequence[Source],
            facts: list[tuple[str, str]]) -> Description:
    """Return what tower files hold together, from their names and headers."""
    groups: dict[tuple[str, str, str], list[FluxnetFile]] = defaultdict(list)
    for file in towers:
        groups[file.network, file.grouping, file.resolution].append(file)
    for (network, grouping, resolution), files in sorted(groups.items()):
        years = [year for file in files if file.years for year in (int(file.years[:4]), int(file.years[5:]))]
        span = f", {min(years)} to {max(years)}" if years else ""
        sites = {file.site for file in files}
        facts.append((f"{resolution} files", f"{network}, {grouping}: {len(files)} files of {len(sites)} sites{span}"))
    kin = [source.name for source in sources if is_kin(source)]
    if kin:
        facts.append(("beside them", f"{len(kin)} files without fluxes, such as {kin[0]}"))
    every = max(1, -(-len(towers) // MOST_HEADERS))
    looked, damaged = [], []
    for file in towers[::every]:
        try:
            looked.append({name.upper() for name in header(file.source)})
        except RecoError as error:
            damaged.append(error.message)
    columns = []
    for column, name in (("RECO_NT_VUT_REF", "reco"), ("RECO_DT_VUT_REF", "reco"), *DRIVERS.items()):
        count = sum(column in names for names in looked)
        if count:
            columns.append(Column(column, name, note=f"in {count} of {len(looked)} files looked at"))
    steps = {RESOLUTIONS[file.resolution] for file in towers}
    drivers = tuple(dict.fromkeys(column.reco for column in columns if column.reco != "reco"))
    several = {file.resolution for file in towers}
    notes = damaged[:8]
    if len(several) > 1:
        notes.append(f"The files come in resolutions {', '.join(sorted(several))}: choose one with --resolution")
    return Description(place.name, f"{what} of tower files (ONEFlux family)", tuple(facts), tuple(columns),
                       tuple(notes),
                       Holds("towers", ("reco",), drivers, (), steps.pop() if len(steps) == 1 else ""),
                       f"reco read_observations --path {path}")


def _data_base(place: Path, path: str, what: str, title: str, sources: Sequence[Source],
               facts: list[tuple[str, str]]) -> Description:
    """Return what a part of a data base of chambers holds."""
    sets = sorted({source.path.parent.name if not source.members else PurePosixPath(source.members[-1]).parent.name
                   for source in sources if source.name == "DESCRIPTION.txt"})
    if sets:
        facts.append(("data sets", f"{len(sets)}: {', '.join(sets[:6])}" + (", ..." if len(sets) > 6 else "")))
    return Description(place.name, f"{what} with data in the layout of {title}", tuple(facts), (), (),
                       HELD[title], read_words(path, title))


def read_words(path: str, title: str) -> str:
    """Return the command that reads a data base."""
    return f"reco read_observations --path {path} --flux {HELD[title].fluxes[0]}"


def _several(place: Path, path: str, what: str, sources: Sequence[Source], cubes: Sequence[Path],
             facts: list[tuple[str, str]], look: DescribeFile) -> Description:
    """Return what files of several kinds hold: each of the first ones in a line."""
    from .grids import describe_dataset

    dated = _dates(sources)
    if dated:
        facts.append(("dates", dated))
    parts: list[Description] = []
    notes: list[str] = []
    looked = [source for source in sources if _ending(source) in GRIDS] or list(sources)
    every = max(1, -(-len(looked) // MOST_LOOKED_AT))
    for source in looked[::every]:
        try:
            parts.append(look(source, _way_to(source)))
        except RecoError as error:
            notes.append(error.message)
    parts += [describe_dataset(str(cube), cube.name) for cube in cubes[:MOST_LOOKED_AT]]
    kinds = {_line(replace(part, facts=())) for part in parts}
    if len(parts) > 2 and len(kinds) == 1:
        facts.append(("looked into", f"{len(parts)} files, each: {kinds.pop()}"))
    else:
        facts += [(part.label, _line(part)) for part in parts]
    if len(looked) + len(cubes) > len(parts) + len(notes):
        facts.append(("not looked into", f"{len(looked) + len(cubes) - len(parts) - len(notes)} more files"))
    columns = [replace(column, note=part.label) for part in parts if part.holds.where == "grid"
               for column in part.columns]
    grids = [part for part in parts if part.holds.where == "grid"]
    one = {name: _once(columns, name) for name in {column.reco for column in columns}}
    products = _satellite(sources)
    product = next(iter(products), "")
    holds = joined_holds([part.holds for part in grids])
    known = product_of(product)
    if known is not None:
        notes.append("Values are shown as they are stored; read_satellite scales and screens them")
        holds = replace(holds, series=holds.series or tuple(known.drivers), time_step=known.time_step)
    read = f"reco read_drivers --drivers {path}" if grids else ""
    if product:
        read = f"reco read_satellite --path {path}" + (f" --product {product}" if len(products) > 1 else "")
        what += " of files of " + ", ".join(f"{name} ({count})" for name, count in products.items())
    return Description(place.name, what, tuple(facts),
                       tuple(one.values()), tuple(notes[:8]), holds, read)


def _once(columns: Sequence[Column], name: str) -> Column:
    """Return the columns of one driver in several files as one."""
    same = [column for column in columns if column.reco == name]
    known = [column for column in same if column.low is not None]
    more = f"{same[0].note} and {len(same) - 1} more" if len(same) > 1 else same[0].note
    if not known:
        return replace(same[0], note=more)
    return replace(same[0], note=more, gaps=float(np.mean([column.gaps or 0.0 for column in known])),
                   low=min(column.low for column in known if column.low is not None),
                   high=max(column.high for column in known if column.high is not None))


def _line(part: Description) -> str:
    drivers = part.holds.drivers
    facts = dict(part.facts)
    words = [part.kind, facts.get("period", ""), ", ".join(drivers[:6]) + (", ..." if len(drivers) > 6 else "")]
    return "; ".join(word for word in words if word)


def _dates(sources: Sequence[Source]) -> str:
    days = []
    for source in sources:
        try:
            date = read_name(source.name).date
        except RecoError:
            continue
        if date is not None and _ending(source) in GRIDS:
            days.append(date)
    if len(days) < 2:
        return ""
    return f"{len(set(days))} dates in the names, {min(days)} to {max(days)}"


def _satellite(sources: Sequence[Source]) -> dict[str, int]:
    """Return the satellite products that the names of rasters tell, most frequent first; none if few tell one."""
    found: Counter[str] = Counter()
    for source in sources:
        try:
            name = read_name(source.name).product
        except RecoError:
            continue
        if name and product_of(name) and _ending(source) in GRIDS:
            found[name] += 1
    if not found or found.total() < 0.5 * sum(_ending(source) in GRIDS for source in sources):
        return {}
    return dict(found.most_common())
