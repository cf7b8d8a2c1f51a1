"""The step that makes environmentally similar zones."""

from __future__ import annotations

from .common import GRID_PARAMS, GROUP_MODELS, MEMORY, PERIOD, REGION, SAMPLES, output
from .records import Param, Step

ZONE_STEPS = (
    Step(
        "make_zones", "Make environmentally similar zones", GROUP_MODELS,
        "Group sites that are alike in climate, vegetation, terrain and soil, and map the groups where drivers are "
        "given.",
        params=(
            SAMPLES,
            Param("factors", "text", "Factors",
                  "Drivers whose long-term mean tells places apart, separated by commas; <driver>_growing takes the "
                  "mean of the growing season. Empty: the published ones (temperature, precipitation, NDVI, LSWI of "
                  "the growing season, elevation, soil organic carbon) or what stands for them.", optional=True),
            Param("zones", "integer", "Number of zones",
                  "0 takes, of 2 to 8, the number with the least error on held-out sites whose zones all have enough "
                  "records.", default=0, minimum=0, maximum=20),
            Param("scheme", "choice", "Held-out sites",
                  "How numbers of zones are scored: loso leaves out one site at a time, grouped takes five folds of "
                  "whole sites and is faster.", default="grouped", choices=("grouped", "loso")),
            Param("min_records", "integer", "Fewest records", "Records that a zone needs for a forest of its own.",
                  default=90, minimum=10, maximum=1_000_000),
            Param("variant", "choice", "Particle swarm",
                  "constriction is that of Clerc and Kennedy (2002), 1995 that of Kennedy and Eberhart.",
                  default="constriction", choices=("constriction", "1995"), advanced=True),
            Param("seed", "integer", "Seed", "Seed of swarm, forests and folds.", default=0, minimum=0, advanced=True),
            *GRID_PARAMS, REGION, PERIOD, MEMORY),
        outputs=(
            output("output", "file_out", "Zones",
                   "Zones as numbers (JSON): factors, components, centres, limit of novelty.", "zones.json"),
            output("sites", "file_out", "Sites", "Zone, novelty and factors of every site (CSV).", "zone_sites.csv"),
            output("choice", "file_out", "Choice of the number",
                   "Compactness, separation, sizes and held-out error for each number of zones (CSV).",
                   "zone_choice.csv"),
            output("tests", "file_out", "Differences",
                   "Tamhane's T2 of every factor between every two zones (CSV).", "zone_tests.csv"),
            output("map", "raster_out", "Zone map", "Number of the zone; only where drivers are given.", "zones.tif",
                   optional=True),
            output("novelty", "raster_out", "Novelty",
                   "Distance from the nearest centre, 1 at the 99th percentile of the sites: above 1 a place is unlike "
                   "all of them.", "zone_novelty.tif", optional=True)),
        tags=("k-means", "pca", "particle swarm", "tamhane", "zhu 2024")),
)
