"""The step that sets models side by side."""

from __future__ import annotations

from dataclasses import replace

from .common import DEVICE, GROUP_MODELS, PROCESSES, SAMPLES, output
from .models import ALPHA, ASSIGNMENTS, FOLDS, MODELS, PER_CLASS, SCHEME, SEED, SEEDS, WEIGHTS
from .records import Param, Step

COMPARISON_STEPS = (
    Step(
        "compare", "Compare models", GROUP_MODELS,
        "Hold out the same sites for any set of models and set their skill side by side, with published products if "
        "wanted.",
        params=(
            SAMPLES,
            Param("models", "choices", "Models",
                  "Which models to compare. Empty: those of 'variants', and every model that these samples serve where "
                  "that is empty too.", choices=tuple(MODELS), optional=True),
            Param("variants", "text", "Variants",
                  "Models with other settings, written model:settings or title = model:settings and separated by "
                  "semicolons, for example causal_xgboost:robust,weights=uniform; wide net = bp_ann:hidden=32. weights "
                  "and per_class may stand among the settings.", optional=True),
            Param("reference", "text", "Reference",
                  "Model, variant or product that the others are compared with. Empty: the first.", optional=True),
            WEIGHTS, PER_CLASS, FOLDS, replace(SEEDS, default=4), SEED, ALPHA, SCHEME, ASSIGNMENTS,
            Param("products", "rasters", "Published products",
                  "Rasters of published respiration, a band per time step, whose values at the sites are scored on the "
                  "same samples. Say in a paper which of them were trained on the same towers.", optional=True),
            Param("product_names", "text", "Names of the products",
                  "A name for each product in the same order, separated by commas. Empty: those of the files.",
                  optional=True),
            Param("product_units", "text", "Units of the products",
                  "Units of products whose file does not state them, as name=unit pairs separated by commas, for "
                  "example FLUXCOM=g C m-2 d-1.", optional=True),
            Param("start", "text", "First date of the products",
                  "Date of the first band (YYYY, YYYY-MM or YYYY-MM-DD) where a product does not carry dates.",
                  optional=True, advanced=True),
            PROCESSES, DEVICE,
        ),
        outputs=(
            output("output", "file_out", "Scores",
                   "Scores of every model over all samples, at several scales, by class, season and site (CSV).",
                   "comparison.csv"),
            output("page", "file_out", "Comparison", "Page with tables and figures (HTML).", "comparison.html", "html"),
            output("taylor", "file_out", "Taylor diagram", "Correlation and variability of every model (PNG).",
                   "taylor.png"),
            output("scatter", "file_out", "Scatter", "Observed against estimated flux of every model (PNG).",
                   "scatter.png"),
            output("predictions", "folder_out", "Predictions",
                   "Folder with the held-out estimates of every model (CSV); models that are there already are not "
                   "fitted again.", "held_out", "folder"),
        ),
        tags=("league", "taylor", "benchmark", "skill")),
)
