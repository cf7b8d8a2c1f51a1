"""Steps that read what users have and build samples from it."""

from __future__ import annotations

from .common import GRID_PARAMS, GROUP_DATA, MEMORY, PERIOD, REGION, output
from .records import Param, Step

FEATURES = Param(
    "features", "text", "Drivers to use",
    "Names of the drivers that models shall see, separated by commas (for example ta,vpd,swc,precip,lai). "
    "Empty: every driver in the table.", optional=True)

DATA_STEPS = (
    Step(
        "make_world", "Make a synthetic world", GROUP_DATA,
        "Write a small synthetic world with known respiration: towers, gridded drivers and the truth.",
        params=(
            Param("cells", "integer", "Rows", "Rows of the grid; it has half as many columns.",
                  default=40, minimum=4, maximum=20000),
            Param("years", "integer", "Years", "Number of years from 2001 on.",
                  default=20, minimum=1, maximum=200),
            Param("towers", "integer", "Towers", "Number of flux towers.", default=60,
                  minimum=2, maximum=10000),
            Param("seed", "integer", "Seed", "Seed of the tower noise.", default=0, minimum=0,
                  advanced=True),
        ),
        outputs=(
            output("drivers", "file_out", "Drivers", "Driver cube (Zarr).", "drivers.zarr", "drivers"),
            output("observations", "file_out", "Tower table",
                   "Site-months with respiration and drivers (CSV).", "towers.csv"),
            output("truth", "raster_out", "True respiration",
                   "The respiration that the world was made with, a band per month.", "truth.tif"),
        ),
        help="The equations are in docs/synthetic-world.md. Use it to learn RECO and to test it.",
        tags=("demo", "test")),
    Step(
        "read_observations", "Read flux observations", GROUP_DATA,
        "Read flux-tower or chamber files, check their quality and write one observation table.",
        params=(
            Param("path", "path", "Files",
                  "A FLUXNET2015 / ONEFlux file (CSV, gzip or zip as downloaded), a folder of them, or any "
                  "table (CSV, TSV, parquet, GeoPackage).", optional=True),
            Param("towers", "points", "Tower layer",
                  "A point layer whose features are observations (site, date and flux in its fields) instead "
                  "of files; positions come from the points.", optional=True),
            Param("sites", "table", "Site table",
                  "Table with site code, latitude, longitude and vegetation class, for files that do not "
                  "carry them.", optional=True),
            Param("columns", "text", "Column map",
                  "For tables: RECO name = column pairs separated by commas, for example "
                  "site=siteID,reco=RECO,qc=NEE_qc,ta=Air_temperature. Known names need no entry. A text in "
                  "quotes is a value that all rows share, for example site='My tower'.",
                  optional=True),
            Param("units", "text", "Units",
                  "For tables: name=unit pairs separated by commas, for example "
                  "reco=g C m-2 month-1,precip=mm d-1.", optional=True),
            Param("flux", "choice", "Flux kind",
                  "What the flux is: reco ecosystem, rs soil or rh heterotrophic respiration.",
                  default="reco", choices=("reco", "rs", "rh")),
            Param("target", "text", "Flux column",
                  "Column of FLUXNET files that holds the flux.", default="RECO_NT_VUT_REF",
                  advanced=True),
            Param("resolution", "choice", "Resolution of the files",
                  "Which files to take where a folder or zip holds several: HH half-hourly, DD daily, "
                  "WW weekly, MM monthly, YY yearly. auto takes the only one there is.",
                  default="auto", choices=("auto", "HH", "DD", "WW", "MM", "YY"), advanced=True),
            Param("aggregate", "choice", "Aggregate to",
                  "Time step of the table; none keeps that of the files.",
                  default="none", choices=("none", "day", "month", "year")),
            Param("qc_min", "number", "Least quality",
                  "Least share of measured or well gap-filled data, 0 to 1, of daily and coarser data; 0 "
                  "switches the test off. Empty: 0.75. Half-hours have flags instead: see qc_max.",
                  optional=True, minimum=0, maximum=3),
            Param("qc_max", "integer", "Largest quality flag of half-hours",
                  "For half-hours: keep flags up to this (0 measured, 1 good, 2 medium, 3 poor). Empty: 1.",
                  optional=True, minimum=0, maximum=3, advanced=True),
            Param("negative", "choice", "Negative fluxes",
                  "What to do with respiration below zero.", default="drop",
                  choices=("drop", "keep", "clip"), advanced=True),
            PERIOD,
        ),
        outputs=(
            output("output", "file_out", "Observations",
                   "Observation table (NetCDF); a CSV, a GeoPackage of the towers and a ledger of what was "
                   "dropped lie beside it.", "observations.nc", "observations"),
        ),
        tags=("fluxnet", "oneflux", "tower", "quality")),
    Step(
        "read_drivers", "Read gridded drivers", GROUP_DATA,
        "Check that rasters share one grid, calendar and unit, and write them as one driver cube.",
        params=GRID_PARAMS + (PERIOD, REGION, MEMORY),
        outputs=(
            output("output", "file_out", "Driver cube", "Driver cube (Zarr).", "drivers.zarr", "drivers"),
        ),
        tags=("raster", "netcdf", "zarr", "geotiff")),
    Step(
        "build_samples", "Build samples", GROUP_DATA,
        "Join observations with drivers into the table that models are fitted on.",
        params=(
            Param("observations", "observations", "Observations",
                  "Observation table written by read_observations."),
            Param("source", "choice", "Where drivers come from",
                  "site uses the drivers measured at the towers; grid takes the cell that contains the tower.",
                  default="site", choices=("site", "grid")),
            *GRID_PARAMS,
            FEATURES,
            Param("group_distance", "number", "Distance of one tower group",
                  "Towers nearer than this are one group: they never stand on both sides of a fold.",
                  default=1.0, minimum=0, maximum=1000, unit="km", advanced=True),
            Param("missing", "choice", "Missing drivers",
                  "keep leaves gaps to models that can handle them; drop removes such samples.",
                  default="keep", choices=("keep", "drop"), advanced=True),
        ),
        outputs=(
            output("output", "file_out", "Samples", "Sample table (NetCDF) with a CSV beside it.",
                   "samples.nc", "samples"),
        ),
        tags=("collocate", "training")),
)
