"""Parameters that several steps share."""

from __future__ import annotations

from .records import Param

GROUP_DATA = "1 Data"
GROUP_DERIVE = "2 Derive drivers"
GROUP_MODELS = "3 Train and validate"
GROUP_MAPS = "4 Maps"
GROUP_TRENDS = "5 Trends"
GROUP_REPORT = "6 Report"

DRIVERS = Param(
    "drivers", "drivers", "Driver cube",
    "Gridded drivers: a cube written by read_drivers (Zarr), a NetCDF file, a multi-band GeoTIFF "
    "(a band per time step or per driver), or a folder of dated GeoTIFFs.", optional=True)
LAYERS = Param(
    "layers", "rasters", "Driver layers",
    "Raster layers, one per driver, instead of or besides the cube. A layer with several bands is read "
    "as a time series if its bands carry dates (description YYYY, YYYY-MM or YYYY-MM-DD); a single band "
    "without a date is a static driver.", optional=True)
LAYER_NAMES = Param(
    "layer_names", "text", "Names of the layers",
    "Driver name of each layer in the same order, separated by commas (for example ta,lai,soc_0). "
    "Empty: taken from the file or layer names.", optional=True)
VARIABLES = Param(
    "variables", "text", "Variable map",
    "How names in the files become RECO names, as file_name=name pairs separated by commas "
    "(for example tavg=ta,pre=precip). Known aliases are recognised without it.", optional=True)
UNITS = Param(
    "units", "text", "Units",
    "Units of drivers whose file does not state them, as name=unit pairs separated by commas "
    "(for example precip=mm month-1).", optional=True)
START = Param(
    "start", "text", "First date",
    "Date of the first time step (YYYY, YYYY-MM or YYYY-MM-DD) where the file does not carry dates.",
    optional=True, advanced=True)
TIME_STEP = Param(
    "time_step", "choice", "Time step",
    "Length of a time step of the product; auto reads it from the dates.",
    default="auto", choices=("auto", "month", "year", "16day", "8day", "week", "day"), advanced=True)
ALIGN = Param(
    "align", "choice", "Alignment",
    "What to do with a raster on another grid: none refuses it and names the mismatch; nearest, bilinear "
    "and average resample it to the grid of the first raster, and the output says so; auto takes the nearest "
    "cell for classes, the area-weighted average from finer cells and bilinear from coarser ones.",
    default="none", choices=("none", "auto", "nearest", "bilinear", "average"), advanced=True)
PERIOD = Param(
    "period", "period", "Period",
    "First and last time step to use, as FIRST/LAST (for example 2001-01/2010-12 or 1950/1999). "
    "Empty: all.", optional=True)
REGION = Param(
    "region", "region", "Region",
    "Where to work: a polygon layer or GeoJSON file, a polygon as WKT (CRS=EPSG:4326;POLYGON((...))), or "
    "a box 'xmin,ymin,xmax,ymax [EPSG:4326]'. Cells whose centre lies outside become nodata. Empty: the "
    "whole grid.", optional=True)
CLASS_LAYER = Param(
    "class_layer", "raster", "Class layer",
    "Raster of IGBP land-cover classes (codes 1 to 17). Models with one model per class need it; for others it shows "
    "where the training data support the class of a cell.",
    optional=True, advanced=True)
MEMORY = Param(
    "memory", "number", "Memory budget", "Most memory that tiles may take together.",
    default=2.0, minimum=0.1, maximum=1024, unit="GB", advanced=True)
RESUME = Param(
    "resume", "flag", "Resume",
    "Go on where the same run was interrupted: tiles that are done are kept in a hidden folder (.reco-journal-...) "
    "beside the outputs until the run succeeds. false: begin anew.", default=True, advanced=True)
CLUSTER = Param(
    "cluster", "text", "Cluster",
    "Who computes the tiles: empty, this process; local or local:N, so many processes on this machine; "
    "tcp://host:port, the workers of a scheduler of dask.distributed that reach model, drivers and outputs by the "
    "same paths. Each worker takes the memory budget; the results are the same bytes.", optional=True, advanced=True)
MEMBERS = Param(
    "members", "choice", "Ensemble members",
    "all uses every booster of the model; one_per_fold uses one seed of each fold, which is faster. "
    "Estimate and contributions always use the same members, so that they add up.",
    default="all", choices=("all", "one_per_fold"), advanced=True)
PROCESSES = Param(
    "processes", "integer", "Processes",
    "How many processes share the work; 0 uses every processor core.",
    default=0, minimum=0, maximum=256, advanced=True)
DEVICE = Param(
    "device", "choice", "Device",
    "Where to compute: auto takes a GPU of NVIDIA where there is one that serves the method (networks, boosting) and "
    "the processor else; cuda says so where it cannot be used. Results of a GPU agree with those of the processor "
    "to some digits, not to the last bit.",
    default="auto", choices=("auto", "cpu", "cuda"), advanced=True)
SAMPLES = Param(
    "samples", "samples", "Samples", "Sample table written by build_samples (NetCDF).")
MODEL_DIR = Param(
    "model", "model", "Fitted model", "Model folder written by fit.")
FOLDER = Param(
    "folder", "folder_out", "Output folder",
    "Folder for contribution maps, the run record and every output that is not named.",
    creates="folder")

FOOTPRINT = Param(
    "footprint", "choice", "Footprint",
    "How a grid is read at a tower: the cell that contains it, bilinear between the nearest four, or the mean "
    "of the square of footprint_km around it.",
    default="nearest", choices=("nearest", "bilinear", "mean"))
FOOTPRINT_KM = Param(
    "footprint_km", "number", "Width of the footprint",
    "Side of the square whose cells are averaged where the footprint is a mean; more than half of its cells must "
    "have data.", default=3.0, minimum=0.01, maximum=500, unit="km", advanced=True)

GRID_PARAMS = (DRIVERS, LAYERS, LAYER_NAMES, VARIABLES, UNITS, START, TIME_STEP, ALIGN)


def output(name: str, kind: str, title: str, help_: str, filename: str, creates: str = "", *,
           optional: bool = False) -> Param:
    """Return an output parameter."""
    return Param(name, kind, title, help_, filename=filename,
                 creates=creates or ("raster" if kind == "raster_out" else "table"),
                 optional=optional)


def picker(name: str, title: str, help_: str = "") -> Param:
    """Return the parameter that picks one raster layer as the driver called `name`."""
    return Param(f"{name}_layer", "raster", title,
                 (help_ or f"Raster with {title[0].lower()}{title[1:]}, a band per time step, instead of '{name}' in "
                           "the driver cube."), optional=True)


def cube_outputs(what: str, filename: str) -> tuple[Param, ...]:
    """Return the outputs of a step that makes drivers: the cube, and rasters for people and QGIS."""
    return (output("output", "file_out", "Driver cube", f"{what} as a driver cube (Zarr).", filename, "drivers"),
            output("rasters", "folder_out", "Rasters",
                   "Folder for one GeoTIFF per driver, a band per time step; QGIS loads them as layers.", "", "rasters",
                   optional=True))
