"""The step that fits estimates to local records."""

from __future__ import annotations

from dataclasses import replace

from .common import ALIGN, CLASS_LAYER, GROUP_MAPS, MEMORY, MODEL_DIR, PERIOD, REGION, SAMPLES, output
from .records import Param, Step

CALIBRATION_STEPS = (
    Step("calibrate", "Calibrate to local records", GROUP_MAPS,
         "Multiply estimates by a factor learned from a few local records, apart from the blind estimate.",
         params=(
             MODEL_DIR,
             replace(SAMPLES, title="Local records",
                     help="Sample table (written by build_samples) with the local records and their drivers."),
             Param("place", "choice", "Place",
                   "What gets a factor: tower, each tower and its surroundings; region, all of a region; class, each "
                   "vegetation class.", default="tower", choices=("tower", "region", "class")),
             Param("known", "integer", "Known records",
                   "How many of the first time steps of each tower are used; the others show what that was worth. "
                   "0: all.",
                   default=0, minimum=0, maximum=100000),
             replace(PERIOD, title="Known period",
                     help="First and last time step of the records to use, as FIRST/LAST; the others show what that "
                          "was worth. Empty: all."),
             replace(REGION, help="Only where the place is a region. A polygon layer or GeoJSON file, a polygon as "
                                  "WKT, or a box 'xmin,ymin,xmax,ymax [EPSG:4326]'."),
             Param("estimate", "estimate", "Map to calibrate",
                   "Raster of the flux that predict or estimate_region made with the same model; it stays as it is. "
                   "Empty: only tables.", optional=True),
             replace(CLASS_LAYER, advanced=False,
                     help="Raster of IGBP land-cover classes (codes 1 to 17). Only for a map and classes."),
             Param("radius_km", "number", "Radius around towers",
                   "How far around a tower its factor holds on the map; the cell of the tower is always in.",
                   default=5.0, minimum=0.0, maximum=20000, unit="km"),
             Param("transfer", "number", "Transfer",
                   "How much the deviation of one tower tells of other places of its region or class, from 0 to 1. "
                   "Empty: what the training sites say.", minimum=0.0, maximum=1.0, optional=True, advanced=True),
             ALIGN, MEMORY),
         outputs=(
             output("output", "file_out", "Factors", "Factor of each place, and skill before and after (CSV).",
                    "factors.csv"),
             output("table", "file_out", "Calibrated records",
                    "Observed, blind and calibrated value of each local record (CSV).", "calibrated.csv"),
             output("calibrated", "raster_out", "Calibrated respiration",
                    "The map times the factors; nodata where no local record speaks.", "{flux}_calibrated.tif",
                    "estimate", optional=True)),
         tags=("few-shot", "local", "scale factor")),
)
