"""Steps that read what users have and build samples from it."""

from __future__ import annotations

from .common import FOOTPRINT, FOOTPRINT_KM, GRID_PARAMS, GROUP_DATA, MEMORY, PERIOD, REGION, cube_outputs, output
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
                  "table (CSV, TSV, parquet, GeoPackage). Several, also of different networks: separated by commas.",
                  optional=True),
            Param("towers", "points", "Tower layer",
                  "A point layer whose features are observations (site, date and flux in its fields) instead "
                  "of files; positions come from the points.", optional=True),
            Param("format", "choice", "Format",
                  "What the files are: the ONEFlux family (FLUXNET2015, AmeriFlux, ICOS), ABCflux, COSORE (a folder in "
                  "its repository's layout), SRDB, DGRsD, or any table. auto looks.", default="auto",
                  choices=("auto", "fluxnet", "abcflux", "cosore", "srdb", "dgrsd", "table")),
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
                  "Column of FLUXNET files that holds the flux: RECO_NT_ or RECO_DT_ (night or day partitioning), VUT_ "
                  "or CUT_ (threshold of friction velocity by year or constant), then REF, MEAN, USTAR50 or a "
                  "percentile.",
                  default="RECO_NT_VUT_REF", advanced=True),
            Param("resolution", "choice", "Resolution of the files",
                  "Which files to take where a folder or zip holds several: HH half-hourly, DD daily, "
                  "WW weekly, MM monthly, YY yearly. auto takes the only one there is.",
                  default="auto", choices=("auto", "HH", "DD", "WW", "MM", "YY"), advanced=True),
            Param("aggregate", "choice", "Aggregate to",
                  "Time step of the table; none keeps that of the files.",
                  default="none", choices=("none", "day", "8day", "month", "year")),
            Param("subdaily", "choice", "Means of sub-daily values",
                  "hourly_then_daily averages hours first, then days, so that a well sampled hour counts no more than "
                  "others; flat averages all values alike.", default="hourly_then_daily",
                  choices=("hourly_then_daily", "flat"), advanced=True),
            Param("least_days", "integer", "Fewest days",
                  "Days with data that an 8-day step or a month needs. Empty: 8-day steps 4 for towers and 1 for "
                  "chambers, months 80 % of their days.", optional=True, minimum=1, maximum=31, advanced=True),
            Param("overlaps", "text", "Order of networks",
                  "Where two networks hold the same tower (the same code, or nearer than 1 km) and time, the first in "
                  "this list is kept; names as in the ledger, separated by commas. Empty: FLUXNET2015, Warm Winter "
                  "2020, ICOS, AmeriFlux, then others.",
                  optional=True, advanced=True),
            Param("screening", "choice", "Screening of chamber records",
                  "strict keeps untreated, good records measured by infrared analyser or gas chromatograph since 2000 "
                  "(Zhu et al. 2024); basic only leaves out treated, flagged and duplicate ones; none keeps all.",
                  default="strict", choices=("strict", "basic", "none"), advanced=True),
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
            output("points", "vector_out", "Towers", "The towers as points with their counts (GeoPackage).", "",
                   "points", optional=True),
        ),
        tags=("fluxnet", "oneflux", "tower", "quality")),
    Step(
        "read_drivers", "Read gridded drivers", GROUP_DATA,
        "Check that rasters share one grid, calendar and unit, and write them as one driver cube.",
        params=(
            *GRID_PARAMS,
            Param("product", "choice", "Product",
                  "Where the files come from, for names, scale factors and fill values that they do not carry "
                  "themselves. auto recognises it; none takes the files at their word.", default="auto",
                  choices=("auto", "none", "cru_ts", "era5", "era5_land", "terraclimate", "anusplin", "speibase",
                           "soilgrids", "openlandmap", "hwsd", "srtm", "merit"), advanced=True),
            Param("crs", "text", "CRS of the files",
                  "Coordinate reference system of files that state none, for example EPSG:3035.", optional=True,
                  advanced=True),
            PERIOD, REGION, MEMORY),
        outputs=cube_outputs("Drivers", "drivers.zarr"),
        tags=("raster", "netcdf", "zarr", "geotiff", "cru", "era5", "terraclimate", "soilgrids")),
    Step(
        "read_satellite", "Read satellite products", GROUP_DATA,
        "Read MODIS and other satellite products as downloaded: mosaic tiles, scale, screen by quality bits.",
        params=(
            Param("path", "path", "Files",
                  "HDF4 granules, GeoTIFF or NetCDF exports (AppEEARS, Earth Engine) or zips of them; a file or a "
                  "folder."),
            Param("product", "choice", "Product", "auto reads it from the file names and metadata. MOD stands for MYD "
                  "(Aqua) and MCD (both) as well.", default="auto",
                  choices=("auto", "MOD09A1", "MCD43A4", "MOD11A1", "MOD11A2", "MOD11B2", "MOD13A1", "MOD13A2",
                           "MOD13A3", "MOD13Q1", "MOD15A2H", "MOD15A2", "MOD17A3HGF", "MCD12Q1", "MCD12C1",
                           "GLASS_LAI", "GLASS_FAPAR", "GLASS_GPP", "GFVCP", "CAS_CI", "PML_V2")),
            Param("chosen", "text", "Drivers", "Drivers to read, such as red,nir,blue,swir or lst_day, separated by "
                  "commas. Empty: all that the product has.", optional=True),
            Param("quality", "choice", "Quality",
                  "standard applies the rule of the product (see the guide); strict keeps only the best; none keeps "
                  "all but fill values.", default="standard", choices=("standard", "strict", "none")),
            PERIOD, REGION, MEMORY),
        outputs=cube_outputs("Drivers", "satellite.zarr"),
        tags=("modis", "hdf4", "quality", "lai", "lst", "reflectance", "land cover")),
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
            FOOTPRINT,
            FOOTPRINT_KM,
            FEATURES,
            Param("group_distance", "number", "Distance of one tower group",
                  "Towers nearer than this are one group: they never stand on both sides of a fold.",
                  default=1.0, minimum=0, maximum=1000, unit="km", advanced=True),
            Param("missing", "choice", "Missing drivers",
                  "keep leaves gaps to models that can handle them; drop removes such samples.",
                  default="keep", choices=("keep", "drop"), advanced=True),
            Param("history", "integer", "Earlier time steps",
                  "How many earlier time steps of every driver to keep with each sample, for models that look back: "
                  "geoman takes 12.", default=0, minimum=0, maximum=120, advanced=True),
            Param("patch", "integer", "Cells around",
                  "Side of the square of cells around each tower to keep with each sample, an odd number, for models "
                  "that look around: cnn_spei takes 3. Needs source=grid.", default=1, minimum=1, maximum=31,
                  advanced=True),
        ),
        outputs=(
            output("output", "file_out", "Samples", "Sample table (NetCDF) with a CSV beside it.",
                   "samples.nc", "samples"),
        ),
        tags=("collocate", "training")),
)
