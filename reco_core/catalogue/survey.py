"""Steps that look at what there is: files, observations, and drivers at towers."""

from __future__ import annotations

from dataclasses import replace

from .common import DRIVERS, FOOTPRINT, FOOTPRINT_KM, GRID_PARAMS, GROUP_DATA, output
from .records import Param, Step

OBSERVATIONS = Param(
    "observations", "observations", "Observations", "Observation table written by read_observations.")

SURVEY_STEPS = (
    Step(
        "describe", "What is in a file", GROUP_DATA,
        "Say what a file or folder holds: variables that RECO knows, period, step, CRS, units, gaps, and what each "
        "method would still need.",
        params=(
            Param("path", "path", "File or folder",
                  "Anything: flux files, tables, rasters, NetCDF, Zarr, HDF4, zip archives, or what RECO wrote."),),
        outputs=(output("output", "file_out", "Description", "The same as a page (HTML).", "", "html", optional=True),),
        tags=("info", "metadata", "check")),
    Step(
        "inventory", "Inventory of observations", GROUP_DATA,
        "What observations there are: by network, class, month and year, as map, tables and figures.",
        params=(replace(OBSERVATIONS, help="Observation table written by read_observations, or several separated by "
                                           "commas.", kind="path"),),
        outputs=(
            output("output", "file_out", "Inventory", "Page with map, tables and figures (HTML).", "inventory.html",
                   "html"),
            output("table", "file_out", "Table", "A row per site and year (CSV).", "inventory.csv"),
            output("points", "vector_out", "Towers", "Towers with their counts (GeoPackage).", "inventory.gpkg",
                   "points")),
        tags=("towers", "count", "network", "igbp")),
    Step(
        "check_drivers", "Compare drivers with towers", GROUP_DATA,
        "Compare gridded drivers with what the towers measured themselves: bias, R2 and error, by driver and site.",
        params=(OBSERVATIONS, *GRID_PARAMS, FOOTPRINT, FOOTPRINT_KM),
        outputs=(
            output("output", "file_out", "Check", "Page with figures (HTML).", "driver_check.html", "html"),
            output("table", "file_out", "Table", "A row per driver and site, and one for all sites (CSV).",
                   "driver_check.csv")),
        tags=("bias", "validation", "reanalysis")),
    Step(
        "sample_footprints", "Drivers around towers", GROUP_DATA,
        "Drivers of each tower at every time step: nearest cell, bilinear, mean of a square, or the square itself.",
        params=(
            Param("towers", "points", "Towers",
                  "Point layer or table with site, lat and lon; or an observation table.", aliases=("points",)),
            replace(DRIVERS, optional=True), *GRID_PARAMS[1:],
            replace(FOOTPRINT, choices=("nearest", "bilinear", "mean", "patch"),
                    help=FOOTPRINT.help + " patch keeps the cells of the square one by one."),
            FOOTPRINT_KM,
            Param("patch_cells", "integer", "Cells of a patch", "Rows and columns of a patch, an odd number.",
                  default=3, minimum=1, maximum=99, advanced=True)),
        outputs=(
            output("output", "file_out", "Table",
                   "A row per site and time step (CSV); what lies outside the grid or is masked is listed in the "
                   "summary.", "footprints.csv"),
            output("patches", "file_out", "Patches", "Patches as NetCDF: site, time, dy, dx.", "", "table",
                   optional=True)),
        tags=("extract", "patch", "3x3", "tower")),
)
