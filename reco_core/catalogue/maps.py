"""Steps that make maps, explain them and report."""

from __future__ import annotations

from dataclasses import replace

from .common import (
                     CLASS_LAYER,
                     CLUSTER,
                     DEVICE,
                     FOLDER,
                     GRID_PARAMS,
                     GROUP_MAPS,
                     GROUP_REPORT,
                     GROUP_TRENDS,
                     MEMBERS,
                     MEMORY,
                     MODEL_DIR,
                     PERIOD,
                     PROCESSES,
                     REGION,
                     RESUME,
                     SAMPLES,
                     output,
)
from .models import FIT_PARAMS
from .records import Param, Step

MAP_PARAMS = (MODEL_DIR, *GRID_PARAMS, REGION, PERIOD, CLASS_LAYER, MEMBERS, MEMORY, DEVICE, RESUME, CLUSTER)

ESTIMATE_OUTPUTS = (
    output("flux", "raster_out", "Respiration",
           "Estimated flux, a band per time step, in g C m-2 per time step.", "{flux}.tif", "estimate"),
    output("spread", "raster_out", "Spread",
           "Standard deviation over the fold means, unit of the flux.", "spread.tif", optional=True),
    output("seed_spread", "raster_out", "Spread over seeds",
           "Standard deviation over the members of a fold, which differ by their seed alone (root mean square over "
           "the folds), unit of the flux; nodata where a fold has one member.", "seed_spread.tif", optional=True),
    output("relative_spread", "raster_out", "Relative spread",
           "Spread divided by the estimate.", "relative_spread.tif", optional=True),
    output("applicability", "raster_out", "Applicability",
           "1 where drivers resemble the training data, 0.5 at the limit of the area of applicability, 0 "
           "far outside.", "applicability.tif", optional=True),
    output("class_support", "raster_out", "Support of the class",
           "What the training data say of the vegetation class of a cell: 1 supported, 2 fewer than five sites, 3 "
           "hardly predicted at new sites (R² below 0.2), 4 not among the training sites. Needs a class layer; without "
           "one it is not written.", "class_support.tif", optional=True),
)
EXPLAIN_OUTPUTS = (
    output("base_value", "raster_out", "Base value",
           "What the model expects before it sees the drivers; base value plus contributions is the "
           "estimate. One band, or one per time step where the class layer changes in time.",
           "base_value.tif", optional=True),
    output("shares", "raster_out", "Contribution shares",
           "Normalised mean absolute contribution, a band per driver (they add up to 1).", "shares.tif"),
    output("groups", "raster_out", "Contribution groups",
           "Shares of environment (red), biotic (green) and spatiotemporal (blue) drivers.",
           "contribution_groups.tif", optional=True),
    output("dominant", "raster_out", "Dominant driver",
           "Number of the driver with the largest share.", "dominant_driver.tif", optional=True),
)
INTERACTIONS_OUTPUT = output(
    "interactions", "raster_out", "Interactions of groups",
    "What environment, biotic and spatiotemporal drivers contribute alone and in pairs (mean over time, signed, unit "
    "of the flux), a band per pair; base value plus these is the mean estimate. Only written where it is asked for, "
    "and only for methods made of trees.", "", optional=True)
TREND_OUTPUT = output(
    "trend", "raster_out", "Trend",
    "Bands: slope, relative slope (% per year), p, low and high end of the 95 % interval, number of years.",
    "trend.tif")

TREND_PARAMS = (
    Param("annual", "choice", "Annual value",
          "How time steps become years before the trend: sum, mean, or none to use the series as it is. Up to a "
          "quarter of a year may be missing in a pixel; it is filled with the pixel's mean of the same month.",
          default="sum", choices=("sum", "mean", "none")),
    Param("min_years", "integer", "Fewest values", "Pixels with fewer valid values become nodata.",
          default=10, minimum=3, maximum=10000),
    Param("engine", "choice", "Engine",
          "own is RECO's kernel; torch computes on a GPU where there is one; reference runs pymannkendall pixel by "
          "pixel (slow, for checking).",
          default="own", choices=("own", "reference", "torch"), advanced=True),
)

TREND_METHOD = Param(
    "method", "choice", "Test",
    "plain is the Mann-Kendall test. For series with a yearly cycle (annual=none): seasonal compares values of the "
    "same season only, seasonal_covariance also reckons with what seasons have in common. For series that remember "
    "earlier values: hamed_rao and yue_wang widen the variance, prewhitening takes the memory out first, tfpw takes "
    "it out of what is left beside the trend.",
    default="plain", choices=("plain", "seasonal", "seasonal_covariance", "hamed_rao", "yue_wang", "prewhitening",
                              "tfpw"))
SEASON = Param(
    "season", "integer", "Length of a cycle",
    "Time steps in one cycle of the seasonal tests; 0 is a year, such as 12 months.",
    default=0, minimum=0, maximum=10000, advanced=True)

TITLE = Param("title", "text", "Title", "Title of the report.", default="Respiration of a region")

MAP_STEPS = (
    Step("predict", "Estimate respiration", GROUP_MAPS,
         "Map respiration with a fitted model, its spread and where it is applicable.",
         params=MAP_PARAMS, outputs=ESTIMATE_OUTPUTS, tags=("map", "upscale"), can_rehearse=True),
    Step("explain", "Explain respiration", GROUP_MAPS,
         "Map how much each driver contributes to the estimate (exact Shapley values).",
         params=MAP_PARAMS, outputs=(*EXPLAIN_OUTPUTS, INTERACTIONS_OUTPUT, FOLDER), tags=("shap", "contribution"),
         can_rehearse=True),
    Step("trend", "Trend of a raster series", GROUP_TRENDS,
         "Theil-Sen slope and Mann-Kendall test of every pixel, with seasons or autocorrelation if asked for.",
         params=(
             Param("estimate", "estimate", "Raster series",
                   "A raster with a band per time step, such as the output of predict."),
             TREND_METHOD, *TREND_PARAMS, SEASON, PERIOD, MEMORY,
             replace(DEVICE, help="Where engine=torch computes: auto takes a GPU of NVIDIA where there is one and the "
                     "processor else; cuda says so where it cannot be used."), RESUME, CLUSTER),
         outputs=(replace(TREND_OUTPUT, name="output"),),
         tags=("theil-sen", "mann-kendall"), can_rehearse=True),
    Step("estimate_region", "Respiration of a region", GROUP_MAPS,
         "The main job in one step: respiration, spread, applicability, contributions and trend of a region.",
         params=(
             replace(MODEL_DIR, optional=True,
                     help="Model folder written by fit. Empty: a model is fitted on the samples."),
             replace(SAMPLES, optional=True,
                     help="Sample table to fit a model on, where no fitted model is given."),
             *GRID_PARAMS, REGION, PERIOD, CLASS_LAYER,
             *(replace(param, name="method", advanced=False, title="Method",
                       help="Which model to fit where none is given.") if param.name == "model"
               else replace(param, advanced=True) for param in FIT_PARAMS[1:] if param not in (PROCESSES, DEVICE)),
             *TREND_PARAMS,
             replace(TREND_METHOD, name="trend_method", title="Test of the trend", advanced=True),
             replace(SEASON, name="trend_season"),
             replace(TITLE, advanced=True),
             MEMBERS, MEMORY, PROCESSES, DEVICE, RESUME, CLUSTER),
         outputs=(*ESTIMATE_OUTPUTS, *EXPLAIN_OUTPUTS, replace(TREND_OUTPUT, optional=True), FOLDER),
         tags=("map", "shap", "trend", "respiration"), can_rehearse=True),
    Step("report", "Write a report", GROUP_REPORT,
         "Gather maps, skill, dependence curves, importances and provenance in one HTML file.",
         params=(
             Param("folder", "path", "Result folder", "Folder written by estimate_region.", single=True),
             TITLE,
             replace(MODEL_DIR, optional=True,
                     help="Model folder; empty: the one named in the run record."),
             Param("scores", "scores", "Scores",
                   "Score table written by evaluate, or one of several models (its column run names them).",
                   optional=True),
         ),
         outputs=(output("output", "file_out", "Report", "Self-contained HTML.", "report.html", "html"),),
         tags=("html", "figures")),
)
