"""Steps that learn from samples, and the models they can learn."""

from __future__ import annotations

from dataclasses import replace

from .common import DEVICE, GROUP_MODELS, MODEL_DIR, PROCESSES, SAMPLES, output
from .records import Param, Step

MODELS: dict[str, str] = {
    "causal_xgboost": "Causality-weighted gradient boosting (CIML-TER, Zhao & Zhu 2025)",
    "reco_blend": "Blend of boosting and random trees on drivers and their year at the place (RECO)",
    "q10": "Temperature response Q10",
    "lloyd_taylor": "Temperature response of Lloyd & Taylor (1994)",
    "arrhenius": "Temperature response of Arrhenius (1889)",
    "mmrt": "Temperature response with an optimum (MMRT, Hobbs et al. 2013)",
    "tpgpp": "Temperature, precipitation and productivity (TPGPP, Migliavacca et al. 2011)",
    "tpgpp_lai": "Temperature, precipitation, productivity and leaf area (TPGPP-LAI, Migliavacca et al. 2011)",
    "jagermeyr_like": "Vegetation index and surface temperature (like Jägermeyr et al. 2014)",
    "rersm_like": "Vegetation and water indices and surface temperature (like ReRSM, Gao et al. 2015)",
    "ge_like": "Vegetation index, water index and surface temperature (like Ge et al. 2018)",
    "lgs_like": "Best simple response to temperature, productivity or soil water (like Tagesson et al. 2024)",
    "tang2020": "Published equations of grassland (Tang et al. 2020)",
    "rf": "Random forest (Breiman 2001)",
    "svr": "Support vector regression",
    "bp_ann": "Neural network with one hidden layer (BP-ANN)",
    "zonal_forest": "Random forest for each environmentally similar zone (Zhu et al. 2024)",
    "cnn_spei": "Convolutional network with lagged drought indices (CNN-SPEI, Yu 2021)",
    "sae": "Stacked autoencoder (SAE)",
    "geoman": "Recurrent network with attention to drivers and time steps (Geoman, Liu et al. 2022)",
}

MODEL = Param("model", "choice", "Model", "Which model to fit.", default="causal_xgboost",
              choices=tuple(MODELS))
WEIGHTS = Param(
    "weights", "choice", "Feature weights",
    "How boosting favours drivers: pooled uses PCMCI+ over all training sites together, site_mean averages "
    "one run per site, by_pft runs one per vegetation class, uniform gives every driver the same weight "
    "(the baseline), shuffled permutes the pooled weights, or those of each class where each has its own "
    "model (a control).",
    default="pooled", choices=("pooled", "site_mean", "by_pft", "uniform", "shuffled"))
PER_CLASS = Param(
    "per_class", "flag", "One model per class",
    "Fit one model per vegetation class instead of one for all; maps then need a class layer.",
    default=False)
FOLDS = Param("folds", "integer", "Folds", "Number of site-grouped folds.", default=10, minimum=2,
              maximum=1000)
SEEDS = Param("seeds", "integer", "Seeds", "Number of repeats with another random seed in each fold.",
              default=20, minimum=1, maximum=1000)
SEED = Param("seed", "integer", "Master seed", "Seed of the fold assignment.", default=0, minimum=0,
             advanced=True)
ALPHA = Param("alpha", "number", "Significance level", "Level of the independence tests of PCMCI+.",
              default=0.05, minimum=1e-6, maximum=0.5, advanced=True)
SETTINGS = Param(
    "settings", "text", "Model settings",
    "Model settings as name=value pairs separated by commas, for example "
    "max_depth=4,learning_rate=0.05, or the preset robust (fewer, stronger regularised trees, no early "
    "stopping). Empty: those of the published method. Equations have none, but for tang2020: "
    "type=alpine_meadow,season=year. svr and bp_ann choose theirs on inner folds with search=yes. "
    "cnn_spei sees 3 x 3 cells, and with side=1 none around.",
    optional=True, advanced=True)

SEARCH_PARAMS = (
    Param("search", "flag", "Search settings",
          "Choose the settings of the model on folds of whole sites inside the training sites (needs the extra "
          "'search'); what 'settings' names is kept. fit chooses once, on all sites, so that its skill on held-out "
          "sites is slightly optimistic; evaluate chooses in each fold anew (nested), which is honest and takes as "
          "many times longer. For causal_xgboost, rf, svr and bp_ann.", default=False),
    Param("trials", "integer", "Trials", "Number of settings that a search tries.", default=30, minimum=1,
          maximum=10_000, advanced=True),
    Param("study", "text", "Study file",
          "File that keeps the trials, so that a search which was stopped goes on where it was: SQLite where it ends "
          "with .db, a journal otherwise; evaluate makes one per fold.", optional=True, advanced=True),
)
SCHEME = Param(
    "scheme", "choice", "Hold-out scheme",
    "grouped: folds of whole sites; loso: leave one site out; temporal: the last years of each site, about one in "
    "'folds' and at least one (same sites, later years); site_year: folds of whole years of sites, and random: "
    "folds of records, which are optimistic and labelled so.", default="grouped",
    choices=("grouped", "loso", "temporal", "site_year", "random"))
ASSIGNMENTS = Param("assignments", "integer", "Fold assignments",
                    "How often the sites are dealt into folds anew; loso and temporal have one.",
                    default=1, minimum=1, maximum=100)

FIT_PARAMS = (SAMPLES, MODEL, WEIGHTS, PER_CLASS, FOLDS, SEEDS, SEED, ALPHA, SETTINGS, PROCESSES, DEVICE)

MODEL_STEPS = (
    Step(
        "find_links", "Find causal links", GROUP_MODELS,
        "Estimate with PCMCI+ how strongly each driver is linked with respiration.",
        params=(
            SAMPLES,
            Param("mode", "choice", "Aggregation",
                  "pooled: one run over all sites; by_pft: one per vegetation class; site_mean: one per site, "
                  "averaged by their number of records.", default="pooled",
                  choices=("pooled", "by_pft", "site_mean")),
            ALPHA,
            Param("engine", "choice", "Engine",
                  "own is RECO's implementation, with lags on top of tigramite's search; tigramite is the reference. "
                  "Both need the extra 'causal' for lags.", default="own", choices=("own", "tigramite"),
                  advanced=True),
            Param("max_lag", "integer", "Largest lag",
                  "Time steps; above 0 needs the package tigramite (extra 'causal').",
                  default=0, minimum=0, maximum=24, advanced=True),
            Param("within_site", "choice", "Within a site",
                  "values uses the data as they are; anomaly subtracts each site's mean seasonal cycle.",
                  default="values", choices=("values", "anomaly"), advanced=True),
            PROCESSES,
        ),
        outputs=(
            output("output", "file_out", "Links", "Links (JSON) with a CSV beside it.", "links.json",
                   "links"),
        ),
        tags=("pcmci", "causality")),
    Step(
        "fit", "Fit a model", GROUP_MODELS,
        "Fit a model on site-grouped folds and keep it, with its skill, as a model folder.",
        params=FIT_PARAMS + SEARCH_PARAMS,
        outputs=(
            output("output", "folder_out", "Fitted model",
                   "Model folder: weights, skill on held-out sites and a card to read.", "model", "model"),
        ),
        tags=("train", "xgboost")),
    Step(
        "evaluate", "Evaluate a model", GROUP_MODELS,
        "Measure the skill of a model on sites it has not seen.",
        params=FIT_PARAMS + (
            SCHEME, ASSIGNMENTS, *SEARCH_PARAMS,
        ),
        outputs=(
            output("output", "file_out", "Scores",
                   "Scores pooled, by class and by site (CSV).", "scores.csv", "scores"),
            output("predictions", "file_out", "Predictions",
                   "Held-out estimate of every sample (CSV).", "predictions.csv"),
        ),
        tags=("cross-validation", "skill")),
    Step(
        "ablate", "Find the drivers that help", GROUP_MODELS,
        "Fit a model without and with each of some drivers, such as lagged drought indices, on the same folds and "
        "seeds, and say which make it better beyond chance.",
        params=(
            SAMPLES,
            replace(MODEL, default="cnn_spei"),
            Param("added", "text", "Drivers to add",
                  "Drivers that are left out of the base model and added one by one, then one after the other, "
                  "separated by commas. With three there are six variants, those of CNN1 to CNN6.",
                  default="spei_12,spei_24,spei_36"),
            Param("scheme", "choice", "Hold-out scheme",
                  "grouped: whole sites held out; temporal: the last years of each site; resplit: as published, a new "
                  "random split of 10 to 3 at every step, which is not independent and labelled so.",
                  default="grouped", choices=("grouped", "temporal", "resplit")),
            FOLDS, replace(SEEDS, default=3), SEED,
            Param("iterations", "integer", "Iterations of resplit",
                  "Training steps of a network under scheme=resplit (published: 100000). Other methods are fitted "
                  "anew in each of the last ten.", default=5000, minimum=10, maximum=100_000, advanced=True),
            Param("draws", "integer", "Resamplings", "How often sites are resampled for the 95 % intervals.",
                  default=2000, minimum=100, maximum=100_000, advanced=True),
            WEIGHTS, PER_CLASS, ALPHA, SETTINGS, PROCESSES, DEVICE),
        outputs=(
            output("output", "file_out", "Scores of the variants",
                   "R2, CC, RMSE, SDE and bias of each variant and its differences to the base (CSV).", "ablation.csv",
                   "table"),
            output("predictions", "file_out", "Predictions",
                   "Held-out estimate of every sample by each variant (CSV).", "ablation_predictions.csv"),
        ),
        tags=("ablation", "spei", "lag")),
    Step(
        "attention", "Attention by class and season", GROUP_MODELS,
        "What a model with attention (geoman) looks at, by class and season, beside what the drivers contribute.",
        params=(MODEL_DIR, replace(SAMPLES, help="Samples to look at, with the drivers and the history of the fit.")),
        outputs=(
            output("output", "file_out", "Table",
                   "A row per class and season (CSV): share of attention of each driver, its standard deviation over "
                   "the models of the folds, and its share of the contributions.", "attention.csv"),
            output("figure", "file_out", "Figure", "The same as a picture (PNG).", "attention.png", "picture",
                   optional=True)),
        tags=("geoman", "importance", "season")),
)
